"""The demo page with a real bot on a loopback Discord, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.demo.page import DemoPage
from tests.browser import browser
from tests.demo.page.echo_bot import EchoBot

__all__ = ["browser"]

# Generous, because a busy machine is slow; a page that behaves never waits this long.
WAIT_MILLISECONDS = 30_000
expect.set_options(timeout=WAIT_MILLISECONDS)


@dataclass(frozen=True)
class Demo:
    """A running demo whose bot is online."""

    discord: LoopbackDiscord
    bot: EchoBot
    page: DemoPage
    url: str


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[Demo]:
    """A demo whose bot is online and has registered its commands."""
    async with LoopbackDiscord() as discord:
        page = DemoPage(discord)
        url = await page.start()
        with connect_discord_py(discord):
            bot = EchoBot()
            bot_task = asyncio.create_task(bot.start(discord.bot_token))
            await discord.wait_for(lambda: discord.bot_online and discord.commands())
            yield Demo(discord, bot, page, url)
            await page.close()
            await bot.close()
            await bot_task


Visitor = Callable[[], Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, demo: Demo) -> AsyncIterator[Visitor]:
    """Opens the page in a fresh browser profile. A script error on any of these pages fails the test."""
    errors: list[str] = []

    async def open_page() -> Page:
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(WAIT_MILLISECONDS)
        page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        await page.goto(demo.url)
        await page.locator(".welcome").wait_for()
        return page

    yield open_page
    for context in browser.contexts:
        await context.close()
    assert errors == []


async def become(page: Page, name: str) -> None:
    """Switch a page to another person."""
    await page.get_by_role("button", name="Switch person").click()
    await page.locator(f"[data-person={name}]").click()
    await page.locator(".user-name strong", has_text=name).wait_for()
