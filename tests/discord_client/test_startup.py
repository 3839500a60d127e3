"""A start waits for Discord and the network, and ends only for what the operator must change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from bot.demo.loopback import ConnectionFault, Limit, LoopbackDiscord, Outage, connect_discord_py
from bot.discord_client.client import PhiClient
from bot.discord_client.invite import invite_link, log_invite_link
from bot.discord_client.rest import retry, time_limit
from bot.discord_client.startup import log_in, stay_connected
from bot.errors import ConfigurationError

LOGIN = ["/users/@me", "/oauth2/applications/@me"]
Fault = Callable[[LoopbackDiscord, str], None]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(retry, "_FIRST_PAUSE_SECONDS", 0.05)
    caplog.set_level(logging.INFO)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        yield server


@asynccontextmanager
async def started(server: LoopbackDiscord) -> AsyncIterator[tuple[PhiClient, asyncio.Task[Any]]]:
    """A client that logs in and connects until the block ends."""
    client, ready = PhiClient(message_content_intent=False), asyncio.Event()
    client._connection.guild_ready_timeout = 0.2  # a loopback Discord has only one

    async def run() -> None:
        async with client:
            await log_in(client, server.bot_token)
            await stay_connected(client, ready.set)

    with connect_discord_py(server):
        running = asyncio.create_task(run())
        is_ready = asyncio.create_task(ready.wait())
        try:
            yield client, is_ready
        finally:
            is_ready.cancel()
            running.cancel()
            await asyncio.wait([running, is_ready])


async def logged(caplog: pytest.LogCaptureFixture, start: str) -> str:
    async with asyncio.timeout(20):
        while True:
            for record in caplog.records:
                if record.getMessage().startswith(start):
                    return record.getMessage()
            await asyncio.sleep(0.01)


def no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR], caplog.text


@pytest.mark.parametrize("path", LOGIN)
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(lambda on, path: on.fail_next("GET", path, 503, 2), "Service Unavailable (503)", id="503"),
        pytest.param(
            lambda on, path: on.fail_next("GET", path, 429, 2, 0, limit=Limit.CLOUDFLARE),
            "rate limited by Cloudflare (429)",
            id="429",
        ),
        pytest.param(
            lambda on, path: on.break_next("GET", path, ConnectionFault.RESET, 2),
            "Discord cannot be reached: ",
            id="reset",
        ),
        pytest.param(
            lambda on, path: on.break_next("GET", path, ConnectionFault.DISCONNECT_AFTER, 2),
            "Discord cannot be reached: Server disconnected",
            id="disconnect",
        ),
    ],
)
async def test_a_login_is_tried_again(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture, path: str, fault: Fault, cause: str
) -> None:
    fault(server, path)
    async with started(server) as (_, ready):
        await asyncio.wait_for(ready, 20)
    lines = [line for line in caplog.messages if line.startswith("Login to Discord failed: next_try_in=")]
    assert lines
    assert all(cause in line for line in lines)
    no_traceback(caplog)
    assert "Unclosed" not in caplog.text


async def test_a_login_that_is_not_answered_is_tried_again(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "_SECONDS", 0.3)
    server.break_next("GET", LOGIN[0], ConnectionFault.HANG)
    async with started(server) as (_, ready):
        await asyncio.wait_for(ready, 20)
    assert "cause=Discord does not answer" in await logged(caplog, "Login to Discord failed")
    no_traceback(caplog)


async def test_the_next_login_waits_as_long_as_discord_asks(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail_next("GET", LOGIN[0], 429, retry_after=2, limit=Limit.CLOUDFLARE)
    async with started(server) as (_, ready):
        await asyncio.wait_for(ready, 20)
    refused, accepted = [call.at for call in server.calls if call.path == LOGIN[0]]
    assert accepted - refused >= 2
    assert "next_try_in=2s" in caplog.text


@pytest.mark.parametrize("resumes", [True, False])
async def test_it_is_online_only_while_the_gateway_is_connected(server: LoopbackDiscord, resumes: bool) -> None:
    """The health check and the alert `PhiBotNotOnDiscord` ask for this."""
    async with started(server) as (client, ready):
        await asyncio.wait_for(ready, 20)
        assert client.is_online
        async with server.outage(rest=None):
            await until_online(client, False)
            if not resumes:
                await server.invalidate_session()
        await until_online(client, True)
    assert not client.is_online


async def until_online(client: PhiClient, expected: bool) -> None:
    async with asyncio.timeout(20):
        while client.is_online != expected:  # noqa: ASYNC110 - the test waits for what is asked now and then
            await asyncio.sleep(0.01)


async def test_a_gateway_that_cannot_be_reached_is_tried_again(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    await server.start_outage(rest=None)
    async with started(server) as (client, ready):
        assert "cause=" in await logged(caplog, "Gateway cannot be reached: next_try_in=")
        server.end_outage()
        await asyncio.wait_for(ready, 20)
        caplog.clear()
        await server.start_outage(rest=Outage.RESET)
        await logged(caplog, "Gateway cannot be reached: next_try_in=")
        server.end_outage()
        received = client.wait_for("message", timeout=20)
        sent = await server.send(server.people[0].id, server.channels[0].id, "Are you back?")
        assert (await received).id == sent
    no_traceback(caplog)


async def test_a_gateway_that_refuses_is_left_alone_as_long_as_it_asks(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=429, text="<html>", headers={"Retry-After": "7"})

    application = web.Application()
    application.router.add_get("/{path:.*}", refuse)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gateway = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    addresses: Any = SimpleNamespace(
        api_url=server.api_url, gateway_url=gateway, cdn_url=server.cdn_url, bot_token=server.bot_token
    )
    try:
        async with started(addresses):
            await logged(caplog, "Gateway cannot be reached: next_try_in=7s cause=Discord answers 429")
    finally:
        await runner.cleanup()
    no_traceback(caplog)


async def test_a_dropped_session_is_continued_at_once(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bot")
    async with started(server) as (client, ready):
        await asyncio.wait_for(ready, 20)
        resumed = client.wait_for("resumed", timeout=20)
        await server.drop_gateway()
        await resumed
        identified = client.wait_for("ready", timeout=20)
        await server.invalidate_session()
        await identified
    assert "Gateway interrupted" in caplog.text
    assert "next_try_in" not in caplog.text
    no_traceback(caplog)


@pytest.mark.parametrize(
    ("servers", "level", "line"),
    [
        (1, logging.INFO, "Invite link: url="),
        (0, logging.WARNING, "The bot is in no server yet; open the link to add it to one: url="),
    ],
)
async def test_the_invite_link_is_a_warning_in_no_server(
    server: LoopbackDiscord, caplog: pytest.LogCaptureFixture, servers: int, level: int, line: str
) -> None:
    if not servers:
        server.remove_bot(server.guild_id)
    async with started(server) as (client, ready):
        await asyncio.wait_for(ready, 20)
        log_invite_link(client)
    records = [record for record in caplog.records if record.name == "bot.discord_client.invite"]
    assert [(each.levelno, each.getMessage()) for each in records] == [(level, line + invite_link(server.bot.id))]


async def test_a_login_that_discord_refuses_for_good_is_one_line(server: LoopbackDiscord) -> None:
    server.fail_next("GET", LOGIN[1], 403, code=40002, message="You need to verify your account")
    client = PhiClient(message_content_intent=False)
    with connect_discord_py(server):
        async with client:
            with pytest.raises(ConfigurationError, match=r"^Discord refuses the login: You need to verify .*; check"):
                await log_in(client, server.bot_token)


async def test_a_token_that_is_replaced_while_the_bot_starts_is_one_line(
    server: LoopbackDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = PhiClient(message_content_intent=False)
    with connect_discord_py(server):
        async with client:
            await log_in(client, server.bot_token)
            client.http.token = "replaced"
            with pytest.raises(ConfigurationError, match=r"^DISCORD_TOKEN is no longer valid; make a new one"):
                await stay_connected(client, lambda: None)


async def test_a_missing_intent_that_only_the_gateway_tells_is_one_line(server: LoopbackDiscord) -> None:
    client = PhiClient(message_content_intent=False)
    with connect_discord_py(server):
        async with client:
            await log_in(client, server.bot_token)
            client._connection._intents.message_content = True
            with pytest.raises(ConfigurationError, match=r"^the message-content intent is not granted to this bot"):
                await stay_connected(client, lambda: None)
