"""Summarizes what a trim will drop, while nobody waits for an answer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from bot.answering.idle_generation import IdleGeneration
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.context_window import SummaryPrompt
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey
from bot.engine.interface import GenerationRequest
from bot.prompting.prompt import Message

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_MOST_CONVERSATIONS = 32


@dataclass(frozen=True, slots=True)
class _State:
    """All that decides whether a conversation needs a summary."""

    model: ServedModel
    revision: int
    tip_id: int | None


class Compaction:
    """Keeps a summary ready for every recent conversation that will soon be trimmed.

    Args:
        answering: owns the conversations and the queue.
        idle_generation: generates the summaries.
        poll_seconds: how often to look for a conversation.
    """

    def __init__(
        self, answering: AnswerService, idle_generation: IdleGeneration, poll_seconds: float = _POLL_SECONDS
    ) -> None:
        self._answering = answering
        self._idle_generation = idle_generation
        self._poll_seconds = poll_seconds
        self._done: dict[ConversationKey, _State] = {}  # what needs no summary, or cannot get one

    async def run(self) -> None:
        """Summarize whenever the engine is idle, until cancelled."""
        while True:
            await self._answering.queue.wait_until_idle()
            await self._summarize_recent()
            await asyncio.sleep(self._poll_seconds)

    async def _summarize_recent(self) -> None:
        conversations, done = self._answering.conversations, self._done
        recent = [each for each in await conversations.recent(_MOST_CONVERSATIONS) if each.tip_id is not None]
        self._done = {each.key: done[each.key] for each in recent if each.key in done}
        for conversation in recent:
            if self._done.get(conversation.key) == self._state_of(conversation):
                continue  # without a look at the database, which may have an outage
            opened = await conversations.peek(conversation.key)
            state = self._state_of(opened.conversation)
            if await self._summarize(opened, state):
                self._done[conversation.key] = state

    def _state_of(self, conversation: Conversation) -> _State:
        return _State(self._answering.model, conversation.revision, conversation.tip_id)

    async def _summarize(self, opened: OpenConversation, state: _State) -> bool:
        """Summarize a conversation if it needs that; return whether to leave it alone until its state changes."""
        prompt = await asyncio.to_thread(state.model.window.summary_prompt, opened.system_prompt, opened.branch)
        if prompt is None:
            return True
        if opened.conversation.revision != state.revision:
            return False  # it may have changed before anybody watched what is summarized
        summaries, key = self._answering.conversations.summaries, opened.conversation.key
        with summaries.watched(key, prompt.turns) as summary_id:

            async def make_request(model: ServedModel) -> GenerationRequest | None:
                wanted = model is state.model and summaries.is_valid(summary_id) and _is_ahead(opened, prompt)
                return _request(opened, prompt, model) if wanted else None

            answer = await self._idle_generation.generate(make_request)
            if not summaries.is_valid(summary_id):
                return False
            if answer is None or not answer.content.strip():
                return True
            await summaries.remember(summary_id, answer)
        _log(key, prompt, answer)
        return True


def _is_ahead(opened: OpenConversation, prompt: SummaryPrompt) -> bool:
    """Whether the summary can still take the place of its turns: a question may have had them trimmed meanwhile."""
    conversation, last = opened.conversation, prompt.turns[-1]
    return any(turn.id == last.id for turn in conversation.branch(conversation.tip_id))


def _request(opened: OpenConversation, prompt: SummaryPrompt, model: ServedModel) -> GenerationRequest:
    sources = opened.system_sources + prompt.sources
    request = model.request(prompt.ids, sources, opened.erasures, opened.conversation.key)
    return replace(request, max_new_tokens=min(request.max_new_tokens, prompt.max_new_tokens))


def _log(key: ConversationKey, prompt: SummaryPrompt, answer: Message) -> None:
    tokens = len(answer.ids or ())
    logger.info("Conversation summarized: channel=%d turns=%d tokens=%d", key.channel_id, len(prompt.turns), tokens)
