"""The messages that a service manager gets, read from a real datagram socket."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.child_environment import child_environment
from bot.service_manager import ServiceManager
from tests.manager_socket import ManagerSocket

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no datagram sockets with a path")

EXTENSION = "EXTEND_TIMEOUT_USEC=60000000"


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[ManagerSocket]:
    async with ManagerSocket(str(tmp_path / "notify")) as manager:
        yield manager


async def test_without_a_manager_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    nobody = ServiceManager.from_environment()
    nobody.status("Loading")
    nobody.ready("online")
    nobody.stopping()
    await asyncio.wait_for(nobody.send_heartbeats(), 5)


async def test_a_start_gets_time_and_then_becomes_ready(manager: ManagerSocket) -> None:
    bot = ServiceManager(manager.address)
    beating = asyncio.create_task(bot.send_heartbeats())
    assert await manager.next() == [EXTENSION]
    bot.status("Loading the\nmodel")
    assert await manager.next() == ["STATUS=Loading the model"]
    bot.ready("Phi is online")
    assert await manager.next() == ["READY=1", "STATUS=Phi is online"]
    beating.cancel()


async def test_a_running_bot_feeds_the_watchdog_and_extends_nothing(manager: ManagerSocket) -> None:
    bot = ServiceManager(manager.address, watchdog_seconds=0.1)
    bot.ready("Phi is online")
    await manager.next()
    beating = asyncio.create_task(bot.send_heartbeats())
    for _ in range(3):
        assert await manager.next() == ["WATCHDOG=1"]
    beating.cancel()


async def test_an_end_gets_time_for_as_long_as_the_loop_runs(manager: ManagerSocket) -> None:
    bot = ServiceManager(manager.address, watchdog_seconds=0.1)
    bot.ready("Phi is online")
    await manager.next()
    bot.stopping()
    assert await manager.next() == ["STOPPING=1", "WATCHDOG=1", EXTENSION]
    beating = asyncio.create_task(bot.send_heartbeats())
    for _ in range(3):
        assert await manager.next() == ["WATCHDOG=1", EXTENSION]
    beating.cancel()


async def test_a_blocked_loop_sends_no_heartbeat(manager: ManagerSocket) -> None:
    bot = ServiceManager(manager.address, watchdog_seconds=0.1)
    beating = asyncio.create_task(bot.send_heartbeats())
    await manager.next()
    manager.waiting()
    time.sleep(0.5)  # noqa: ASYNC251 - to block the loop is the test
    assert manager.waiting() == []
    await manager.next()
    beating.cancel()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract addresses")
async def test_the_environment_names_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ManagerSocket(f"@{uuid.uuid4()}") as manager:
        monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        bot = ServiceManager.from_environment()
        beating = asyncio.create_task(bot.send_heartbeats())
        assert await manager.next() == ["WATCHDOG=1", EXTENSION]
        assert await manager.next() == ["WATCHDOG=1", EXTENSION]
        beating.cancel()
    left = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & (os.environ.keys() | child_environment().keys())
    assert left == set(), "a child could speak for the bot"


@pytest.mark.parametrize("variables", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}])
async def test_a_watchdog_of_others_is_not_fed(
    manager: ManagerSocket, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in ({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"} | variables).items():
        monkeypatch.setenv(name, value)
    bot = ServiceManager.from_environment()
    beating = asyncio.create_task(bot.send_heartbeats())
    assert await manager.next() == [EXTENSION]
    beating.cancel()


async def test_a_manager_that_does_not_read_blocks_nobody(
    manager: ManagerSocket, caplog: pytest.LogCaptureFixture
) -> None:
    bot = ServiceManager(manager.address)
    for number in range(10_000):
        bot.status(f"stage {number}")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage().startswith("Service manager does not listen: cause=")


async def test_a_manager_that_comes_back_is_sent_to_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    address = str(tmp_path / "notify")
    bot = ServiceManager(address)
    bot.status("lost")
    bot.ready("lost, too")
    async with ManagerSocket(address) as manager:
        bot.status("heard")
        assert await manager.next() == ["READY=1", "STATUS=heard"]
        bot.status("and again")
        assert await manager.next() == ["STATUS=and again"]
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
