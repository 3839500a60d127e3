"""How a running bot ends softly, and what it says about its health meanwhile."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from bot.answering.queue import QuestionQueue
from bot.discord_client.client import PhiClient
from bot.discord_client.replies.running_replies import RunningReplies
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.server import Health
from bot.serving.service import ModelService
from bot.storage.storage import Storage

logger = logging.getLogger(__name__)


class Progress(Protocol):
    """Shows what the bot is doing while it starts and ends."""

    def stage(self, text: str) -> None:
        """Begin a stage."""

    def done(self, text: str = "") -> None:
        """End the last stage, with a last line."""


class Drain:
    """Takes no new questions, lets the running answers finish, then ends the bot.

    Args:
        queue: closed at the beginning.
        running_replies: shows the running answers.
        seconds: how long the running answers may take.

    Attributes:
        is_for_restart: whether the bot starts again afterwards, without ending its process.
    """

    def __init__(self, queue: QuestionQueue, running_replies: RunningReplies, seconds: float) -> None:
        self._queue = queue
        self._running_replies = running_replies
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self.is_for_restart = False
        self._on_begin: Callable[[], None] = lambda: None

    @property
    def has_begun(self) -> bool:
        """Whether the bot is about to end."""
        return self._task is not None

    @property
    def restarts(self) -> bool:
        """Whether the bot has ended to start again."""
        task = self._task
        return self.is_for_restart and task is not None and task.done() and not task.cancelled()

    def begin_on_terminate(self, on_begin: Callable[[], None]) -> None:
        """Call `terminate` on SIGTERM, for the calling task.

        Args:
            on_begin: called when the drain begins.
        """
        self._ending = asyncio.current_task()
        self._on_begin = on_begin
        _on_terminate(self.terminate)

    def terminate(self) -> None:
        """Drain, then cancel the task of `begin_on_terminate`; called again, cancel it at once.

        A drain for a restart becomes one for the end.
        """
        ending = self._ending
        assert ending is not None  # `begin_on_terminate` comes first, in a task
        if self._task is not None and self.is_for_restart:
            self.is_for_restart = False  # also while everything closes already
            self._on_begin()
            return
        if self._task is not None:
            self._task.cancel()  # not `ending`: a second cancellation would break off its closing
            return
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(lambda _: ending.cancel())
        self._on_begin()  # last, because it prints, and a broken stderr must not keep the bot from ending

    def restart(self) -> None:
        """Drain as `terminate` does, but for another start; without effect on a bot that ends already."""
        if self._task is None:
            self.is_for_restart = True
            self.terminate()

    async def _run(self) -> None:
        self._queue.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                await self._queue.wait_until_nobody_runs()
                await self._running_replies.wait_until_delivered()


def cancel_on_terminate() -> None:
    """Cancel the calling task on SIGTERM, until a drain takes over: as PID 1, a process without a handler lives on."""
    task = asyncio.current_task()
    assert task is not None  # it is called in one
    _on_terminate(task.cancel)


def _on_terminate(call: Callable[[], object]) -> None:
    try:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, call)
    except NotImplementedError:
        # Windows: closing the console ends the process, and the engine ends with it.
        logger.debug("This platform has no SIGTERM")


def health_of(
    client: PhiClient, serving: ModelService, storage: Storage, metrics: PrometheusMetrics, drain: Drain
) -> Health:
    """Whether the bot would answer a mention now. An outage of the database does not stop it."""
    queue = serving.answering.queue
    details = {
        "discord": client.is_online,
        "engine": serving.facts is not None,
        "database": storage.outage is None,
        "draining": drain.has_begun,
        "running": queue.running,
        "waiting": queue.waiting,
        "engine_restarts": metrics.restarts,
    }
    return Health(bool(details["discord"] and details["engine"] and not details["draining"]), details)


@asynccontextmanager
async def in_background(service: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run a service for as long as the block lasts."""
    task = asyncio.create_task(service, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
