"""The kinds of requests, and which goes first."""

from __future__ import annotations

from enum import Enum, IntEnum, auto


class Action(Enum):
    """What a request does. Discord counts each kind for itself."""

    SEND = auto()
    EDIT = auto()
    DELETE = auto()
    TYPING = auto()
    READ = auto()


class Urgency(IntEnum):
    """Which request goes first; the lowest number wins."""

    LAST_TEXT = 0
    FIRST_TEXT = 1
    STILL_TEXT = 2
    """A growing text that has not moved for long. Request `GROWING_TEXT`; it becomes this by itself."""
    NOTICE = 3
    GROWING_TEXT = 4
    STALE_POSITION = 5
    """A position that has not changed for long. Request `POSITION`; it becomes this by itself."""
    POSITION = 6
    TYPING = 7
