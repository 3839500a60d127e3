"""Junk on the page's socket: each message gets a refusal of one line, and nothing is logged as a failure."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.demo.loopback import LoopbackDiscord
from bot.demo.page import DemoPage
from tests.demo.loopback.conftest import running
from tests.demo.loopback.sample_bot import SampleBot

FIELDS: dict[str, tuple[str, ...]] = {
    "become": ("person",),
    "send": ("content", "reply_to", "files"),
    "edit": ("message", "content"),
    "delete": ("message",),
    "dismiss": ("message",),
    "react": ("message", "emoji"),
    "typing": (),
    "create_thread": ("name", "message"),
    "commands": (),
    "click": ("message", "custom_id"),
    "choose": ("message", "custom_id", "values"),
    "invoke": ("path", "options", "files"),
    "invoke_on_message": ("name", "message"),
    "autocomplete": ("path", "options", "focused"),
    "submit_modal": ("interaction", "values", "files"),
    "create_post": ("title", "content", "files"),
    "open_private": ("people",),
    "install_app": ("installed",),
    "bot_settings": (),
    "change_bot_settings": ("rights", "is_member", "message_content", "user_install"),
    "nonsense": (),
}
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    10**400,
    "",
    " ",
    "x" * 5000,
    "\0",
    "\ud800",
    "⁂" * 300,
    "9" * 5000,
    "-5",
    [],
    {},
    [None],
    ["echo"],
    ["model", "use"],
    ["model"],
    {"text": "hi"},
    {"text": 5, "times": "Infinity"},
    {"name": "x"},
    "name",
    [{"name": "a.txt", "base64": "not base64"}],
    [{"name": "../\0", "base64": "aGk="}],
    {"file": {"name": "", "base64": ""}},
    [[[[]]]],
)


@asynccontextmanager
async def open_socket(
    discord: LoopbackDiscord,
) -> AsyncIterator[tuple[DemoPage, aiohttp.ClientWebSocketResponse]]:
    page = DemoPage(discord)
    url = await page.start()
    origin = url.rstrip("/").rsplit("/", 1)[0]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}socket", origin=origin, max_msg_size=0) as socket,
    ):
        yield page, socket
    await page.close()


async def reply(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Return the next message that is a reply."""
    while "reply" not in (message := await socket.receive_json(timeout=30)):
        pass
    return dict(message)


def assert_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("junk", "refusal"),
    [
        ("junk", "send a JSON object (expected"),
        ("", "send a JSON object"),
        ("5", "send a JSON object with an id"),
        ("[" * 100_000, "send a JSON object (recursion"),
        ('{"id": 1}', "send an action"),
        ('{"id": 1, "action": "fly"}', "there is no such action; choose from 'become'"),
        ('{"id": 1, "action": "become", "person": {}}', "become.person: Input should be a valid string"),
        ('{"id": 1, "action": "typing", "channel": "1"}', "choose a person first"),
    ],
)
async def test_a_message_that_is_no_request_is_refused_in_one_line(
    caplog: pytest.LogCaptureFixture, junk: str, refusal: str
) -> None:
    async with LoopbackDiscord() as discord, open_socket(discord) as (_, socket):
        for send in (socket.send_str(junk), socket.send_bytes(junk.encode())):
            await send
            refused = await reply(socket)
            assert refused["error"].startswith(refusal)
            assert "\n" not in refused["error"]
        await socket.send_json({"id": 2, "action": "become", "person": None})
        assert (await reply(socket))["reply"] == 2
    assert_no_failure(caplog)


async def test_junk_in_every_argument_is_refused_or_done(caplog: pytest.LogCaptureFixture) -> None:
    seeded = random.Random(1)
    async with (
        LoopbackDiscord() as discord,
        running(SampleBot(), discord),
        open_socket(discord) as (_, socket),
    ):
        general = str(discord.channels[0].id)
        message = str(await discord.send(discord.people[0].id, int(general), "a message"))
        await socket.send_json({"id": 0, "action": "become", "person": None})
        assert (await reply(socket))["reply"] == 0
        for number in range(1, 600):
            action = seeded.choice(list(FIELDS))
            request: dict[str, Any] = {field: seeded.choice(JUNK) for field in FIELDS[action]}
            if "message" in request and seeded.random() < 0.7:
                request["message"] = message
            request["channel"] = general if seeded.random() < 0.9 else seeded.choice(JUNK)
            await socket.send_str(json.dumps({"id": number, "action": action, **request}))
        replies = [await reply(socket) for _ in range(1, 600)]
        assert all("\n" not in one.get("error", "") for one in replies)
        assert sum("error" in one for one in replies) > 300
        assert sum("result" in one for one in replies) > 20
    assert_no_failure(caplog)


async def test_a_huge_message_closes_the_socket(caplog: pytest.LogCaptureFixture) -> None:
    async with LoopbackDiscord() as discord, open_socket(discord) as (_, socket):
        try:
            await socket.send_str("x" * (17 * 1024 * 1024))
            await socket.receive(timeout=10)
        except ConnectionError:
            pass  # the demo closed it while the rest was still on its way
        assert socket.closed or (await socket.receive(timeout=10)).type is not aiohttp.WSMsgType.TEXT
    assert_no_failure(caplog)


async def test_a_socket_that_breaks_in_the_middle_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async with LoopbackDiscord() as discord:
        before = asyncio.all_tasks()
        async with open_socket(discord) as (_, socket):
            await socket.send_json({"id": 0, "action": "become", "person": None})
            await reply(socket)
            for number in range(50):
                await socket.send_json({"id": number, "action": "commands", "channel": str(discord.channels[0].id)})
            transport = socket.get_extra_info("socket")
            assert transport is not None
            socket._response.connection.transport.abort()  # type: ignore[union-attr]
            for number in range(20):
                await discord.send(discord.people[0].id, discord.channels[0].id, f"message {number}")
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
    assert_no_failure(caplog)
