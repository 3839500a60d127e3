"""Tracks whether the bot answers an interaction in time."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.demo.loopback.events import Event, EventHub, EventKind

ANSWER_SECONDS = 3.0
"""Time that Discord gives a bot for its first response."""


class InteractionState:
    """Publishes each interaction's status, `failed` included when the bot misses the deadline."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._deadlines: dict[int, asyncio.TimerHandle] = {}

    def sent(self, record: Any) -> None:
        """Start the deadline of an interaction that goes to the bot."""
        loop = asyncio.get_running_loop()
        self._deadlines[record.id] = loop.call_later(ANSWER_SECONDS, self._missed, record)
        self._publish(record, "sent")

    def answered(self, record: Any) -> None:
        """Record the bot's first response."""
        deadline = self._deadlines.pop(record.id, None)
        if deadline is not None:
            deadline.cancel()
            self._publish(record, str(record.response_kind))

    def is_open(self, record: Any) -> bool:
        """Whether the bot may still respond."""
        return record.id in self._deadlines

    def close(self) -> None:
        """Cancel every deadline."""
        for deadline in self._deadlines.values():
            deadline.cancel()
        self._deadlines.clear()

    def _missed(self, record: Any) -> None:
        del self._deadlines[record.id]
        self._publish(record, "failed")

    def _publish(self, record: Any, status: str) -> None:
        modal = record.modal if status == "modal" else None
        data = {"id": record.id, "type": int(record.type), "status": status, "modal": modal}
        self._hub.publish(Event(EventKind.INTERACTION, record.channel_id, record.user_id, data))
