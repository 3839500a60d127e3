"""Reads conversations into the engine's cache before anybody asks.

After a restart, a trim or a change of the model the cache knows nothing of a conversation, and its next question
would wait until the whole history has been read. The engine does that reading while it has nothing else to do, and
stops at once when a question comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from bot.answering.service import AnswerService
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Turn
from bot.engine.interface import FinishReason, Generation, GenerationRequest

_LOOK_SECONDS = 1.0
_MOST_CONVERSATIONS = 32
_PART_OF_CACHE = 0.5
"""Of the cache, for all conversations read ahead together: what is read must not push out what was read before."""


class PrefillAhead:
    """Keeps the recent conversations in the engine's cache.

    Args:
        answering: whose conversations and engine these are.
        look_seconds: how often it looks for something to read.
    """

    def __init__(self, answering: AnswerService, look_seconds: float = _LOOK_SECONDS) -> None:
        self._answering = answering
        self._look_seconds = look_seconds
        self._expected: ConversationKey | None = None
        self._being_read: ConversationKey | None = None
        self._generation: Generation | None = None
        self._wake = asyncio.Event()

    def expect(self, key: ConversationKey) -> None:
        """Somebody is about to ask something in this conversation, so read it first, and now."""
        conversation = self._answering.conversations.find(key)
        cached = conversation is not None and conversation.cached_by == self._answering.model.cache_owner
        if key == self._being_read or cached:
            return
        self._expected = key
        if self._generation is not None:
            self._generation.cancel()
        self._wake.set()

    async def run(self) -> None:
        """Read whenever the engine is idle, until cancelled."""
        while True:
            opened = await self._next()
            if opened is None or not await self._read(opened):
                await self._pause()

    async def _next(self) -> OpenConversation | None:
        """The conversation to be read now; None if there is none, or if people's answers come first."""
        answering, facts = self._answering, self._answering.model.engine.facts
        if not answering.queue.idle or facts is None or not facts.cache_tokens:
            return None
        conversations, owner = answering.conversations, answering.model.cache_owner
        expected, self._expected = self._expected, None
        if expected is not None:
            opened = await conversations.peek(expected)
            if opened.branch and opened.conversation.cached_by != owner:
                return opened
        room = facts.cache_tokens * _PART_OF_CACHE
        for conversation in await conversations.recent(_MOST_CONVERSATIONS):
            if conversation.tip_id is not None and conversation.cached_by != owner:
                opened = await conversations.peek(conversation.key)
                return opened if _rough_tokens(opened.branch) <= room else None
            room -= _rough_tokens(conversation.branch(conversation.tip_id))
        return None

    async def _read(self, opened: OpenConversation) -> bool:
        """Read one conversation; return whether it is in the cache now."""
        model, conversation = self._answering.model, opened.conversation
        prefix = await asyncio.to_thread(model.window.prefix, opened.system_prompt, opened.branch)
        if not self._answering.queue.idle:
            return False
        request = GenerationRequest(prefix, frozenset(), max_new_tokens=0, prefill_only=True)
        self._being_read, self._generation = conversation.key, model.engine.submit(request)
        generation = self._generation
        try:
            async for _ in generation:
                pass
        finally:
            self._being_read = self._generation = None
        if generation.outcome is None or generation.outcome.reason is not FinishReason.LENGTH:
            return False
        unchanged = conversation.branch(conversation.tip_id) == opened.branch
        if model is self._answering.model and unchanged:
            conversation.cached_by = model.cache_owner
        return unchanged

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look_seconds):
                await self._wake.wait()
        self._wake.clear()


def _rough_tokens(branch: Sequence[Turn]) -> int:
    """About how many tokens of the cache a line takes."""
    total = 0
    for turn in branch:
        if turn.asked is not None and turn.answer is not None:
            enclosed = sum(len(file.text) for file in turn.asked.files)
            quoted = len(turn.asked.quote.text) if turn.asked.quote else 0
            total += (len(turn.asked.text) + enclosed + quoted) // 4 + len(turn.answer.ids or ())
    return total
