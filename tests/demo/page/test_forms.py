"""Modals, options and mentions of commands on the page."""

from __future__ import annotations

import pytest
from playwright.async_api import FilePayload, expect

from tests.demo.page.conftest import Demo, Visitor
from tests.demo.page.test_commands import command
from tests.demo.page.test_conversation import write

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOTE: FilePayload = {"name": "note.txt", "mimeType": "text/plain", "buffer": b"from the file"}


async def test_a_modal_with_menus_files_and_choices(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "three little words")
    await page.locator(".message").hover()
    await page.get_by_role("button", name="Apps").click()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Only you see the answer")
    await page.get_by_label("Tone").select_option(label="Terse")
    await page.get_by_label("Friend").select_option(label="Grace")
    await page.get_by_label("Files").set_input_files(NOTE)
    await page.get_by_label("Short").check()
    await page.get_by_label("Private").check()
    await page.get_by_role("button", name="Submit").click()
    answer = page.locator(".message.ephemeral")
    await expect(answer).to_contain_text("Terse Grace from the file short")
    await expect(answer).to_contain_text("Only you can see this")


async def test_an_option_with_a_file_and_a_boolean(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await command(page, "ask")
    await page.keyboard.type("why?")
    await page.locator("[data-option=file] input").set_input_files(NOTE)
    await page.locator("[data-option=private] input").focus()
    await page.locator("[data-option=private] .picker-row[data-label=True]").click()
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ephemeral")).to_contain_text("why? from the file")


async def test_a_mention_of_a_command_opens_it(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await command(page, "help")
    await page.keyboard.press("Enter")
    message = page.locator(".message.ephemeral")
    await message.get_by_role("button", name="/model info").click()
    await expect(page.locator(".command-name")).to_have_text("/model info")
    await page.keyboard.press("Escape")
    await message.get_by_role("button", name="/gone").click()
    await expect(page.locator(".notice")).to_have_text("/gone cannot be used here.")
