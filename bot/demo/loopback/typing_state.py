"""Typing indicators, which end by themselves."""

from __future__ import annotations

import asyncio

from bot.demo.loopback.events import Event, EventHub, EventKind

_TYPING_SECONDS = 10.0


class TypingState:
    """Keeps the typing indicators. Each lasts 10 s, or until its user sends a message."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub
        self._timers: dict[tuple[int, int], asyncio.TimerHandle] = {}

    def start(self, channel_id: int, user_id: int) -> None:
        """Show a user's indicator for the next 10 s."""
        key = (channel_id, user_id)
        self._cancel(key)
        self._timers[key] = asyncio.get_running_loop().call_later(_TYPING_SECONDS, self.stop, *key)
        self._publish(channel_id)

    def stop(self, channel_id: int, user_id: int) -> None:
        """End a user's indicator, if it shows."""
        if self._cancel((channel_id, user_id)):
            self._publish(channel_id)

    def in_channel(self, channel_id: int) -> list[int]:
        """List the users whose indicator shows in a channel."""
        return [user_id for channel, user_id in self._timers if channel == channel_id]

    def close(self) -> None:
        """End every indicator silently."""
        for key in list(self._timers):
            self._cancel(key)

    def _cancel(self, key: tuple[int, int]) -> bool:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def _publish(self, channel_id: int) -> None:
        data = {"user_ids": self.in_channel(channel_id)}
        self._hub.publish(Event(EventKind.TYPING, channel_id, None, data))
