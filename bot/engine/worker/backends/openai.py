"""The backend for models on other machines: servers that speak OpenAI's completions protocol."""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass

from bot.engine.interface import Erasure, FinishReason, GenerationRequest
from bot.engine.observer import BatchState
from bot.engine.protocol import Ended, Interrupted, PromptTaken, Warned
from bot.engine.worker.backends.backend import Emit, PlainBackend, emit_end, emit_tokens, one_line
from bot.engine.worker.remote.errors import RequestRefusedError, ServerBusyError, ServerLostError
from bot.engine.worker.remote.loop_thread import LoopThread
from bot.engine.worker.remote.server import Generated, PromptRead, Server
from bot.engine.worker.remote.servers import Servers
from bot.log_context import about_question

logger = logging.getLogger(__name__)

NO_SERVER_EXIT_CODE = 3
_POLL_SECONDS = 0.05
_POLLS_A_STEP = 10


@dataclass(frozen=True, slots=True)
class _Happened:
    """Something that happened to a request, or a line for the operator."""

    request_id: int | None
    what: Generated | PromptRead | Exception | str


@dataclass(slots=True)
class _Running:
    request: GenerationRequest
    task: Future[None]
    is_read: bool = False  # whether it is known how much of its prompt was cached


class OpenaiBackend(PlainBackend):
    """Passes requests on to servers, and what they generate back."""

    def __init__(self, name: str, servers: Servers, loop: LoopThread, most_running: int, emit: Emit) -> None:
        """Take over servers that were learned about.

        Args:
            name: for display.
            loop: in which the servers live.
            most_running: upper bound of requests that are on servers at once.
        """
        self._name = name
        self._servers = servers
        self._loop = loop
        self._most_running = most_running
        self._emit = emit
        self._waiting: deque[tuple[int, GenerationRequest]] = deque()
        self._running: dict[int, _Running] = {}
        self._interrupted: list[int] = []  # their server is lost, and no other one is there
        self._happened: queue.SimpleQueue[_Happened] = queue.SimpleQueue()
        servers.on_warning = lambda line: self._happened.put(_Happened(None, line))

    @property
    def name(self) -> str:
        """The servers' kind, and the model's name there."""
        return self._name

    @property
    def busy(self) -> bool:
        """Whether requests wait or run, or a server is left out, whose return is to be reported."""
        has_requests = bool(self._waiting or self._running or self._interrupted)
        return has_requests or not self._happened.empty() or not self._servers.are_complete

    @property
    def state(self) -> BatchState:
        """The current load."""
        return BatchState(batch=len(self._running), waiting=len(self._waiting))

    def erase(self, erasure: Erasure) -> None:
        """Do nothing: the protocol has no way to take words out of a server's cache."""

    def add(self, request_id: int, request: GenerationRequest) -> None:
        """Queue a request. It preempts prefill-only requests."""
        prefill_only = [each for each, running in self._running.items() if running.request.prefill_only]
        if request.prefill_only and (self._waiting or len(prefill_only) < len(self._running)):
            emit_end(self._emit, request_id, FinishReason.CANCELLED)
            return
        for each in prefill_only:
            self.end(each, FinishReason.CANCELLED)
        self._waiting.append((request_id, request))
        self._admit()

    def end(self, request_id: int, reason: FinishReason) -> None:
        """Close a request's stream, which ends it on its server, and report its end at once."""
        waiting = next((entry for entry in self._waiting if entry[0] == request_id), None)
        if waiting is not None:
            self._waiting.remove(waiting)
        if is_interrupted := request_id in self._interrupted:
            self._interrupted.remove(request_id)
        if self._forget(request_id) or waiting is not None or is_interrupted:
            emit_end(self._emit, request_id, reason)

    def step(self, poll: Callable[[], None]) -> None:
        """Wait a moment for the servers, and report what they did."""
        for _ in range(_POLLS_A_STEP):
            self._admit()
            try:
                self._report(self._happened.get(timeout=_POLL_SECONDS))
            except queue.Empty:
                poll()
            else:
                while not self._happened.empty():
                    self._report(self._happened.get())
                break
        if self._servers.usable:
            self._hand_back()
        elif not self._servers.streams:
            self._leave(poll)

    def _admit(self) -> None:
        while self._waiting and len(self._running) < self._most_running:
            request_id, request = self._waiting.popleft()
            task = self._loop.start(self._run(request_id, request))
            self._running[request_id] = _Running(request, task)

    def _forget(self, request_id: int) -> bool:
        running = self._running.pop(request_id, None)
        if running is not None:
            running.task.cancel()
        return running is not None

    def _hand_back(self) -> None:
        """Let the supervisor submit the requests again whose server was lost."""
        for request_id in self._interrupted:
            self._emit(Interrupted(request_id))
        self._interrupted.clear()

    def _leave(self, poll: Callable[[], None]) -> None:
        """End the worker: the supervisor starts another one with back-off, and resumes all requests there."""
        self._emit(Warned("No server is left, questions wait: the engine restarts"))
        poll()
        raise SystemExit(NO_SERVER_EXIT_CODE)

    def _report(self, happened: _Happened) -> None:
        match happened:
            case _Happened(_, str() as line):
                self._emit(Warned(line))
            case _Happened(int() as request_id, what) if request_id in self._running:
                self._report_request(request_id, self._running[request_id], what)

    def _report_request(self, request_id: int, running: _Running, what: object) -> None:
        request = running.request
        match what:
            case PromptRead(tokens, cached) if not running.is_read:
                running.is_read = True
                self._emit(PromptTaken(request_id, tokens, cached))
            case Generated(ids, reason):
                stopped = not request.prefill_only and emit_tokens(self._emit, request_id, list(ids), request.stop_ids)
                if stopped or reason is not None:
                    self._forget(request_id)
                    emit_end(self._emit, request_id, FinishReason.STOP if stopped else reason or FinishReason.STOP)
            case RequestRefusedError(outcome=outcome):
                self._forget(request_id)
                self._emit(Ended(request_id, outcome))
            case ServerLostError() as error:
                with about_question(request.message_id):
                    logger.info("Answer interrupted, it goes on as soon as a server is there: reason=%s", error)
                self._forget(request_id)
                self._interrupted.append(request_id)
            case Exception() as error:
                self._forget(request_id)
                emit_end(self._emit, request_id, FinishReason.FAILED, one_line(error))

    async def _run(self, request_id: int, request: GenerationRequest) -> None:
        """Run a request on a server (in the event loop of the servers)."""
        servers = self._servers
        try:
            while servers.usable:
                if (server := servers.choose(request.conversation)) is None:
                    await servers.wait_for_busy()
                elif await self._generate(request_id, request, server):
                    return
            raise ServerLostError("no server is left")
        except Exception as error:  # noqa: BLE001 - whatever a server makes a library raise ends this request alone
            self._happened.put(_Happened(request_id, error))

    async def _generate(self, request_id: int, request: GenerationRequest, server: Server) -> bool:
        """Run a request on a server to its end; return whether the server took it."""
        with about_question(request.message_id):
            logger.debug("Server chosen: server=%s", server.connection.url)
        self._servers.began(server)
        has_begun = False
        try:
            async with aclosing(server.generate(request)) as generated:
                async for each in generated:
                    self._servers.answered(server)
                    has_begun = has_begun or isinstance(each, Generated)
                    self._happened.put(_Happened(request_id, each))
        except ServerBusyError as error:
            seconds, url = self._servers.pause(server, error.seconds), server.connection.url
            with about_question(request.message_id):
                logger.info("Server busy: server=%s seconds=%.1f", url, seconds)
            if has_begun:  # from the beginning, the answer would be repeated
                raise ServerLostError(f"{url} broke an answer off, because it is busy") from error
            return False
        except ServerLostError as error:
            self._servers.lose(server, str(error))
            raise
        finally:
            self._servers.ended(server)
        return True
