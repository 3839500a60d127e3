"""What one answer took, for the line that the log has of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.engine.usage import NO_USAGE, Usage


@dataclass(slots=True)
class AnswerFigures:
    """Times by `time.monotonic`, None until then.

    Attributes:
        taken_at: the question was taken in.
        started_at: its turn came.
        first_token_at, last_token_at: when tokens of the answer arrived.
        generated_tokens: None if the engine never got it.
        usage: what it took of the engine.
    """

    taken_at: float
    started_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None
    generated_tokens: int | None = None
    usage: Usage = NO_USAGE

    def add(self, tokens: int, usage: Usage) -> None:
        """A generation has ended. An edited question may need a second one."""
        self.generated_tokens = (self.generated_tokens or 0) + tokens
        self.usage += usage

    def fields(self, first_text_at: float | None, ended_at: float) -> Mapping[str, float | int | None]:
        """The fields of the line, in its order; None where nobody knows.

        Args:
            first_text_at: when Discord had the first text.
            ended_at: when Discord had all of it, or nothing more was to come.
        """
        generating = _between(self.first_token_at, self.last_token_at)
        tokens = self.generated_tokens or 0
        return {
            "waited_seconds": _between(self.taken_at, ended_at if self.started_at is None else self.started_at),
            "read_tokens": self.usage.read_tokens,
            "cached_tokens": self.usage.cached_tokens,
            "drafted_tokens": self.usage.drafted_tokens,
            "accepted_tokens": self.usage.accepted_tokens,
            "generated_tokens": self.generated_tokens,
            "prefill_seconds": _between(self.started_at, self.first_token_at),
            "generating_seconds": generating,
            "sending_seconds": _between(self.last_token_at, ended_at),
            "first_text_seconds": _between(self.taken_at, first_text_at),
            "tokens_per_second": (tokens - 1) / generating if generating and tokens > 1 else None,
        }


def _between(earlier: float | None, later: float | None) -> float | None:
    return None if earlier is None or later is None else later - earlier
