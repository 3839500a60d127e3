"""Parts of a text that are drawn as one: styles, links, quotes, lists."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Weight(IntEnum):
    """How bad a cut inside is; a place outside of all spans is best."""

    NONE = 0
    LIST_ITEM = 1
    QUOTE = 2
    CODE_BLOCK = 3
    STYLE = 4
    CODE = 5
    HEADING = 6
    SPOILER = 7
    LINK = 8
    WHOLE = 255  # cannot be closed and opened again


class Span(NamedTuple):
    """A part of a text that is drawn as one.

    Attributes:
        start, end: of all of it, with its marks.
        first, last: of what is between its marks.
        opening: what opens it again in the next message.
        closing: what closes it in this one.
    """

    start: int
    end: int
    first: int
    last: int
    weight: Weight
    opening: str = ""
    closing: str = ""


class Change(NamedTuple):
    """A change of a text that lets Discord draw what is meant."""

    position: int
    inserted: str = ""
    removed: int = 0
