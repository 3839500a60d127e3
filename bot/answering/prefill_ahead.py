"""Prefills conversations while the engine is idle, so that their next question need not wait for it.

After a restart, a trim or a change of the model the cache holds nothing of a conversation, and its next question would
wait for a prefill of the whole history. Prefill-ahead does that work while the queue is empty, and stops as soon as a
question comes.

An engine with a disk cache can also load a conversation while it answers others. So a question that is expected, or
about to start, has its conversation loaded at any time.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

from bot.answering.service import AnswerService
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, TextFile, Turn
from bot.engine.interface import FinishReason, Generation, GenerationRequest
from bot.log_context import create_shared_task

_POLL_SECONDS = 1.0
_MOST_CONVERSATIONS = 32
_MOST_EMPTY = 10_000
_SHARE_OF_CACHE = 0.5
"""Upper bound for all prefilled conversations together, so that a new one does not evict an earlier one."""
_MOST_EXPECTED = 32
_FRESH_SECONDS = 20.0
"""What was just loaded is still in memory. A member who types is reported every 10 s."""


class PrefillAhead:
    """Keeps the recent conversations in the engine's cache.

    Args:
        answering: owns the conversations and the engine.
        poll_seconds: how often to look for a conversation to prefill.
    """

    def __init__(self, answering: AnswerService, poll_seconds: float = _POLL_SECONDS) -> None:
        self._answering = answering
        self._poll_seconds = poll_seconds
        self._expected: OrderedDict[ConversationKey, None] = OrderedDict()  # the next one last
        self._current: ConversationKey | None = None
        self._generation: Generation | None = None
        self._is_beside_answers = False  # the current one then loads only, which takes a moment
        self._interrupted = False  # the current one makes way for a newer expectation
        self._loaded_at: dict[tuple[ConversationKey, int | None], float] = {}  # by conversation and engine process
        self._empty: OrderedDict[ConversationKey, None] = OrderedDict()
        self._lookup: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        answering.listen(self.load)

    def load(self, key: ConversationKey) -> None:
        """Load this conversation if the engine has a disk cache: a question in it is about to start."""
        if self._can_load:
            self.expect(key)

    def expect(self, key: ConversationKey) -> None:
        """Prefill this conversation next, or load it beside answers: a member is about to ask something in it."""
        conversation = self._answering.conversations.find(key)
        if conversation is not None:
            self._empty.pop(key, None)
            if key != self._current and self._is_worthwhile(conversation):
                self._begin_with(key)
        elif key in self._empty:
            return  # in most channels nobody talks to the bot
        elif self._current is None:
            self._begin_with(key)
        elif self._lookup is None or self._lookup.done():
            self._lookup = create_shared_task(self._interrupt_unless_empty(key))

    async def run(self) -> None:
        """Prefill whenever the engine is idle, and load what is expected, until cancelled."""
        try:
            while True:
                self._interrupted = False
                if (expected := await self._next_expected()) is not None:
                    if not await self._prefill(expected, is_expected=True) and self._interrupted:
                        self._put_back(expected.conversation.key)
                elif (recent := await self._next_recent()) is None or not await self._prefill(recent):
                    await self._pause()
        finally:
            if self._lookup is not None:
                self._lookup.cancel()

    @property
    def _can_load(self) -> bool:
        facts = self._answering.model.engine.facts
        return facts is not None and facts.disk_cache_bytes > 0

    @property
    def _can_prefill(self) -> bool:
        facts = self._answering.model.engine.facts
        return facts is not None and facts.cache_tokens > 0 and self._answering.queue.idle

    def _is_worthwhile(self, conversation: Conversation) -> bool:
        """Whether its next question may begin sooner after a prefill."""
        owner = self._answering.model.cache_owner
        is_cached = conversation.cached_by == owner
        if not self._can_load:
            return not is_cached
        if self._answering.queue.idle and not is_cached:
            return True
        loaded_at = self._loaded_at.get((conversation.key, owner), -math.inf)
        return not conversation.answering and time.monotonic() - loaded_at > _FRESH_SECONDS

    def _begin_with(self, key: ConversationKey) -> None:
        self._expected[key] = None
        self._expected.move_to_end(key)
        while len(self._expected) > (_MOST_EXPECTED if self._can_load else 1):
            self._expected.popitem(last=False)
        if self._answering.queue.idle or not self._is_beside_answers:
            self._interrupted = True
            if self._generation is not None:
                self._generation.cancel()
        self._wake.set()

    def _put_back(self, key: ConversationKey) -> None:
        if self._can_load and key not in self._expected:
            self._expected[key] = None
            self._expected.move_to_end(key, last=False)

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

    async def _next_expected(self) -> OpenConversation | None:
        """The conversation that was expected last; None if there is none, or if it must wait for questions."""
        while self._expected and (self._can_load or self._can_prefill):
            key, _ = self._expected.popitem()
            opened = await self._peek(key)
            if opened.branch and self._is_worthwhile(opened.conversation):
                return opened
        return None

    async def _next_recent(self) -> OpenConversation | None:
        """The conversation to prefill while the engine is idle; None if there is none, or if a question is there."""
        answering, facts = self._answering, self._answering.model.engine.facts
        if facts is None or not self._can_prefill:
            return None
        conversations, owner = answering.conversations, answering.model.cache_owner
        free = facts.cache_tokens * _SHARE_OF_CACHE
        for conversation in await conversations.recent(_MOST_CONVERSATIONS):
            if conversation.tip_id is not None and conversation.cached_by != owner:
                opened = await conversations.peek(conversation.key)
                return opened if _rough_tokens(opened.branch) <= free else None
            free -= _rough_tokens(conversation.branch(conversation.tip_id))
        return None

    async def _prefill(self, opened: OpenConversation, *, is_expected: bool = False) -> bool:
        """Prefill one conversation; return whether the cache holds it now."""
        self._current = opened.conversation.key
        try:
            return await self._submit(opened, is_expected)
        finally:
            self._current = self._generation = None
            self._is_beside_answers = False

    async def _submit(self, opened: OpenConversation, is_expected: bool) -> bool:
        model, conversation = self._answering.model, opened.conversation
        prefix = await asyncio.to_thread(model.window.prefix, opened.system_prompt, opened.branch)
        may_load = is_expected and self._can_load and not conversation.answering
        if self._interrupted or not (self._answering.queue.idle or may_load):
            return False
        request = GenerationRequest(
            prefix.ids,
            frozenset(),
            max_new_tokens=0,
            prefill_only=True,
            sources=opened.system_sources + prefix.sources,
            erasures=opened.erasures,
            conversation=conversation.key.text,
        )
        self._is_beside_answers = not self._answering.queue.idle
        owner = model.cache_owner
        self._generation = generation = model.engine.submit(request)
        async for _ in generation:
            pass
        if not self._interrupted:
            self._note_loaded(conversation.key, owner)
        if generation.outcome is None or generation.outcome.reason is not FinishReason.LENGTH:
            return False
        unchanged = conversation.branch(conversation.tip_id) == opened.branch
        if model is self._answering.model and unchanged:
            conversation.cached_by = model.cache_owner
        return unchanged

    def _note_loaded(self, key: ConversationKey, owner: int | None) -> None:
        now = time.monotonic()
        self._loaded_at = {each: at for each, at in self._loaded_at.items() if now - at <= _FRESH_SECONDS}
        self._loaded_at[key, owner] = now

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
            quotes, files = turn.asked.quotes, list(turn.asked.files)
            files += [file for quote in quotes for file in quote.files]
            in_files = sum(len(file.text) for file in files if isinstance(file, TextFile))
            quoted = sum(len(quote.text) for quote in quotes)
            total += (len(turn.asked.text) + in_files + quoted) // 4 + len(turn.answer.ids or turn.answer.content[::4])
    return total
