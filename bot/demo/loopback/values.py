"""Values and errors of the loopback Discord's public interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Payload = dict[str, Any]
"""A JSON object in Discord's own wire format: ids are decimal strings, times are ISO 8601."""

LARGEST_FILE = 10 * 1024 * 1024
"""Discord's limit for a file, in bytes, on a server without boosts."""


class LoopbackError(Exception):
    """A person tried something that Discord does not allow. The message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the guild, or the bot.

    Attributes:
        name: the display name, such as `Ada`.
        color: the colour of the name, as `#rrggbb`.
    """

    id: int
    name: str
    color: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A text channel of the guild. The name has no `#`."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Server:
    """A guild and its first channels."""

    id: int
    name: str
    channels: tuple[Channel, ...]
