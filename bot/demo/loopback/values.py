"""Plain values of the loopback Discord's public interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

Payload = dict[str, Any]
"""A JSON object in Discord's own wire format: ids are decimal strings, times are ISO 8601."""

LARGEST_FILE = 10 * 1024 * 1024
"""The largest file, in bytes, where nobody pays for more."""


class LoopbackError(Exception):
    """A person tried what Discord would not let them do. The message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the loopback Discord: a member of the guild, or the bot.

    Attributes:
        id: the user id.
        name: the display name, such as `Ada`.
        color: the name's colour, as `#rrggbb`.
    """

    id: int
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A text channel of the guild: its id and its name without `#`."""

    id: int
    name: str


class ApiCall(NamedTuple):
    """One REST call that a client made.

    Attributes:
        method: the HTTP method, such as `PATCH`.
        path: the path after `/api/v10`, such as `/channels/1/messages/2`, without the query.
        status: the HTTP status that was answered.
        at: when the call arrived, in seconds of `time.monotonic()`.
    """

    method: str
    path: str
    status: int
    at: float
