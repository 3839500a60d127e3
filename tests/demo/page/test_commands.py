"""Commands, buttons, menus and dialogs on the page, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from bot.demo.loopback import interaction_state
from tests.demo.page.conftest import Demo, Visitor, become
from tests.demo.page.test_conversation import write

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def command(page: Page, name: str) -> None:
    """Pick a slash command, which opens its form."""
    await page.locator("#composer").fill(f"/{name}")
    await page.locator(f".picker-row[data-label='/{name}']").wait_for()
    await page.keyboard.press("Enter")
    await page.locator(".command-name", has_text=f"/{name}").wait_for()


async def test_an_ephemeral_answer_is_visible_to_its_person_only(demo: Demo, visit: Visitor) -> None:
    page, other = await visit(), await visit()
    await become(other, "Grace")
    await command(page, "model info")
    await page.keyboard.press("Enter")
    message = page.locator(".message.ephemeral")
    await expect(message).to_contain_text("Only you can see this")
    await expect(message.locator(".above-line")).to_contain_text("Ada used /model info")
    await expect(message.locator(".app-tag")).to_have_text("APP")
    await expect(message.locator(".embed-title")).to_have_text("Model")
    await expect(message.locator(".embed-field-name")).to_have_text(["Device", "Speed"])
    assert (
        await message.locator(".embed").evaluate("card => getComputedStyle(card).borderLeftColor")
        == "rgb(87, 242, 135)"
    )

    await write(page, "everybody sees this")
    await expect(other.locator(".message")).to_have_count(1)
    await message.get_by_role("button", name="Dismiss message").click()
    await expect(message).to_have_count(0)


async def test_options_autocomplete_and_a_deferred_answer_shows_thinking(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await page.locator("#composer").press_sequentially("/sa")
    await page.locator(".picker-row[data-label='/say']").wait_for()
    await page.keyboard.press("Tab")
    await page.locator(".option .picker-row[data-label=help]").wait_for()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await expect(page.locator(".command-help")).to_contain_text("This option is required.")
    await page.keyboard.type("hell")
    await page.locator(".option .picker-row[data-label=hello]").click()
    await page.keyboard.press("Tab")
    await page.locator("[data-option=loud] .picker-row[data-label=True]").click()
    demo.bot.may_answer.clear()
    await page.keyboard.press("Enter")
    await expect(page.locator(".thinking")).to_have_text("Phi is thinking…")
    demo.bot.may_answer.set()
    await expect(page.locator(".message .markdown")).to_contain_text("HELLO")
    await expect(page.locator(".above-line")).to_have_text("AAda used /say")


async def test_enter_in_an_empty_optional_field_sends_the_command(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await command(page, "say")
    await page.keyboard.type("good day")
    await page.keyboard.press("Tab")
    await page.locator("[data-option=loud] .picker-row[data-label=True]").wait_for()
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .markdown")).to_contain_text("good day")


async def test_another_channel_closes_a_command(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await command(page, "say")
    await page.locator("[data-name=random]").click()
    await expect(page.locator(".command-form")).to_be_hidden()
    await expect(page.locator("#composer")).to_be_visible()


async def test_buttons_and_menus_work(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "@Phi go")
    message = page.locator(".message").nth(1)
    await expect(message.get_by_role("button", name="Off")).to_be_disabled()
    await message.locator(".select-toggle").click()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ephemeral")).to_contain_text("Tone: Terse")
    await message.get_by_role("button", name="Again").click()
    await expect(message.locator(".markdown")).to_contain_text("Pressed")


async def test_a_modal_is_a_dialog_that_returns_the_focus_to_the_composer(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await command(page, "persona")
    await page.keyboard.press("Enter")
    await page.get_by_label("Who should I be?").fill("a pirate")
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator(".message.ephemeral")).to_contain_text("I am now: a pirate")
    await page.keyboard.type("typed on")
    await expect(page.locator("#composer")).to_have_value("typed on")


async def test_a_command_on_a_message(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "three little words")
    await page.locator(".message").hover()
    await page.get_by_role("button", name="Apps").click()
    await page.get_by_role("menuitem", name="Count words").click()
    await expect(page.locator(".message.ephemeral")).to_contain_text("3 words")


async def test_an_unanswered_command_says_so(demo: Demo, visit: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interaction_state, "ANSWER_SECONDS", 0.3)
    page = await visit()
    await command(page, "silent")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ephemeral")).to_contain_text("The application did not respond")
    await expect(page.locator(".above-line")).to_contain_text("used /silent")
    await page.get_by_role("button", name="Dismiss message").click()
    await expect(page.locator(".message")).to_have_count(0)
