"""A request as the supervisor keeps it, across every worker that it needs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace

from bot.engine.interface import FinishReason, GenerationRequest, Outcome
from bot.engine.supervisor.token_stream import TokenStream
from bot.engine.usage import Usage

SUSPICIOUS_CRASHES = 2
"""After this many crashes in a row without a new token in between, a request runs alone."""

MAX_CRASHES = 3
"""A request that crashes the worker once more while it runs alone fails."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """A submitted request that has not ended.

    Attributes:
        deadline: on the monotonic clock.
        ids: tokens that already went to the stream.
        sent: whether the current worker has it.
        crashes: workers that ended with it since its last token.
        cancelled: set on cancellation, because the worker may crash before it gets the command.
    """

    request: GenerationRequest
    stream: TokenStream
    deadline: float
    ids: list[int] = field(default_factory=list)
    sent: bool = False
    crashes: int = 0
    cancelled: bool = False

    @property
    def suspicious(self) -> bool:
        """Whether this request may be what crashes the worker."""
        return self.crashes >= SUSPICIOUS_CRASHES

    @property
    def complete(self) -> bool:
        """Whether all tokens have arrived, and only the `Ended` event is missing."""
        return 0 < self.request.max_new_tokens <= len(self.ids)

    def take(self, ids: tuple[int, ...]) -> None:
        """Pass new tokens to the stream."""
        self.ids.extend(ids)
        self.crashes = 0
        self.stream.push(ids)

    def begin_prefill(self, unread: int, cached: int, from_disk: int) -> None:
        """The prompt enters the batch, after a crash once more."""
        if self.request.message_id is not None:
            log.info(
                "Prefill begins: message_id=%d read_tokens=%d cached_tokens=%d disk_tokens=%d",
                self.request.message_id,
                unread,
                cached,
                from_disk,
            )
        self.stream.usage += Usage(read_tokens=unread, cached_tokens=cached)
        self.stream.on_prefill(unread)

    def crash(self, *, alone: bool) -> Outcome | None:
        """Count that the worker crashed.

        Args:
            alone: whether it ran without others.

        Returns:
            how it ends, because it is over or keeps crashing workers; None if the next worker gets it.
        """
        self.sent = False
        self.crashes += 1
        if self.complete:
            return Outcome(FinishReason.LENGTH)
        if self.cancelled or self.request.prefill_only:
            return Outcome(FinishReason.CANCELLED)
        if not alone or self.crashes < MAX_CRASHES:
            log.info(
                "Request resumes after the crash: message_id=%s tokens=%d crashes=%d",
                self.request.message_id,
                len(self.ids),
                self.crashes,
            )
            return None
        log.error(
            "request failed, it crashes the engine message_id=%s tokens=%d crashes=%d",
            self.request.message_id,
            len(self.request.prompt_ids),
            self.crashes,
        )
        detail = "the request crashes the engine each time"
        note = "This question makes me fail each time. Ask it in other words."
        return Outcome(FinishReason.FAILED, detail, note)

    def remaining(self) -> GenerationRequest:
        """The request for the next worker: generated tokens become part of the prompt, so nothing is repeated."""
        return replace(
            self.request,
            prompt_ids=self.request.prompt_ids + tuple(self.ids),
            resumed_tokens=self.request.resumed_tokens + len(self.ids),
            max_new_tokens=self.request.max_new_tokens - len(self.ids),
            time_limit_seconds=max(self.deadline - time.monotonic(), 0.0),
        )
