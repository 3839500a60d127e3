"""When the next request for one growing answer may be made."""

from __future__ import annotations

import logging
import math
import time

logger = logging.getLogger(__name__)

EDIT_SECONDS = 1.2
POSITION_SECONDS = 15.0
_FIRST_POSITION_SECONDS = 0.5  # many questions start before, and need no position


class ReplyTiming:
    """Spaces the requests of one reply.

    Args:
        ping_at: from when on (`time.monotonic`) the first text notifies the asker.
        edit_seconds: the shortest time between two edits of a growing text.
        position_seconds: the shortest time between two positions.

    Attributes:
        moved_at: when Discord took the last request.
        shows_text: whether Discord shows a part of the answer.
        has_new_text: whether there is a text that was not shown before the answer began.
        first_text_at: when Discord took the first of it (`time.monotonic`); None until then.
    """

    def __init__(self, *, ping_at: float, edit_seconds: float, position_seconds: float, shows_text: bool) -> None:
        self._edit_seconds = edit_seconds
        self._position_seconds = position_seconds
        self._ping_at = ping_at
        self._thinking_since: float | None = None
        self.moved_at = time.monotonic()
        self.shows_text = shows_text
        self.has_new_text = False
        self.first_text_at: float | None = None
        self._next_position_at = self.moved_at + min(_FIRST_POSITION_SECONDS, position_seconds)

    def due_at(self, *, has_text: bool, finished: bool) -> float:
        """When the next request may be made (`time.monotonic`)."""
        if finished or (has_text and not self.shows_text):
            return -math.inf
        return self.moved_at + self._edit_seconds if has_text else self._next_position_at

    def moved(self, *, has_text: bool) -> None:
        """Discord has taken a request."""
        self.shows_text = self.shows_text or has_text
        self.moved_at = time.monotonic()
        if self.has_new_text and self.first_text_at is None:
            self.first_text_at = self.moved_at
            logger.info("First text shown")  # the reply's task knows the question
        self._next_position_at = self.moved_at + self._position_seconds

    def position_soon(self) -> None:
        """The line that Discord shows is wrong by now."""
        self._next_position_at = min(self._next_position_at, self.moved_at + self._edit_seconds)

    def seconds_of_thinking(self) -> float:
        """How long the model has been thinking, since the first call."""
        if self._thinking_since is None:
            self._thinking_since = time.monotonic()
            self.position_soon()
        return time.monotonic() - self._thinking_since

    def ping_now(self) -> bool:
        """Whether the text that comes now notifies the asker, for being late; True at most once."""
        is_late, self._ping_at = time.monotonic() >= self._ping_at, math.inf
        return is_late

    def no_ping(self) -> None:
        """Nothing that comes is worth a notification."""
        self._ping_at = math.inf
