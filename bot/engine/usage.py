"""What one request took of the engine, as far as its backend knows."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Usage:
    """Numbers of tokens; None where the backend does not say. Those of several workers add up.

    Attributes:
        read_tokens: of the prompt, computed.
        cached_tokens: of the prompt, found in a cache.
        drafted_tokens: drafted and checked.
        accepted_tokens: how many of these were right.
    """

    read_tokens: int | None = None
    cached_tokens: int | None = None
    drafted_tokens: int | None = None
    accepted_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        names = [field.name for field in fields(self)]
        return Usage(*(_sum(getattr(self, name), getattr(other, name)) for name in names))


NO_USAGE = Usage()


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one + (other or 0)
