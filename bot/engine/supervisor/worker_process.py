"""One life of the engine process, seen from the bot: its start, its pipe, its end.

No method blocks the event loop. The pipe is read and written on two threads, because the engine process does not
read while it computes, and a full pipe would hold up whoever writes to it.
"""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.protocol import Command, Event, Progress, Ready, Refused, Shutdown
from bot.engine.worker.main import run
from bot.errors import ConfigurationError, ModelDoesNotFitError

LEAVE_SECONDS = 2.0
"""How long the engine process may take to leave when asked; then it is killed."""


class WorkerProcess:
    """A running engine process. It reports what happens through two callbacks in the event loop."""

    def __init__(
        self,
        options: EngineOptions,
        on_events: Callable[[WorkerProcess, list[Event]], None],
        on_exit: Callable[[WorkerProcess], None],
    ) -> None:
        """Start the process. It has to be called in a running event loop.

        Args:
            options: the model to load.
            on_events: called with events of requests.
            on_exit: called once when the process is gone after it was ready, for whatever reason.
        """
        self._loop = asyncio.get_running_loop()
        self._on_events = on_events
        self._on_exit = on_exit
        self._on_progress: Callable[[str], None] | None = None
        self._ready: asyncio.Future[EngineFacts] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._exit_code: int | None = None
        self.last_event = time.monotonic()  # when it last said anything
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()

        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # A daemon does not outlive the bot even when nobody calls `end`.
        self._process = context.Process(target=run, args=(theirs, options), name="engine", daemon=True)
        self._process.start()
        # At its own end Python would ask the process to leave, which it leaves to the bot, and wait for it.
        atexit.register(self._process.kill)
        theirs.close()  # so that the pipe ends with the process
        self._threads = [
            threading.Thread(target=target, name=f"engine-{target.__name__.strip('_')}", daemon=True)
            for target in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    async def load(self, on_progress: Callable[[str], None] | None) -> EngineFacts:
        """Wait until the model is loaded and warm.

        Args:
            on_progress: called with a line for each phase of the start-up.

        Raises:
            ConfigurationError: the engine cannot start with these options, or its process died of them; as a
                `ModelDoesNotFitError` when memory is what is missing.
        """
        self._on_progress = on_progress
        facts = await self._ready
        if self._ended.is_set():  # both messages were there when the event loop came to look
            raise self._early_end()
        return facts

    @property
    def process_id(self) -> int:
        """The process's id in the operating system."""
        assert self._process.pid is not None  # it has been started
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the process ended, as the operating system tells; None before that."""
        return self._exit_code

    def send(self, command: Command) -> None:
        """Hand a command over. It is lost if the process is, which `on_exit` tells."""
        self._commands.put(command)

    def kill(self) -> None:
        """End the process at once, whatever it is doing; `on_exit` or `load` tells when it is gone."""
        self._process.kill()

    async def end(self) -> None:
        """End the process, whatever it is doing, and wait until it has ended."""
        if not self._ready.done():
            self._ready.set_exception(ConfigurationError("the engine was closed while it was starting"))
        self._commands.put(Shutdown())
        try:
            await asyncio.wait_for(self._ended.wait(), LEAVE_SECONDS)
        except TimeoutError:
            self.kill()
        await self._ended.wait()
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        """Release what the process held. The pipe has ended, so none of this waits for long."""
        atexit.unregister(self._process.kill)
        self._process.join()
        self._commands.put(None)
        for thread in self._threads:
            thread.join()
        self._connection.close()
        self._process.close()

    def _read(self) -> None:
        """Hand events to the event loop until the pipe ends (a thread)."""
        alive = True
        while alive:
            try:
                call: Callable[[], None] = partial(self._receive, self._connection.recv())
            except (EOFError, OSError):
                self._process.join()
                call, alive = self._exited, False
            try:
                self._loop.call_soon_threadsafe(call)
            except RuntimeError:
                return  # the event loop was closed: nobody is left to tell

    def _write(self) -> None:
        """Write commands to the pipe until there is no more to come (a thread)."""
        while (command := self._commands.get()) is not None:
            try:
                self._connection.send(command)
            except OSError:
                return  # the process is gone; the reading thread sees it too and tells

    def _receive(self, events: list[Event]) -> None:
        self.last_event = time.monotonic()
        for event in events:
            match event:
                case Progress(line) if self._on_progress is not None:
                    self._on_progress(line)
                case Ready(facts) if not self._ready.done():
                    self._ready.set_result(facts)
                case Refused(line, no_memory) if not self._ready.done():
                    self._ready.set_exception((ModelDoesNotFitError if no_memory else ConfigurationError)(line))
        self._on_events(self, events)

    def _exited(self) -> None:
        self._exit_code = self._process.exitcode
        self._ended.set()
        if not self._ready.done():
            self._ready.set_exception(self._early_end())
        self._on_exit(self)

    def _early_end(self) -> ConfigurationError:
        return ConfigurationError(
            f"the engine process ended while it loaded the model (exit code {self._exit_code}); "
            "if memory ran out, use a smaller KV cache or model"
        )
