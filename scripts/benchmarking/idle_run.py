"""One run with idle conversations, in a process of its own: start, mentions, memory."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarking.bot_without_discord import BotWithoutDiscord
from benchmarking.conversations_file import DIFFERENT, LONGEST_ANSWER, asked_in, first_unused_id, key_of
from benchmarking.text import SYSTEM_PROMPT
from bot.answering.served_model import ServedModel
from bot.conversation.budget import Budget
from bot.conversation.conversations import Conversations
from bot.engine.interface import EngineFacts, FinishReason, Generation, GenerationRequest, Outcome, Sampling
from bot.engine.supervisor.token_stream import TokenStream
from bot.model.folder import open_model_folder
from bot.prompting.prompt import PromptBuilder
from bot.storage.storage import Storage

_RECENT = 32
"""The conversations that the bot reads after a start, for prefill-ahead."""

_MOST_OPEN = 256
"""The conversations that the bot keeps in memory."""

_CHANNELS = 200
"""The channels in which the bot looks for missed questions."""

_TIME_LIMIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class IdleRun:
    """The input of one run.

    Attributes:
        file: a database of `write_conversations`, for this run alone.
        model_dir: the folder of the model whose tokenizer it was written with.
        conversations: how many it holds.
        turns: the length of each of them.
        questions: asked in ten conversations in turn.
        answer_ids: the answer to each of them.
        seed: decides in which conversations they are asked.
    """

    file: Path
    model_dir: Path
    conversations: int
    turns: int
    questions: tuple[str, ...]
    answer_ids: tuple[int, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class IdleFigures:
    """The figures of one run; times in seconds, memory as the process's resident bytes.

    Attributes:
        open_seconds: to open the storage.
        look_seconds: to find unfinished and missed questions; then the bot takes new ones.
        read_seconds: to read the most recent conversations, in the background.
        read: how many these were.
        started_bytes: after that.
        first_seconds: for each mention in a conversation not yet in memory.
        later_seconds: for each of the others.
        mentioned_bytes: after all mentions.
        full_bytes: with as many conversations in memory as the bot keeps, or as there are.
    """

    open_seconds: float
    look_seconds: float
    read_seconds: float
    read: int
    started_bytes: int
    first_seconds: list[float]
    later_seconds: list[float]
    mentioned_bytes: int
    full_bytes: int


class _FixedAnswerEngine:
    """An `Engine` that answers every request at once with the same tokens."""

    facts: EngineFacts | None = None
    restarts = 0

    def __init__(self, ids: tuple[int, ...]) -> None:
        self._ids = ids

    def submit(self, request: GenerationRequest) -> Generation:  # noqa: ARG002 - the same for every request
        stream = TokenStream(on_cancel=lambda: None)
        stream.push(self._ids)
        stream.finish(Outcome(FinishReason.STOP))
        return stream

    async def close(self) -> None:
        """Do nothing."""


def measure_idle_run(run: IdleRun) -> IdleFigures:
    """Return one run's figures; run it in a new process, whose memory it measures."""
    return asyncio.run(_measure(run))


async def _measure(run: IdleRun) -> IdleFigures:
    model = _model(run)
    began = time.perf_counter()
    storage = await Storage.open(f"sqlite:///{run.file.as_posix()}", lambda _: None)
    opened = time.perf_counter()
    try:
        new_id = first_unused_id(run.conversations, run.turns)
        await read_unfinished(storage, new_id)
        looked = time.perf_counter()
        read = await read_recent(Conversations(storage.conversations, SYSTEM_PROMPT), _RECENT)
        done, started_bytes = time.perf_counter(), _own_bytes()
        # A second bot with nothing in memory: with few conversations, the start has read all of them.
        bot = BotWithoutDiscord(storage, model, first_id=new_id)
        seconds = await _mention(bot, run)
        mentioned_bytes = _own_bytes()
        await read_recent(bot.conversations, _MOST_OPEN)
        full_bytes = _own_bytes()
    finally:
        await storage.close()
    return IdleFigures(
        open_seconds=opened - began,
        look_seconds=looked - opened,
        read_seconds=done - looked,
        read=read,
        started_bytes=started_bytes,
        first_seconds=seconds[:DIFFERENT],
        later_seconds=seconds[DIFFERENT:],
        mentioned_bytes=mentioned_bytes,
        full_bytes=full_bytes,
    )


def _model(run: IdleRun) -> ServedModel:
    folder = open_model_folder(run.model_dir)
    builder = PromptBuilder.from_folder(folder.path, folder.eos_token_ids)
    budget = Budget(folder.context_length, LONGEST_ANSWER)
    return ServedModel(_FixedAnswerEngine(run.answer_ids), builder, budget, Sampling(), _TIME_LIMIT_SECONDS)


async def read_unfinished(storage: Storage, new_id: int) -> None:
    """Do what the bot asks its storage before it takes questions."""
    await storage.work.unfinished()
    await storage.work.forget_seen_before(new_id)
    await storage.work.channels(_CHANNELS)


async def read_recent(conversations: Conversations, most: int) -> int:
    """Read the most recent conversations and return how many these are."""
    recent = await conversations.recent(most)
    for conversation in recent:
        await conversations.peek(conversation.key)
    return len(recent)


async def _mention(bot: BotWithoutDiscord, run: IdleRun) -> list[float]:
    """Ask in ten idle conversations in turn; return how long each question took."""
    chance = random.Random(run.seed)  # noqa: S311 - nothing secret
    # One copy of each distinct conversation, so that few and many say the same.
    numbers = [each + DIFFERENT * chance.randrange(run.conversations // DIFFERENT) for each in range(DIFFERENT)]
    await bot.ask(key_of(run.conversations), asked_in(run.conversations, 0, run.questions[0]))  # warms up
    seconds = []
    for position, question in enumerate(run.questions):
        number = numbers[position % DIFFERENT]
        asked = asked_in(number, run.turns + position // DIFFERENT, question)
        began = time.perf_counter()
        await bot.ask(key_of(number), asked)
        seconds.append(time.perf_counter() - began)
    return seconds


def _own_bytes() -> int:
    return int(psutil.Process().memory_info().rss)
