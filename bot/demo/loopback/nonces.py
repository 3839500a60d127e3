"""Nonces, with which a bot retries a message without sending it twice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from bot.demo.loopback.values import Payload

_KEPT_SECONDS = 300.0  # Discord promises "a few minutes"


class SentNonces:
    """Keeps the nonces of the last few minutes, for messages with `enforce_nonce`.

    Source: https://discord.com/developers/docs/resources/message#create-message
    """

    def __init__(self) -> None:
        self._sent: dict[str, tuple[float, int, int]] = {}

    def earlier(self, backend: Any, message: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the channel id and the message id of a message with the same nonce, or None."""
        self._forget_old()
        nonce = str(message.get("nonce"))
        if not message.get("enforce_nonce") or nonce not in self._sent:
            return None
        _, channel_id, message_id = self._sent[nonce]
        return (channel_id, message_id) if message_id in backend.messages.get(channel_id, {}) else None

    def remember(self, message: Mapping[str, Any], sent: Payload) -> None:
        """Keep the nonce of a message that was sent as `sent`."""
        if message.get("nonce") is not None:
            self._sent[str(message["nonce"])] = time.monotonic(), int(sent["channel_id"]), int(sent["id"])

    def _forget_old(self) -> None:
        oldest = time.monotonic() - _KEPT_SECONDS
        self._sent = {nonce: entry for nonce, entry in self._sent.items() if entry[0] > oldest}
