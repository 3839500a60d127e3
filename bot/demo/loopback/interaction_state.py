"""Interactions on their way: sent to the bot, answered by it, or failed."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.demo.loopback.events import Event, EventHub, EventKind

ANSWER_SECONDS = 3.0
"""How long a bot has for its first answer to an interaction."""


class InteractionState:
    """Tells about each interaction, and that it failed when the bot does not answer in time."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._deadlines: dict[int, asyncio.TimerHandle] = {}

    def sent(self, record: Any) -> None:
        """An interaction goes to the bot now."""
        loop = asyncio.get_running_loop()
        self._deadlines[record.id] = loop.call_later(ANSWER_SECONDS, self._missed, record)
        self._tell(record, "sent")

    def answered(self, record: Any) -> None:
        """The bot gave its first answer."""
        deadline = self._deadlines.pop(record.id, None)
        if deadline is not None:
            deadline.cancel()
            self._tell(record, str(record.response_kind))

    def is_open(self, record: Any) -> bool:
        """Whether the bot may still answer."""
        return record.id in self._deadlines

    def close(self) -> None:
        """Wait for no answer any more."""
        for deadline in self._deadlines.values():
            deadline.cancel()
        self._deadlines.clear()

    def _missed(self, record: Any) -> None:
        del self._deadlines[record.id]
        self._tell(record, "failed")

    def _tell(self, record: Any, status: str) -> None:
        modal = record.modal if status == "modal" else None
        data = {"id": record.id, "type": int(record.type), "status": status, "modal": modal}
        self._hub.publish(Event(EventKind.INTERACTION, record.channel_id, record.user_id, data))
