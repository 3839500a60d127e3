"""The interface of whatever drafts tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.engine.worker.paged.schedule import RunningRequest


class DraftSource(Protocol):
    """Drafts the next tokens of answers.

    A draft may be wrong: that costs time, never the text. A token is right if the model would choose it, with the
    request's sampling, seed and position.
    """

    @property
    def name(self) -> str:
        """For display."""
        ...

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        """Draft the tokens that follow `RunningRequest.tokens`.

        Args:
            wanted: answers, each with the most tokens to draft for it, at least one. Their cache blocks have room for
                them.

        Returns:
            The drafts, in the order of the answers; empty where it has none.
        """
        ...

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Read what the model reads in this step.

        Args:
            shares: prompts and answers, each with the number of its next tokens. Their cache blocks have room for them.
        """
        ...
