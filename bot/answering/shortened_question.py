"""What is known of a question that did not fit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShortenedQuestion:
    """The size of a question that was too long to be read whole.

    Attributes:
        tokens: what its prompt alone would have taken.
        limit: the most that a prompt may take.
    """

    tokens: int
    limit: int
