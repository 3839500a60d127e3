"""A drain in this process: what it waits for, and how it ends early."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from bot.answering.queue import QueueClosedError
from bot.discord_client.replies.running_replies import RunningReplies
from bot.lifecycle import Drain, in_background
from tests.answering.answers import queue_of
from tests.storage.conftest import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")

LONG_SECONDS = 60.0


class DrainedBot:
    """A bot that only waits for its end, with one running question.

    It gets no signal; `tests/end_to_end/test_drain.py` sends a real bot SIGTERM.
    """

    def __init__(self, seconds: float, closing_seconds: float = 0.0) -> None:
        self.queue = queue_of(1)
        self.running = self.queue.join("here", "Ada")
        self.drain = Drain(self.queue, RunningReplies(), seconds)
        self.ready = asyncio.Event()
        self.closed = False
        self._closing_seconds = closing_seconds
        self.task = asyncio.create_task(self._run())

    async def terminate(self) -> None:
        await asyncio.wait_for(self.ready.wait(), 10)
        with pytest.raises(BrokenPipeError):
            self.drain.terminate()

    async def ended(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(self.task, 10)

    async def _run(self) -> None:
        self.drain.begin_on_terminate(_fail_to_print)
        self.ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(self._closing_seconds)
            self.closed = True


def _fail_to_print() -> None:
    raise BrokenPipeError  # stderr has gone


@pytest.fixture(autouse=True)
async def no_handler_is_left() -> AsyncIterator[None]:
    yield
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


async def test_a_drain_takes_no_questions_and_ends_with_the_last_answer() -> None:
    bot = DrainedBot(LONG_SECONDS)
    assert not bot.drain.has_begun
    await bot.terminate()
    assert bot.drain.has_begun
    await asyncio.sleep(0)
    with pytest.raises(QueueClosedError):
        bot.queue.join("here", "Grace")
    assert not bot.task.done()
    bot.running.leave()
    await bot.ended()


async def test_a_drain_ends_at_its_limit() -> None:
    bot = DrainedBot(0.01)
    await bot.terminate()
    await bot.ended()
    assert bot.queue.running == 1


async def test_a_second_signal_ends_the_bot_at_once() -> None:
    bot = DrainedBot(LONG_SECONDS)
    await bot.terminate()
    bot.drain.terminate()
    await bot.ended()
    assert bot.queue.running == 1


async def test_a_second_signal_does_not_cut_the_closing_short() -> None:
    """The drain itself ends while the bot closes, because that suspends the running answers."""
    bot = DrainedBot(LONG_SECONDS, closing_seconds=0.1)
    await bot.terminate()
    bot.drain.terminate()
    await asyncio.sleep(0)
    bot.running.leave()
    await bot.ended()
    assert bot.closed


async def test_a_signal_during_a_drain_for_a_restart_lets_the_answers_finish_and_ends_the_bot() -> None:
    bot = DrainedBot(LONG_SECONDS)
    await asyncio.wait_for(bot.ready.wait(), 10)
    for call in (bot.drain.restart, bot.drain.terminate):
        with pytest.raises(BrokenPipeError):
            call()
    assert not bot.task.done()
    bot.running.leave()
    await bot.ended()
    assert not bot.drain.restarts


async def test_a_signal_while_the_bot_closes_for_a_restart_ends_it() -> None:
    bot = DrainedBot(LONG_SECONDS, closing_seconds=0.1)
    bot.running.leave()
    await asyncio.wait_for(bot.ready.wait(), 10)
    with pytest.raises(BrokenPipeError):
        bot.drain.restart()
    await until(lambda: bot.drain.restarts, 10)
    with pytest.raises(BrokenPipeError):
        bot.drain.terminate()
    await bot.ended()
    assert bot.closed
    assert not bot.drain.restarts


async def test_a_service_runs_for_as_long_as_the_block() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def service() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with in_background(service(), "a service"):
        await asyncio.wait_for(started.wait(), 10)
        assert not ended.is_set()
    assert ended.is_set()
