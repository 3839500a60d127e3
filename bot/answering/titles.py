"""Titles of conversations, written by the model while nobody waits for an answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bot.answering.idle_generation import IdleGeneration
from bot.answering.served_model import ServedModel
from bot.answering.service import AnswerService
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn, UserMessage
from bot.engine.interface import GenerationRequest

_REQUEST = "Give this conversation a title of at most six words. Write only the title."
_TITLE_TOKENS = 32
_TOKENS_WITH_THOUGHT = 1024


class Titles:
    """Writes titles.

    Args:
        answering: owns the conversations and the engine.
        idle: waits until nobody asks.
    """

    def __init__(self, answering: AnswerService, idle: IdleGeneration) -> None:
        self._answering = answering
        self._idle = idle

    async def title_of(self, key: ConversationKey) -> str:
        """What the model writes when it is asked for a title, which may be anything.

        "" if it writes nothing, or if something that it read was edited, deleted or forgotten meanwhile.
        """
        read: list[Turn] = []

        async def make_request(model: ServedModel) -> GenerationRequest | None:
            opened = await self._answering.conversations.peek(key)
            read[:] = opened.branch
            return await self._request(model, key, opened)

        message = await self._idle.generate(make_request)
        present = (await self._answering.conversations.peek(key)).branch
        return message.content if message is not None and all(turn in present for turn in read) else ""

    async def _request(
        self, model: ServedModel, key: ConversationKey, opened: OpenConversation
    ) -> GenerationRequest | None:
        # The prompt goes on from the latest answer, so the engine's cache has nearly all of it.
        turn = next((turn for turn in reversed(opened.branch) if turn.asked is not None), None)
        if turn is None or turn.asked is None:
            return None
        asked = UserMessage(_REQUEST, turn.asked.author_id, turn.asked.author_name)
        fitted = await asyncio.to_thread(model.window.fit, opened.system_prompt, opened.branch, asked)
        sources = opened.system_sources + fitted.sources(Question(turn.id, key, asked))
        request = model.request(fitted.prompt.ids, sources, opened.erasures, key)
        most = _TOKENS_WITH_THOUGHT if model.builder.thinking.declared else _TITLE_TOKENS
        return replace(request, max_new_tokens=min(most, request.max_new_tokens))
