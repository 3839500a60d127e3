"""System prompts: a scope's persona, or the default."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bot.conversation.erasures import Erasures
from bot.conversation.store import ConversationStore
from bot.engine.interface import Erasure, Source
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_NO_MESSAGE = 2**63 - 1
"""Larger than every message's id, so that retention spares personas."""


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """The system prompt of a channel's conversations.

    Attributes:
        scope: whose persona it is; None if it is the default.
    """

    text: str
    scope: int | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Whose words a prompt begins with: a persona leaves the engine's caches with its scope."""
        return () if self.scope is None else (Source(0, _NO_MESSAGE, 0, self.scope),)


class Personas:
    """The personas of all scopes.

    Args:
        store: keeps them for good.
        default: the system prompt of channels without a persona.
        scopes_of: the scopes whose personas apply in a channel, the nearest first.
        erasures: for the persona that another replaces.
    """

    def __init__(
        self,
        store: ConversationStore,
        default: str,
        scopes_of: Callable[[int], Sequence[int]],
        erasures: Erasures,
    ) -> None:
        self._store = store
        self._erasures = erasures
        self._default = default
        self._scopes_of = scopes_of
        self._set_since_start: dict[int, str | None] = {}  # the store may not have them yet

    async def set(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""
        self._set_since_start[scope] = text
        await self._erasures.add(partial(Erasure, channel_ids=frozenset({scope})))
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

    async def system_prompt(self, channel_id: int) -> SystemPrompt:
        """The system prompt for a channel's conversations."""
        persona = await self.first(self._scopes_of(channel_id))
        return SystemPrompt(self._default) if persona is None else SystemPrompt(persona[1], persona[0])
