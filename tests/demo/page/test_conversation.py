"""Conversations with the bot on the page, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.demo.page.conftest import Demo, Visitor, become

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def write(page: Page, words: str) -> None:
    """Write a message into the composer and send it."""
    await page.locator("#composer").fill(words)
    await page.keyboard.press("Enter")


async def test_a_mention_shows_typing_and_then_a_growing_answer(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await page.evaluate(
        """() => {
          window.seen = [];
          const record = () => {
            window.seen.push([...document.querySelectorAll(".message .markdown")].at(-1)?.textContent);
          };
          new MutationObserver(record).observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )
    await page.locator("#composer").press_sequentially("@Phi one two")
    demo.bot.may_answer.clear()
    await page.keyboard.press("Enter")
    await expect(page.locator(".typing-line")).to_have_text("Phi is typing…")
    demo.bot.may_answer.set()
    await expect(page.locator(".markdown").last).to_have_text(re.compile("^You said: one two"))
    seen = await page.evaluate("window.seen")
    assert any(text and text.startswith("You said: one (edited)") for text in seen)
    await expect(page.locator(".typing-line")).to_be_empty()
    ada, general = demo.discord.people[0].id, demo.discord.channels[0].id
    asked, answer = demo.discord.messages(ada, general)
    assert asked["content"] == f"<@{demo.discord.bot.id}> one two"
    await expect(page.locator(".message").last.locator(".quoted")).to_have_text("@Phi one two")
    assert answer["referenced_message"]["id"] == asked["id"]


async def test_the_pickers_insert_mentions_and_channels(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    composer = page.locator("#composer")
    await composer.press_sequentially("hello @")
    await expect(page.locator(".picker-row").first).to_have_attribute("data-label", "Phi")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await composer.press_sequentially("see #ran")
    await page.locator(".picker-row[data-label=random]").click()
    await expect(composer).to_have_value("hello @Grace see #random ")
    await composer.press_sequentially("`@Ada`")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("second line")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .mention")).to_have_text(["@Grace", "#random"])
    ada, general = demo.discord.people[0].id, demo.discord.channels[0].id
    (sent,) = demo.discord.messages(ada, general)
    grace, random = demo.discord.people[1].id, demo.discord.channels[2].id
    assert sent["content"] == f"hello <@{grace}> see <#{random}> `@Ada`\nsecond line"


async def test_a_suggestion_fills_the_composer_and_enter_sends_it(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await page.locator(".suggestion").first.click()
    await expect(page.locator("#composer")).to_have_value("@Phi what is the capital of France?")
    assert demo.discord.messages(demo.discord.people[0].id, demo.discord.channels[0].id) == []
    await page.keyboard.press("Enter")
    await expect(page.locator(".markdown").last).to_contain_text("You said: what is the capital of France?")


async def test_markdown_is_rendered_and_html_stays_text(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "@Phi markdown")
    words = page.locator(".message").last.locator(".markdown")
    await expect(words.locator("h3")).to_have_text("Answer")
    for selector, text in {
        "strong": "bold",
        "em": "slanted",
        "u": "under",
        "s": "gone",
        "blockquote": "quoted words",
    }.items():
        await expect(words.locator(selector)).to_have_text(text)
    await expect(words.locator(".codeblock code.language-python")).to_have_text("print('hello')")
    await expect(words.locator("ul ul li")).to_have_text("nested")
    await expect(words.locator("ol li")).to_have_text(["first", "second"])
    await expect(words.locator("a")).to_have_attribute("rel", re.compile("noreferrer"))
    await expect(words.locator("a")).to_have_attribute("target", "_blank")
    await expect(page.locator(".message.calls-me")).to_have_count(1)
    await words.locator(".spoiler").click()
    await expect(words.locator(".spoiler.shown")).to_have_text("secret")

    await write(page, "@Phi injection")
    words = page.locator(".message").last.locator(".markdown")
    await expect(words).to_contain_text(
        '<img src=x onerror="window.broken=1"><script>window.broken=1</script> <b>x</b>'
    )
    assert await words.locator("img, script, b").count() == 0
    assert await page.evaluate("window.broken") is None


async def test_a_message_can_be_edited_replied_to_and_deleted(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "frist")
    await expect(page.locator(".message .markdown")).to_have_text("frist")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type("first")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .markdown")).to_have_text("first (edited)")
    message = page.locator(".message")
    await message.hover()
    await message.get_by_role("button", name="Reply").click()
    await expect(page.locator(".reply-bar")).to_contain_text("Replying to Ada")
    await write(page, "second")
    await expect(page.locator(".message").last.locator(".quoted")).to_have_text("first")
    await message.first.hover()
    await message.first.get_by_role("button", name="Delete").click()
    await page.locator("dialog").get_by_role("button", name="Delete").click()
    await expect(page.locator(".message .markdown")).to_have_text(
        ["second"]
    )  # a list waits until the other one is gone


async def test_files_go_both_ways(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await page.locator("#file-input").set_input_files({"name": "mine.txt", "mimeType": "text/plain", "buffer": b"Hi!"})
    await expect(page.locator(".upload-name")).to_have_text("mine.txt")
    await write(page, "@Phi file")
    await expect(page.locator(".attachment-text")).to_have_text(
        [re.compile("mine.txt3 bytes"), re.compile("answer.txt.* KB")]
    )
    (sent, _) = demo.discord.messages(demo.discord.people[0].id, demo.discord.channels[0].id)
    answered = await page.context.request.get(sent["attachments"][0]["url"])
    assert await answered.body() == b"Hi!"


async def test_a_file_that_cannot_be_read_is_named_and_the_text_is_kept(
    demo: Demo, visit: Visitor, tmp_path: Path
) -> None:
    page = await visit()
    gone = tmp_path / "gone.txt"
    gone.write_text("soon gone")
    await page.locator("#file-input").set_input_files(gone)
    await expect(page.locator(".upload-name")).to_have_text("gone.txt")
    gone.unlink()
    await write(page, "read this")
    await expect(page.locator(".notice")).to_have_text(
        "gone.txt cannot be read: it is a folder, or it has changed. Attach it again."
    )
    await expect(page.locator("#composer")).to_have_value("read this")
    assert demo.discord.messages(demo.discord.people[0].id, demo.discord.channels[0].id) == []


async def test_a_thread_a_direct_message_and_unread_marks(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "let us talk")
    message = page.locator(".message")
    await message.hover()
    await message.get_by_role("button", name="Create thread").click()
    await expect(page.get_by_label("Thread name")).to_have_value("let us talk")
    await page.keyboard.press("Enter")
    await expect(page.locator(".channel.thread.active")).to_have_text("let us talk")
    await write(page, "@Phi in here")
    await expect(page.locator(".markdown").last).to_contain_text("You said: in here")

    await page.locator("[data-name=Phi]").click()
    demo.bot.may_answer.clear()
    await write(page, "no mention needed")
    await page.locator("[data-name=general]").click()
    demo.bot.may_answer.set()
    await expect(page.locator(".channel.dm .badge")).to_have_text("1")
    await expect(message.locator(".thread-link")).to_contain_text("let us talk")
    await page.locator("[data-name=Phi]").click()
    await expect(page.locator(".markdown").last).to_contain_text("You said: no mention needed")
    await expect(page.locator(".badge")).to_have_count(0)

    await become(page, "Grace")
    await page.locator("[data-name=Phi]").click()
    await expect(page.locator(".message")).to_have_count(0)  # her own direct messages are empty


async def test_new_messages_do_not_move_a_list_that_is_scrolled_up(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    ada, grace = demo.discord.people[0].id, demo.discord.people[1].id
    general = demo.discord.channels[0].id
    for number in range(30):
        await demo.discord.send(grace, general, f"line {number}\nand more")
    await expect(page.locator(".message")).to_have_count(30)
    scroller = "document.querySelector('.scroller')"
    from_bottom = f"{scroller}.scrollHeight - {scroller}.scrollTop - {scroller}.clientHeight"
    await page.wait_for_function(f"{from_bottom} < 2")
    await page.evaluate(f"{scroller}.scrollTop = 100")
    await expect(page.locator(".jump-down")).to_be_visible()
    await demo.discord.send(grace, general, "news")
    await expect(page.locator(".message")).to_have_count(31)
    assert await page.evaluate(f"{scroller}.scrollTop") == 100
    await page.locator(".jump-down").click()
    await page.wait_for_function(f"{from_bottom} < 2")
    assert len(demo.discord.messages(ada, general)) == 31
