"""Access to the page, and what it shows when the connection or the demo ends."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from playwright.async_api import Browser, WebSocketRoute, expect

from bot.demo.loopback import LoopbackDiscord
from bot.demo.page import DemoPage
from tests.demo.page.conftest import Demo, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def status(url: str, **headers: str) -> int:
    """Return the status of a GET."""
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status


async def test_only_the_whole_address_opens_anything() -> None:
    async with LoopbackDiscord() as discord:
        page = DemoPage(discord)
        url = await page.start()
        origin, secret = url.rstrip("/").rsplit("/", 1)
        assert origin.startswith("http://127.0.0.1:")
        assert len(secret) >= 32
        wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        assert await status(url) == 200
        assert await status(f"{url}static/app.js") == 200
        for path in ("/", "/static/app.js", f"/{wrong}/", f"/{wrong}/static/app.js", f"/{wrong}/socket"):
            assert await status(origin + path) == 404, path
        assert await status(f"{url}static/..%2Fserver.py") == 404
        assert await status(f"{url}static/server.py") == 404
        await page.close()


async def test_foreign_hosts_and_origins_are_refused() -> None:
    async with LoopbackDiscord() as discord:
        page = DemoPage(discord)
        url = await page.start()
        own = url.split("/")[2]
        assert await status(url, Host="phi.example") == 421
        assert await status(url, Host=f"phi.example:{own.split(':')[1]}") == 421
        async with aiohttp.ClientSession() as session:
            for origin in ("http://phi.example", "null", "http://127.0.0.1:1"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await session.ws_connect(f"{url}socket", origin=origin)
                assert refused.value.status == 403
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{url}socket")
            async with session.ws_connect(f"{url}socket", origin=f"http://{own}") as socket:
                await socket.send_json({"id": 1, "action": "become", "person": None, "channel": None})
                state = await socket.receive_json()
                assert state["event"] == "state"
                assert state["state"]["me"] == str(discord.people[0].id)
        await page.close()


async def test_the_page_runs_nothing_but_its_own_scripts(demo: Demo, browser: Browser) -> None:
    async with aiohttp.ClientSession() as session, session.get(demo.url) as response:
        policy = response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    page = await browser.new_page()
    await page.goto(demo.url)
    refused = (
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (error) { return error.name; } }"
    )
    assert await page.locator("body").evaluate(refused) == "TypeError"
    await page.close()


async def test_the_page_says_when_the_demo_has_ended(demo: Demo, visit: Visitor) -> None:
    page = await visit()
    await demo.page.close()
    await expect(page.locator(".banner")).to_have_text("The demo has ended. Start it again with make demo.")


async def test_the_page_reconnects_and_shows_what_it_missed(demo: Demo, browser: Browser) -> None:
    routes: list[WebSocketRoute] = []

    def pass_through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page = await browser.new_page()
    await page.route_web_socket(re.compile("/socket$"), pass_through)
    await page.goto(demo.url)
    await page.locator(".welcome").wait_for()
    await routes[0].close(code=1011)
    await expect(page.locator(".banner")).to_have_text("Connection lost. Reconnecting…")
    await demo.discord.send(demo.discord.people[1].id, demo.discord.channels[0].id, "missed")
    await expect(page.locator(".message .markdown")).to_have_text("missed")
    await expect(page.locator(".banner")).to_be_hidden()
    assert len(routes) == 2
    await page.close()


async def test_closing_the_page_ends_its_connections_and_tasks() -> None:
    async with LoopbackDiscord() as discord:
        before = asyncio.all_tasks()
        page = DemoPage(discord)
        url = await page.start()
        origin = url.rstrip("/").rsplit("/", 1)[0]
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}socket", origin=origin) as socket:
            await socket.send_json({"id": 1, "action": "become", "person": None, "channel": None})
            assert (await socket.receive_json())["event"] == "state"
            closing = asyncio.create_task(page.close())
            while not socket.closed:
                await socket.receive()
            assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            await closing
        await page.close()
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


async def test_closing_the_discord_ends_the_connections() -> None:
    discord = LoopbackDiscord()
    await discord.start()
    page = DemoPage(discord)
    url = await page.start()
    origin = url.rstrip("/").rsplit("/", 1)[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}socket", origin=origin) as socket:
        await discord.close()
        await socket.receive()
        assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY
    await page.close()


async def test_the_page_says_that_the_bot_is_offline(visit: Visitor) -> None:
    async with LoopbackDiscord() as discord:
        page_without_bot = DemoPage(discord)
        page = await visit()
        await page.goto(await page_without_bot.start())
        await expect(page.locator(".banner")).to_contain_text("Phi is not online yet")
        await expect(page.locator(".members .offline")).to_contain_text("Phi")
        await page_without_bot.close()
