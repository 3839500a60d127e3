"""The supervisor's handle of one worker process: its start, its pipe, its end.

No method blocks the event loop. Two threads read and write the pipe, because the worker does not read while it
computes, and a full pipe blocks the writer.
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

from bot.child_environment import secrets_hidden_from_children
from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.protocol import Command, Event, Progress, Ready, Refused, Shutdown
from bot.engine.worker.main import run
from bot.errors import ConfigurationError

LEAVE_SECONDS = 2.0
"""How long a worker may take to exit after `Shutdown` before it is killed."""


class WorkerProcess:
    """A worker process.

    Args:
        on_events: called in the event loop with events of requests.
        on_exit: called in the event loop once, when the process has ended.
    """

    def __init__(
        self,
        options: EngineOptions,
        on_events: Callable[[WorkerProcess, list[Event]], None],
        on_exit: Callable[[WorkerProcess], None],
    ) -> None:
        """Start the process; needs a running event loop."""
        self._loop = asyncio.get_running_loop()
        self._on_events = on_events
        self._on_exit = on_exit
        self._on_progress: Callable[[str], None] | None = None
        self._ready: asyncio.Future[EngineFacts] = self._loop.create_future()
        self._ended = asyncio.Event()
        self._exit_code: int | None = None
        self.last_event = time.monotonic()  # on the monotonic clock
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()

        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # A daemon does not outlive the bot, even without a call of `end`.
        self._process = context.Process(target=run, args=(theirs, options), name="engine", daemon=True)
        with secrets_hidden_from_children(with_network=options.engine == "openai"):  # a proxy may want a password
            self._process.start()
        # At exit Python sends daemons SIGTERM, which the worker ignores, and waits for them.
        atexit.register(self._process.kill)
        theirs.close()  # so that the pipe breaks when the process ends
        self._threads = [
            threading.Thread(target=target, name=f"engine-{target.__name__.strip('_')}", daemon=True)
            for target in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    async def load(self, on_progress: Callable[[str], None] | None) -> EngineFacts:
        """Wait until the model is loaded and warm.

        Args:
            on_progress: called with one line for each phase.

        Raises:
            ModelDoesNotFitError: there is not enough memory.
            ServerUnreachableError: no server can be used, but one may later.
            ConfigurationError: the worker cannot start with these options, or crashed while it loaded.
        """
        self._on_progress = on_progress
        facts = await self._ready
        if self._ended.is_set():  # ready and end arrived before the event loop ran
            raise self._early_end()
        return facts

    @property
    def process_id(self) -> int:
        """The operating system's id of the process."""
        assert self._process.pid is not None  # it has been started
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the process runs."""
        return self._exit_code

    def send(self, command: Command) -> None:
        """Queue a command. It gets lost if the process ends first."""
        self._commands.put(command)

    def kill(self) -> None:
        """Kill the process and return at once; `on_exit` or `load` reports the end."""
        self._process.kill()

    async def end(self) -> None:
        """End the process, by force if it does not react, and wait for its end."""
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
        """Join threads and process; the pipe is broken, so none of this takes long."""
        atexit.unregister(self._process.kill)
        self._process.join()
        self._commands.put(None)
        for thread in self._threads:
            thread.join()
        self._connection.close()
        self._process.close()

    def _read(self) -> None:
        """Pass events to the event loop until the pipe breaks (runs in a thread)."""
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
                return  # the event loop is closed

    def _write(self) -> None:
        """Write commands to the pipe until None arrives (runs in a thread)."""
        while (command := self._commands.get()) is not None:
            try:
                self._connection.send(command)
            except OSError:
                return  # the process has ended; the reading thread reports it

    def _receive(self, events: list[Event]) -> None:
        self.last_event = time.monotonic()
        for event in events:
            match event:
                case Progress(line) if self._on_progress is not None:
                    self._on_progress(line)
                case Ready(facts) if not self._ready.done():
                    self._ready.set_result(facts)
                case Refused(line, kind) if not self._ready.done():
                    self._ready.set_exception(kind(line))
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
