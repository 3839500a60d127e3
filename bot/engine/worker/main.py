"""The worker process: loads a model, then turns commands from the pipe into events.

One thread does all but the disk cache's work: openvino-genai holds Python's lock during its steps, so a second one
would not run.
"""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

from bot.engine.interface import EngineOptions, FinishReason, GenerationRequest
from bot.engine.protocol import (
    Cancel,
    Command,
    Ended,
    Erase,
    Event,
    Interrupted,
    Progress,
    Ready,
    Refused,
    Shutdown,
    Stepped,
    Submit,
)
from bot.engine.worker.admission import ModelLimits, refusal, within_context
from bot.engine.worker.backends.backend import Backend, emit_end, one_line
from bot.engine.worker.local_engine import load_local
from bot.engine.worker.log_forwarding import forward_libraries, forward_log
from bot.errors import ConfigurationError
from bot.log_context import about_question

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 1.0
"""How long the last blocks may take on their way to the disk at the end; the supervisor waits twice as long."""


def run(connection: Connection, options: EngineOptions) -> None:
    """Run the worker until `Shutdown` arrives or the bot's end of the pipe closes."""
    # Ctrl-C reaches every process of the terminal, and a service manager's SIGTERM every process of the service; only
    # the bot may end its worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _prefer_to_be_killed()
    channel = _Channel(connection)
    forward_log(channel.send)
    try:
        worker = _load(channel, options)
        forward_libraries()
    except ConfigurationError as error:
        channel.send([Refused(str(error), type(error))])
    except Exception as error:  # noqa: BLE001 - a broken model folder can make a library raise anything
        channel.send([Refused(f"the model in {options.model_dir} does not load: {one_line(error)}")])
    else:
        worker.serve()


def _prefer_to_be_killed() -> None:
    """Make Linux kill this process rather than the bot, which can restart it."""
    with suppress(OSError):  # not Linux, or not allowed
        Path("/proc/self/oom_score_adj").write_text("500")


class _Channel:
    """The pipe to the bot. The process exits when the bot's end is closed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = Lock()  # threads log

    def send(self, events: list[Event]) -> None:
        try:
            with self._sending:
                self._connection.send(events)
        except OSError:
            raise SystemExit(0) from None

    def receive(self) -> Command:
        """Wait for the next command."""
        try:
            command: Command = self._connection.recv()
        except (EOFError, OSError):
            raise SystemExit(0) from None
        return command

    def has_command(self) -> bool:
        """Whether `receive` would not block."""
        try:
            return self._connection.poll(0)
        except OSError:
            raise SystemExit(0) from None


def _load(channel: _Channel, options: EngineOptions) -> _Worker:
    """Load the model and report it ready."""
    load = load_local
    if options.engine == "openai":
        from bot.engine.worker.remote.loading import load_remote as load  # needs what no other engine needs
    loaded = load(options, lambda line: channel.send([Progress(line)]))
    channel.send([Ready(loaded.facts, loaded.cached_messages)])
    return _Worker(channel, loaded.backend, loaded.limits, loaded.events)


class _Worker:
    """Passes commands to the backend and events to the bot, and enforces time limits."""

    def __init__(self, channel: _Channel, backend: Backend, limits: ModelLimits, events: list[Event]) -> None:
        self._channel = channel
        self._backend = backend
        self._limits = limits
        self._events = events
        self._deadlines: dict[int, float] = {}

    def serve(self) -> None:
        """Serve requests until the process exits."""
        self._flush()  # warnings of the start, or they would wait for the first request
        while True:
            if not self._backend.busy:
                self._execute(self._channel.receive())
            self._poll()
            if self._backend.busy:
                self._backend.step(self._poll)
                self._events.append(Stepped(self._backend.state))
                self._flush()

    def _poll(self) -> None:
        """Send events, execute commands and time requests out; runs between two tokens."""
        self._flush()
        while self._channel.has_command():
            self._execute(self._channel.receive())
        now = time.monotonic()
        for request_id in [each for each, deadline in self._deadlines.items() if deadline <= now]:
            self._backend.end(request_id, FinishReason.TIMEOUT)
        self._flush()

    def _execute(self, command: Command) -> None:
        match command:
            case Submit(request_id, request):
                self._add(request_id, request)
            case Cancel(request_id):
                self._backend.end(request_id, FinishReason.CANCELLED)
            case Erase(erasure):
                self._backend.erase(erasure)
            case Shutdown():
                if self._backend.disk_cache is not None:
                    self._backend.disk_cache.flush(_FLUSH_SECONDS)
                raise SystemExit(0)

    def _add(self, request_id: int, request: GenerationRequest) -> None:
        with about_question(request.message_id):
            self._begin(request_id, request)

    def _begin(self, request_id: int, request: GenerationRequest) -> None:
        if request.message_id is not None:
            logger.info("Engine takes a request: tokens=%d requests=%d", len(request.prompt_ids), len(self._deadlines))
        refused = refusal(request, self._limits)
        if refused is not None:
            self._events.append(Ended(request_id, refused))
            return
        self._deadlines[request_id] = time.monotonic() + request.time_limit_seconds
        try:
            self._backend.add(request_id, within_context(request, self._limits))
        except Exception as error:  # noqa: BLE001 - one bad request must not end the others
            emit_end(self._events.append, request_id, FinishReason.FAILED, one_line(error))

    def _flush(self) -> None:
        if not self._events:
            return
        for event in self._events:
            if isinstance(event, Ended | Interrupted):
                self._deadlines.pop(event.request_id, None)
        self._channel.send(self._events)
        self._events.clear()
