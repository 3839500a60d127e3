"""The real bot on the page: what its answers offer, and the threads that it opens."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.page import DemoPage
from bot.demo.running_bot import MESSAGE_CONTENT, running_bot
from tests.demo.page.conftest import Visitor
from tests.demo.page.test_commands import command
from tests.demo.page.test_conversation import write

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SETTINGS: dict[str, object] = {"message_content_intent": True, "max_new_tokens": 5, "kv_cache_gigabytes": 0.3}


@dataclass(frozen=True)
class RealDemo:
    """A running demo whose bot is the real one."""

    discord: LoopbackDiscord
    url: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(tiny_chat_model_dir: Path) -> AsyncIterator[RealDemo]:
    """In place of the echo bot's demo."""
    async with LoopbackDiscord(granted_intents=[MESSAGE_CONTENT]) as discord:
        page = DemoPage(discord)
        url = await page.start()
        async with running_bot(discord, tiny_chat_model_dir, Progress(io.StringIO()), **_SETTINGS):
            await discord.wait_for(discord.commands)
            yield RealDemo(discord, url)
            await page.close()


async def test_versions_of_an_answer_are_paged_in_place(demo: RealDemo, visit: Visitor) -> None:
    page = await visit()
    await write(page, "@Phi hello")
    answer = page.locator(".message").nth(1)
    await answer.get_by_role("button", name="Regenerate").click()
    await expect(answer.get_by_role("button", name="2/2")).to_be_disabled()
    await expect(answer.get_by_role("button", name="▶")).to_be_disabled()
    await answer.get_by_role("button", name="◀").click()
    await expect(answer.get_by_role("button", name="1/2")).to_be_visible()
    await expect(page.locator(".message")).to_have_count(2)
    await answer.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.locator(".message")).to_have_count(1)


async def test_a_mention_opens_a_thread_where_nobody_mentions_the_bot(demo: RealDemo, visit: Visitor) -> None:
    page = await visit()
    await page.locator("[data-name=help]").click()
    await command(page, "channel mode")
    await page.locator(".option .picker-row[data-label=threads]").click()
    await page.keyboard.press("Enter")
    await expect(page.locator(".message.ephemeral")).to_contain_text("opens a thread")
    await write(page, "@Phi hello")
    await page.locator(".message .thread-link").click()
    await expect(page.locator(".message")).to_have_count(1)
    await write(page, "and again")
    await expect(page.locator(".message").last.locator(".quoted")).to_have_text("and again")
    await expect(page.locator(".message").last.get_by_role("button", name="Regenerate")).to_be_visible()
