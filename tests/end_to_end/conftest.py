"""What every end-to-end test needs."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from discord.state import ConnectionState

from bot.demo.loopback import LoopbackDiscord, that_may_ping_many
from tests.end_to_end.private_log import PrivateLog

_STDERR = pytest.StashKey[str]()
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


class _Checked:
    """Everything that bots wrote on the servers that tests started, in their start and their end too."""

    def __init__(self) -> None:
        self._servers: list[tuple[LoopbackDiscord, int]] = []

    def add(self, server: LoopbackDiscord) -> None:
        """Check a server from its start on."""
        self._servers.append((server, 0))

    def check(self) -> None:
        """Check what was written since the last time."""
        calls = [call for server, checked in self._servers for call in server.calls[checked:]]
        self._servers = [(server, len(server.calls)) for server, _ in self._servers]
        assert [(call.route, call.allowed_mentions) for call in that_may_ping_many(calls)] == []


@pytest.fixture(scope="package", autouse=True)
def private_log() -> Iterator[PrivateLog]:
    """The log of all tests, down to the bot's own DEBUG, in both formats."""
    log, root, own = PrivateLog(), logging.getLogger(), logging.getLogger("bot")
    levels = root.level, own.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    own.setLevel(logging.DEBUG)
    yield log
    root.removeHandler(log)
    root.setLevel(levels[0])
    own.setLevel(levels[1])
    log.check()


@pytest.fixture(scope="package", autouse=True)
def every_discord(private_log: PrivateLog) -> Iterator[_Checked]:
    """The servers that tests started so far, those of other fixtures among them."""
    start, checked = LoopbackDiscord.start, _Checked()

    async def start_and_keep(server: LoopbackDiscord) -> None:
        checked.add(server)
        private_log.add_secret(server.bot_token)
        server._state.backend.subscribers.append(private_log.add_event)
        await start(server)

    with patch.object(LoopbackDiscord, "start", start_and_keep):
        yield checked
    checked.check()


@pytest.fixture(autouse=True)
def no_text_may_ping(every_discord: _Checked) -> Iterator[None]:
    """Check that everything the bot wrote up to a test's end pings nobody but who asked."""
    yield
    every_discord.check()


@pytest.fixture(autouse=True)
def no_log_shows_what_is_private(
    private_log: PrivateLog, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Check the log up to a test's end, and what its child processes wrote to stderr."""
    caplog.handler.setLevel(logging.WARNING)  # as if the level were as usual
    yield
    caplog.handler.setLevel(logging.NOTSET)
    private_log.check(request.node.stash.get(_STDERR, ""))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_STDERR] = report.capstderr
    return report


@pytest.fixture(scope="package", autouse=True)
def soon_ready() -> Iterator[None]:
    """Shorten discord.py's wait for further guilds, two seconds at every start: a loopback Discord has only one."""
    initialize = ConnectionState.__init__

    def initialize_impatient(state: Any, **options: Any) -> None:
        initialize(state, **options)
        state.guild_ready_timeout = _GUILD_READY_SECONDS

    with patch.object(ConnectionState, "__init__", initialize_impatient):
        yield
