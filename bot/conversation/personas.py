"""System prompts: a scope's persona, or the default."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from bot.conversation.erasures import Erasures
from bot.conversation.store import ConversationStore
from bot.engine.interface import Erasure, Source
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

_NO_MESSAGE = 2**63 - 1
"""Larger than every message's id, so that retention spares personas."""
_MOST_READ = 10_000


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
        self._read: OrderedDict[int, str | None] = OrderedDict()  # from the store, which an outage may hide

    async def set(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""
        self._set_since_start[scope] = text
        await self._erasures.add(partial(Erasure, channel_ids=frozenset({scope})))
        await self._store.set_persona(scope, text)

    def drop(self, scopes: Collection[int]) -> None:
        """Drop the personas of channels that were deleted, which the store does by itself."""
        self._set_since_start |= dict.fromkeys(scopes)

    async def first(self, scopes: Sequence[int]) -> tuple[int, str] | None:
        """The first of these scopes that has a persona, with the persona."""
        if unknown := [each for each in scopes if each not in self._set_since_start and each not in self._read]:
            try:
                self._read.update({**dict.fromkeys(unknown), **await self._store.personas(unknown)})
            except DatabaseOutageError as error:
                logger.warning("Personas cannot be read, using the default reason=%s", error)
        found = {scope: self._set_since_start.get(scope, self._read.get(scope)) for scope in scopes}
        while len(self._read) > _MOST_READ:
            self._read.popitem(last=False)
        return next(((scope, text) for scope in scopes if (text := found[scope])), None)

    def holds(self, scope: int, channel_id: int) -> bool:
        """Whether a scope's persona can apply in a channel."""
        return scope in self._scopes_of(channel_id)

    async def system_prompt(self, channel_id: int) -> SystemPrompt:
        """The system prompt for a channel's conversations."""
        persona = await self.first(self._scopes_of(channel_id))
        return SystemPrompt(self._default) if persona is None else SystemPrompt(persona[1], persona[0])
