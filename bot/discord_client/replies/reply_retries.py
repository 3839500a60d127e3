"""The pauses between the tries of one reply's requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.refusal import Refusal, RefusalKind
from bot.discord_client.rest.retry import pauses

logger = logging.getLogger(__name__)

_LONGEST_SECONDS = 15.0


class ReplyRetries:
    """Waits after each failure, longer each time, with one line in the log for each outage: there may be many replies.

    Args:
        pace: decides when a request starts.
        question_id: what the reply answers.
        channel_id: where it was asked.
        first_seconds: the first pause.
    """

    def __init__(self, pace: RequestPace, question_id: int, channel_id: int, first_seconds: float) -> None:
        self._pace = pace
        self._question_id = question_id
        self._channel_id = channel_id
        self._first_seconds = first_seconds
        self._pauses: Iterator[float] | None = None  # since Discord or the network began to fail

    async def wait(self, refusal: Refusal) -> None:
        """Wait before the next try."""
        level = logging.DEBUG if self._pauses else logging.WARNING
        place = self._question_id, self._channel_id
        logger.log(level, "Retrying a reply: message_id=%d channel=%d cause=%s", *place, refusal.reason)
        self._pauses = self._pauses or pauses(self._first_seconds, _LONGEST_SECONDS)
        await self._pace.pause(next(self._pauses))

    def unexpected(self, error: Exception) -> Refusal:
        """Treat a bug as a refusal that may pass: half a text must not stay for ever."""
        if self._pauses is None:
            logger.error("Edit of a reply failed: message_id=%d", self._question_id, exc_info=error)
        return Refusal(RefusalKind.PASSING, repr(error))

    def succeeded(self) -> None:
        """The next failure is a new one."""
        self._pauses = None
