"""Conversations that a real engine has read, with words in them that are to be forgotten."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Quote
from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.block_file import SUFFIX, read_stored_block
from bot.serving.service import ModelService
from tests.answering.answers import metric, run
from tests.conversation.memory import ask, person
from tests.serving.served import until

QUOTED = 5
"""The id of a message that is older than all others."""

_PART = 14


@dataclass(frozen=True)
class MarkedConversation:
    """A conversation of Grace with the bot, in which marked words were said once.

    Attributes:
        question_id: of the turn with the mark.
        mark: its tokens.
        prompt_ids: what the next prompt begins with.
        starts: where Grace's first words and the turn with the mark begin in it.
    """

    conversations: Conversations
    key: ConversationKey
    question_id: int
    mark: tuple[int, ...]
    prompt_ids: tuple[int, ...]
    starts: tuple[int, int]

    def traces(self, data_dir: Path) -> int:
        """The number of blocks on disk with a part of the mark."""
        parts = set(_windows(self.mark, _PART))
        return sum(not parts.isdisjoint(_windows(block, _PART)) for block in blocks_on_disk(data_dir))

    def beginning(self, length: int) -> set[tuple[int, ...]]:
        """The tokens of the whole blocks among the first tokens of the prompt."""
        return set(_windows(self.prompt_ids[:length], BLOCK_TOKENS)[::BLOCK_TOKENS])


def _windows(ids: tuple[int, ...], length: int) -> list[tuple[int, ...]]:
    return [ids[start : start + length] for start in range(len(ids) - length + 1)]


def blocks_on_disk(data_dir: Path) -> set[tuple[int, ...]]:
    """The tokens of every block."""
    found = set()
    for path in data_dir.rglob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # the worker has just removed it
            found.add(read_stored_block(path, None).tokens)
    return found


async def cached(serving: ModelService, prompt_ids: tuple[int, ...]) -> int:
    """How many of a prompt's first tokens are in the caches."""
    name = "phi3_prompt_tokens_cached_total"
    before = metric(serving.answering, name) or 0.0
    async for _ in serving.answering.model.engine.submit(GenerationRequest(prompt_ids, frozenset(), 1)):
        pass
    return int((metric(serving.answering, name) or 0.0) - before)


async def have_conversation(
    serving: ModelService, data_dir: Path, channel: str, by: str = "Ada", *, in_quote: bool = False
) -> MarkedConversation:
    """Have a conversation, and wait until all of it is on disk.

    Args:
        by: who says the marked words, or is quoted with them.
    """
    answering, key = serving.answering, ConversationKey(person(channel))
    own = random.Random(channel)
    kept, text = (" ".join(str(number) for number in own.choices(range(10**6), k=20)) for _ in range(2))
    quote = Quote(QUOTED, person(by), by, text)
    marked = ask("What of it?", "Grace", key=key, quotes=[quote]) if in_quote else ask(text, by, key=key)
    first, last = ask(kept, "Grace", key=key), ask("And then?", "Grace", key=key)
    for question in (first, marked, last):
        await run(answering.ask(question))
    opened = await answering.conversations.peek(key)
    prefix = answering.model.window.prefix(opened.system_prompt, opened.branch)
    starts = {source.message_id: source.start for source in prefix.sources}
    mark = tuple(answering.model.builder.tokenizer.encode(text))
    conversation = MarkedConversation(
        answering.conversations, key, marked.id, mark, prefix.ids, (starts[first.id], starts[marked.id])
    )
    await until(lambda: conversation.beginning(starts[last.id]) <= blocks_on_disk(data_dir))
    assert conversation.traces(data_dir)
    return conversation
