"""Prompts of any length from the rendered ones of a few lengths.

What a chat template writes around a turn may depend on how near the turn is to the conversation's beginning or end.
Between, nearly all templates repeat themselves; `repeats` finds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_BASE = 4  # turns; each further one repeats the third
_COMPARED = (5, 6, 9, 32)
LENGTHS = (*range(_BASE + 1), *_COMPARED)
"""The lengths to render, in turns before the last question."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a message's content belongs in a rendered template, and whether the template trims it there."""

    index: int
    trim_left: bool
    trim_right: bool


Pieces = tuple[str | Slot, ...]
Rendered = Mapping[tuple[str, ...], object]
"""Pieces, or anything else for what cannot be rendered, by the messages' roles."""


def chat(lead: tuple[str, ...], turns: int) -> tuple[str, ...]:
    """The roles of a conversation with this many turns before the last question."""
    return (*lead, *("user", "assistant") * turns, "user")


def repeats(lead: tuple[str, ...], rendered: Rendered) -> bool:
    """Whether `with_more_turns` gives what the template does, as far as the compared lengths show.

    Args:
        lead: the roles before the first question.
        rendered: all of `LENGTHS`.
    """
    base = rendered[chat(lead, _BASE)]
    slots = [piece.index for piece in base if isinstance(piece, Slot)] if isinstance(base, tuple) else []
    if sorted(slots) != list(range(len(chat(lead, _BASE)))):
        return False
    return all(with_more_turns(lead, rendered, turns) == rendered[chat(lead, turns)] for turns in _COMPARED)


def with_more_turns(lead: tuple[str, ...], rendered: Rendered, turns: int) -> Pieces:
    """The pieces of a conversation that is longer than those that were rendered."""
    base = rendered[chat(lead, _BASE)]
    assert isinstance(base, tuple)  # `repeats` has seen it
    begin, end = (_slot_of(base, len(lead) + 2 * turn) for turn in (2, 3))
    pieces = list(base[:begin])
    for turn in range(turns - _BASE):
        pieces += _later(base[begin:end], 2 * turn, len(lead))
    return (*pieces, *_later(base[begin:], 2 * (turns - _BASE), len(lead)))


def _slot_of(pieces: Pieces, index: int) -> int:
    return next(position for position, piece in enumerate(pieces) if isinstance(piece, Slot) and piece.index == index)


def _later(pieces: Sequence[str | Slot], by: int, lead: int) -> list[str | Slot]:
    """The same pieces for later messages; a message before the first turn stays."""
    return [
        replace(piece, index=piece.index + by) if isinstance(piece, Slot) and piece.index >= lead else piece
        for piece in pieces
    ]
