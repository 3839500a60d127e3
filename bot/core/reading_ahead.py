"""Reads conversations into the engine's cache before anybody asks.

After a restart, a trim or a change of the model the cache knows nothing of a conversation, and its next question
would wait until the whole history has been read. The engine does that reading while it has nothing else to do, and
stops at once when a question comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import suppress

from bot.core.answering import Answering
from bot.core.conversation import Conversation
from bot.engine.interface import FinishReason, Generation, GenerationRequest

_LOOK_SECONDS = 1.0
_MOST_CONVERSATIONS = 32
_PART_OF_CACHE = 0.5
"""Of the cache, for all conversations read ahead together: what is read must not push out what was read before."""


class ReadingAhead:
    """Keeps the recent conversations in the engine's cache.

    Args:
        answering: whose conversations and engine these are.
        look_seconds: how often it looks for something to read.
    """

    def __init__(self, answering: Answering, look_seconds: float = _LOOK_SECONDS) -> None:
        self._answering = answering
        self._look_seconds = look_seconds
        self._expected: Conversation | None = None
        self._being_read: Conversation | None = None
        self._generation: Generation | None = None
        self._wake = asyncio.Event()

    def expect(self, key: Hashable) -> None:
        """Somebody is about to ask something in this conversation, so read it first, and now."""
        expected = self._answering.conversations.find(key)
        if expected is None or expected is self._being_read or expected.cached_by == self._answering.model.cache_owner:
            return
        self._expected = expected
        if self._generation is not None:
            self._generation.cancel()
        self._wake.set()

    async def run(self) -> None:
        """Read whenever the engine is idle, until cancelled."""
        while True:
            conversation = self._next()
            if conversation is None or not await self._read(conversation):
                await self._pause()

    def _next(self) -> Conversation | None:
        """The conversation to be read now; None if there is none, or if people's answers come first."""
        model, owner = self._answering.model, self._answering.model.cache_owner
        facts = model.engine.facts
        if not self._answering.line.idle or facts is None or not facts.cache_tokens:
            return None
        expected, self._expected = self._expected, None
        if expected is not None and expected.cached_by != owner:
            return expected
        room = facts.cache_tokens * _PART_OF_CACHE
        for conversation in self._answering.conversations.recent(_MOST_CONVERSATIONS):
            room -= sum(len(turn.question.content) // 4 + len(turn.answer.ids or ()) for turn in conversation.turns)
            if room < 0:
                return None
            if conversation.cached_by != owner and conversation.turns:
                return conversation
        return None

    async def _read(self, conversation: Conversation) -> bool:
        """Read one conversation; return whether it is in the cache now."""
        model = self._answering.model
        request = GenerationRequest(conversation.prefix(), frozenset(), max_new_tokens=0, ahead=True)
        self._being_read, self._generation = conversation, model.engine.submit(request)
        generation = self._generation
        try:
            async for _ in generation:
                pass
        finally:
            self._being_read = self._generation = None
        if generation.outcome is None or generation.outcome.reason is not FinishReason.LENGTH:
            return False
        if model is self._answering.model:
            conversation.cached_by = model.cache_owner
        return True

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_seconds):
                await self._wake.wait()
        self._wake.clear()
