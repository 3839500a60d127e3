"""One server: what was learned about it, and the answers that it generates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.dialects import Dialect
from bot.engine.worker.remote.errors import ServerDownError, ServerLostError, error_in_stream
from bot.engine.worker.remote.event_stream import read_events

_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


@dataclass(frozen=True, slots=True)
class Learned:
    """What a server said about itself.

    Attributes:
        model: the name that requests have to give.
        dialect: how it wants to be asked.
        context: upper bound in tokens for a prompt and its answer; None if it does not say.
        runs: the model's name in its events, if that changes with the model; otherwise None.
    """

    model: str
    dialect: Dialect
    context: int | None
    runs: str | None = None

    @property
    def short_model(self) -> str:
        """The model's name for display: of the path that llama.cpp's server may name, the last part."""
        return self.model.rstrip("/").split("/")[-1]


@dataclass(frozen=True, slots=True)
class PromptRead:
    """How many tokens of a prompt a server has, and how many of these it found in its cache."""

    tokens: int
    cached: int


@dataclass(frozen=True, slots=True)
class Generated:
    """New tokens of an answer, with a stop token if there was one, and how the server ended it, if it did."""

    ids: Sequence[int]
    reason: FinishReason | None = None


class Server:
    """A server whose dialect is known.

    Args:
        connection: to it.
        learned: what it said when it was asked last.

    Attributes:
        runs: the model's name in its latest events.
    """

    def __init__(self, connection: Connection, learned: Learned) -> None:
        self.connection = connection
        self.learned = learned
        self.runs: str | None = None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Generated | PromptRead, None]:
        """Yield what the server generates; the last one has a reason. Closing the iteration ends the answer there.

        Raises:
            ServerLostError, ServerBusyError, RequestRefusedError: there is no answer, or no end of it.
        """
        url, dialect = self.connection.url, self.learned.dialect
        body, reader = dialect.body(request, self.learned.model), dialect.open_reader(request)
        room = body["max_tokens"]
        async with self.connection.stream("/completions", body) as stream:
            try:
                async with aclosing(read_events(aiter(stream))) as events:
                    async for event in events:
                        if (error := event.get("error")) is not None:
                            raise error_in_stream(url, error)
                        self._require_same_model(event)
                        if (read := _prompt_read(event)) is not None:
                            yield read
                        choice = _choice(event)
                        reason = _reason(url, choice)
                        ids = [*reader.add(choice), *(reader.finish() if reason else ())]
                        stream.has_begun = stream.has_begun or bool(ids)
                        if len(ids) > room:  # the server ignores the limit
                            ids, reason = ids[:room], FinishReason.LENGTH
                        room -= len(ids)
                        if ids or reason:
                            yield Generated(ids, reason)
                        if reason:
                            return
            except ValueError as wrong:
                raise ServerLostError(f"{url} sends {wrong}; set ENGINE_URL to a server of completions") from wrong
        raise ServerDownError(f"{url} broke an answer off; look at its log")

    def _require_same_model(self, event: dict[str, Any]) -> None:
        """llama.cpp's server, started again with another model, takes requests for the one before."""
        name, before = event.get("model"), self.learned.runs
        if not isinstance(name, str):
            return
        self.runs = name
        if before is not None and name != before:
            raise ServerDownError(f"{self.connection.url} runs {name} now, no longer {before}; it is asked anew")


def _choice(event: dict[str, Any]) -> dict[str, Any]:
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(choice, dict):
        raise ValueError("an event without a completion")
    return choice


def _reason(url: str, choice: dict[str, Any]) -> FinishReason | None:
    reason = choice.get("finish_reason")
    if reason is None or reason == "":  # not yet; LocalAI says it with an empty text
        return None
    if not isinstance(reason, str) or reason not in _REASONS:
        raise ServerDownError(f"{url} aborted an answer; look at its log")
    return _REASONS[reason]


def _prompt_read(event: dict[str, Any]) -> PromptRead | None:
    progress = event.get("prompt_progress")
    if not isinstance(progress, dict):
        return None
    tokens, cached = progress.get("total"), progress.get("cache")
    return PromptRead(tokens, cached) if isinstance(tokens, int) and isinstance(cached, int) else None
