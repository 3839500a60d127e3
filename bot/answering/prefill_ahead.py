"""Prefills conversations while the engine is idle, so that their next question need not wait for it.

After a restart, a trim or a change of the model the cache holds nothing of a conversation, and its next question would
wait for a prefill of the whole history. Prefill-ahead does that work while the queue is empty, and stops as soon as a
question comes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from bot.answering.service import AnswerService
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, TextFile, Turn
from bot.engine.interface import FinishReason, Generation, GenerationRequest

_POLL_SECONDS = 1.0
_MOST_CONVERSATIONS = 32
_MOST_EMPTY = 10_000
_SHARE_OF_CACHE = 0.5
"""Upper bound for all prefilled conversations together, so that a new one does not evict an earlier one."""


class PrefillAhead:
    """Keeps the recent conversations in the engine's cache.

    Args:
        answering: owns the conversations and the engine.
        poll_seconds: how often to look for a conversation to prefill.
    """

    def __init__(self, answering: AnswerService, poll_seconds: float = _POLL_SECONDS) -> None:
        self._answering = answering
        self._poll_seconds = poll_seconds
        self._expected: ConversationKey | None = None
        self._current: ConversationKey | None = None
        self._generation: Generation | None = None
        self._empty: OrderedDict[ConversationKey, None] = OrderedDict()
        self._lookup: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def expect(self, key: ConversationKey) -> None:
        """Prefill this conversation next: a member is about to ask something in it."""
        conversation = self._answering.conversations.find(key)
        if conversation is not None:
            self._empty.pop(key, None)
            if key != self._current and conversation.cached_by != self._answering.model.cache_owner:
                self._begin_with(key)
        elif key in self._empty:
            return  # in most channels nobody talks to the bot
        elif self._generation is None:
            self._begin_with(key)
        elif self._lookup is None or self._lookup.done():
            self._lookup = asyncio.create_task(self._interrupt_unless_empty(key))

    async def run(self) -> None:
        """Prefill whenever the engine is idle, until cancelled."""
        try:
            while True:
                opened = await self._next()
                if opened is None or not await self._prefill(opened):
                    await self._pause()
        finally:
            if self._lookup is not None:
                self._lookup.cancel()

    def _begin_with(self, key: ConversationKey) -> None:
        self._expected = key
        if self._generation is not None:
            self._generation.cancel()
        self._wake.set()

    async def _interrupt_unless_empty(self, key: ConversationKey) -> None:
        if (await self._peek(key)).branch:
            self._begin_with(key)

    async def _peek(self, key: ConversationKey) -> OpenConversation:
        opened = await self._answering.conversations.peek(key)
        if not opened.branch and opened.conversation.past_known:
            self._empty[key] = None
            if len(self._empty) > _MOST_EMPTY:
                self._empty.popitem(last=False)
        return opened

    async def _next(self) -> OpenConversation | None:
        """The conversation to prefill now; None if there is none, or if a question runs or waits."""
        answering, facts = self._answering, self._answering.model.engine.facts
        if not answering.queue.idle or facts is None or not facts.cache_tokens:
            return None
        conversations, owner = answering.conversations, answering.model.cache_owner
        expected, self._expected = self._expected, None
        if expected is not None:
            opened = await self._peek(expected)
            if opened.branch and opened.conversation.cached_by != owner:
                return opened
        free = facts.cache_tokens * _SHARE_OF_CACHE
        for conversation in await conversations.recent(_MOST_CONVERSATIONS):
            if conversation.tip_id is not None and conversation.cached_by != owner:
                opened = await conversations.peek(conversation.key)
                return opened if _rough_tokens(opened.branch) <= free else None
            free -= _rough_tokens(conversation.branch(conversation.tip_id))
        return None

    async def _prefill(self, opened: OpenConversation) -> bool:
        """Prefill one conversation; return whether the cache holds it now."""
        model, conversation = self._answering.model, opened.conversation
        prefix = await asyncio.to_thread(model.window.prefix, opened.system_prompt, opened.branch)
        if not self._answering.queue.idle:
            return False
        request = GenerationRequest(
            prefix.ids,
            frozenset(),
            max_new_tokens=0,
            prefill_only=True,
            sources=prefix.sources,
            erasures=opened.erasures,
        )
        self._current, self._generation = conversation.key, model.engine.submit(request)
        generation = self._generation
        try:
            async for _ in generation:
                pass
        finally:
            self._current = self._generation = None
        if generation.outcome is None or generation.outcome.reason is not FinishReason.LENGTH:
            return False
        unchanged = conversation.branch(conversation.tip_id) == opened.branch
        if model is self._answering.model and unchanged:
            conversation.cached_by = model.cache_owner
        return unchanged

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_seconds):
                await self._wake.wait()
        self._wake.clear()


def _rough_tokens(branch: Sequence[Turn]) -> int:
    """Estimate how many tokens of the cache a branch takes."""
    total = 0
    for turn in branch:
        if turn.asked is not None and turn.answer is not None:
            quote = turn.asked.quote
            files = turn.asked.files + (quote.files if quote else ())
            in_files = sum(len(file.text) for file in files if isinstance(file, TextFile))
            quoted = len(quote.text) if quote else 0
            total += (len(turn.asked.text) + in_files + quoted) // 4 + len(turn.answer.ids or turn.answer.content[::4])
    return total
