"""What the answering core reports about its work, so that it need not know Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class AnswerMetrics(Protocol):
    """Receives the events of questions and answers. Called in the event loop's thread."""

    def watch_queue(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Register where to read the number of running answers and of waiting questions."""
        ...

    def answer_began(self, waited_seconds: float) -> None:
        """An answer went to the engine, this long after its question arrived."""
        ...

    def waiting_ended(self, estimated_seconds: float, seconds: float) -> None:
        """A question left the queue, this long after the first estimate of that."""
        ...

    def prefill_ended(self, estimated_seconds: float, seconds: float) -> None:
        """An answer produced its first token, this long after the estimate of its prompt's prefill."""
        ...

    def answer_refused(self, reason: str) -> None:
        """A question was refused on arrival, for a reason such as `queue full`."""
        ...

    def first_token(self, seconds: float) -> None:
        """An answer produced its first token, this long after its question arrived."""
        ...

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """An answer ended.

        Args:
            reason: a `bot.engine.interface.FinishReason`.
            tokens: how many the model generated.
            seconds: from the first token to the last.
        """
        ...


class NoMetrics:
    """An `AnswerMetrics` that drops everything, for callers that measure nothing."""

    def watch_queue(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Ignore it."""

    def answer_began(self, waited_seconds: float) -> None:
        """Ignore it."""

    def waiting_ended(self, estimated_seconds: float, seconds: float) -> None:
        """Ignore it."""

    def prefill_ended(self, estimated_seconds: float, seconds: float) -> None:
        """Ignore it."""

    def answer_refused(self, reason: str) -> None:
        """Ignore it."""

    def first_token(self, seconds: float) -> None:
        """Ignore it."""

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """Ignore it."""


NO_METRICS = NoMetrics()
