"""System prompts: a scope's persona, or the default."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from bot.conversation.store import ConversationStore
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)


class Personas:
    """The personas of all scopes.

    Args:
        store: keeps them for good.
        default: the system prompt of channels without a persona.
        scopes_of: the scopes whose personas apply in a channel, the nearest first.
    """

    def __init__(self, store: ConversationStore, default: str, scopes_of: Callable[[int], Sequence[int]]) -> None:
        self._store = store
        self._default = default
        self._scopes_of = scopes_of
        self._set_since_start: dict[int, str | None] = {}  # the store may not have them yet

    async def set(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""
        self._set_since_start[scope] = text
        await self._store.set_persona(scope, text)

    async def first(self, scopes: Sequence[int]) -> tuple[int, str] | None:
        """The first of these scopes that has a persona, with the persona."""
        try:
            found: dict[int, str | None] = {**await self._store.personas(scopes)}
        except DatabaseOutageError as error:
            logger.warning("Personas cannot be read, using the default reason=%s", error)
            found = {}
        found |= {scope: text for scope, text in self._set_since_start.items() if scope in scopes}
        return next(((scope, text) for scope in scopes if (text := found.get(scope))), None)

    def holds(self, scope: int, channel_id: int) -> bool:
        """Whether a scope's persona can apply in a channel."""
        return scope in self._scopes_of(channel_id)

    async def system_prompt(self, channel_id: int) -> str:
        """The system prompt for a channel's conversations."""
        persona = await self.first(self._scopes_of(channel_id))
        return self._default if persona is None else persona[1]
