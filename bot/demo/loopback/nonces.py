"""SentNonces: how a bot sends a message again without showing it twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bot.demo.loopback.values import Payload

# Discord promises "a few minutes".
_REMEMBERED_SECONDS = 300.0


class SentNonces:
    """Remembers the messages that a bot sent with `enforce_nonce`, for a few minutes.

    Source: https://discord.com/developers/docs/resources/message#create-message
    """

    def __init__(self) -> None:
        self._sent: dict[str, tuple[float, int, int]] = {}

    def earlier(self, backend: Any, message: Mapping[str, Any]) -> tuple[int, int] | None:
        """Where a message with the same nonce already stands: its channel's id and its own; None if it is new."""
        self._forget_old()
        nonce = str(message.get("nonce"))
        if not message.get("enforce_nonce") or nonce not in self._sent:
            return None
        _, channel_id, message_id = self._sent[nonce]
        return (channel_id, message_id) if message_id in backend.messages.get(channel_id, {}) else None

    def remember(self, message: Mapping[str, Any], sent: Payload) -> None:
        """A message was sent; `sent` is its payload."""
        if message.get("nonce") is not None:
            self._sent[str(message["nonce"])] = time.monotonic(), int(sent["channel_id"]), int(sent["id"])

    def _forget_old(self) -> None:
        begin = time.monotonic() - _REMEMBERED_SECONDS
        self._sent = {nonce: entry for nonce, entry in self._sent.items() if entry[0] > begin}
