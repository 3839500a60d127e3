"""What every end-to-end test needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from discord.state import ConnectionState

from bot.demo.loopback import LoopbackDiscord, without_allowed_mentions

_GUILD_READY_SECONDS = 0.2


@pytest.fixture(scope="package", autouse=True)
def one_thread_for_each_engine() -> Iterator[None]:
    """Give each engine one thread while tests run side by side: threads that share a core wait for each other."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    properties = filter(None, (os.environ.get("DEVICE_PROPERTIES"), "INFERENCE_NUM_THREADS=1"))
    with patch.dict(os.environ, {"DEVICE_PROPERTIES": ",".join(properties)}):
        yield


@pytest.fixture(scope="package", autouse=True)
def every_discord() -> Iterator[list[LoopbackDiscord]]:
    """The servers that tests started so far, those of other fixtures among them."""
    start = LoopbackDiscord.start
    started: list[LoopbackDiscord] = []

    async def start_and_keep(server: LoopbackDiscord) -> None:
        started.append(server)
        await start(server)

    with patch.object(LoopbackDiscord, "start", start_and_keep):
        yield started


@pytest.fixture(autouse=True)
def no_text_may_ping(every_discord: list[LoopbackDiscord]) -> Iterator[None]:
    """Check that everything the bot wrote in a test says whom it may mention."""
    before = {id(server): len(server.calls) for server in every_discord}
    yield
    calls = [call for server in every_discord for call in server.calls[before.get(id(server), 0) :]]
    assert [call.route for call in without_allowed_mentions(calls)] == []


@pytest.fixture(scope="package", autouse=True)
def soon_ready() -> Iterator[None]:
    """Shorten discord.py's wait for further guilds, two seconds at every start: a loopback Discord has only one."""
    initialize = ConnectionState.__init__

    def initialize_impatient(state: Any, **options: Any) -> None:
        initialize(state, **options)
        state.guild_ready_timeout = _GUILD_READY_SECONDS

    with patch.object(ConnectionState, "__init__", initialize_impatient):
        yield
