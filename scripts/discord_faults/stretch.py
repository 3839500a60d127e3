"""Rounds that one bot goes through, one after another."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Self

from separate_bot.bot_process import BotProcess
from separate_bot.replies import Listener, Replies
from separate_bot.stored_memory import StoredMemory, unfinished_questions
from separate_bot.verdict import is_settled
from separate_bot.watch import LogReader, MemoryWatch, tracebacks
from tiny_models.wordy import LONGEST_OF_MANY

from bot.demo.loopback import LoopbackDiscord
from discord_faults.full_disk import small_disk_at
from discord_faults.people import People, Question
from discord_faults.plan import RoundPlan, Scale
from discord_faults.report import MOST_OWN_429, RoundResult
from discord_faults.strikes import Striker
from discord_faults.verdict import is_answered, judge_round

MOST_MEGABYTES = 400
"""The most memory that the bot's process may take; the engine's is not counted."""

_SETTINGS = {
    "KV_CACHE_GIGABYTES": "0.1",
    "MAX_NEW_TOKENS": str(LONGEST_OF_MANY),
    "MAX_PROMPT_TOKENS": "1000",
}
_POLL_SECONDS = 0.2
_DOUBLES_SHOW_SECONDS = 0.5
_MOST_EXAMPLES = 5


class BotNotReadyError(Exception):
    """The bot did not answer even before the first fault; the text is one line."""


class Stretch:
    """A bot, its loopback Discord, and the people there; use it as an asynchronous context manager.

    Args:
        memory: the bot's setting `MEMORY`.
        folder: does not exist yet.
    """

    def __init__(self, model_dir: Path, folder: Path, memory: str, scale: Scale) -> None:
        self._model_dir = model_dir
        self._folder = folder
        self._settings = {**_SETTINGS, "MEMORY": memory}
        self._scale = scale
        self._exits = AsyncExitStack()
        self._replies = Replies()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as exits:
            # Before the Discord: the bot's process must have ended when its disk goes.
            self._disk = exits.enter_context(small_disk_at(self._folder / "data"))
            self._discord = await exits.enter_async_context(LoopbackDiscord())
            self._bot = BotProcess(self._discord, self._model_dir, self._folder, self._settings)
            listener = Listener(self._discord, self._replies)
            exits.push_async_callback(listener.close)
            await self._bot.start()
            exits.push_async_callback(self._bot.kill)
            self._watch = MemoryWatch(self._bot)
            exits.push_async_callback(self._watch.close)
            self._log = LogReader(self._bot.log)
            self._people = People(self._discord, self._replies, self._scale)
            try:
                await self._people.ask_everywhere()
            except TimeoutError as error:
                raise BotNotReadyError(f"before the first fault: {error}; see {self._bot.log}") from error
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def run(self, plan: RoundPlan) -> RoundResult:
        """Run a round: people ask, faults strike, the bot catches up, and all is judged."""
        result = RoundResult(plan)
        first_call, first_id = len(self._discord.calls), max(self._replies.messages)
        self._log.read_new()
        self._watch.restart()
        striker = Striker(self._discord, self._bot, self._disk)
        asked = asyncio.create_task(self._people.ask_all(plan.seed, plan.asks))
        try:
            await striker.strike_all(plan)
            questions = await asked
        finally:
            asked.cancel()
        if self._people.has_lost_events:
            await self._discord.invalidate_session()
            self._people.has_lost_events = False
        result.settle_seconds = await self._settle(questions)
        if self._bot.ended:
            striker.process_errors.append("the bot exited by itself")
        result.count_calls(self._discord.calls[first_call:])
        result.peak_megabytes = self._watch.peak_megabytes
        result.problems += striker.process_errors
        self._judge(questions, first_id, result)
        return result

    async def _settle(self, questions: Sequence[Question]) -> float | None:
        """Wait until everybody is answered or told; return when the bot's last message or edit came, from now."""
        began = time.monotonic()
        settled = asyncio.create_task(self._until_settled(questions, began))
        exited = asyncio.create_task(self._bot.wait())
        await asyncio.wait([settled, exited], return_when=asyncio.FIRST_COMPLETED)
        for task in (settled, exited):
            task.cancel()
        await asyncio.wait([settled, exited])
        if settled.cancelled() or settled.exception() is not None:
            return None
        return max(0.0, self._replies.changed_at - began)

    async def _until_settled(self, questions: Sequence[Question], began: float) -> None:
        """Wait for Discord first, then for the bot's database: between two messages an answer looks complete.

        Raises:
            TimeoutError: nothing has changed on Discord for too long.
        """
        waiting = list(questions)
        ids = {each.id for each in questions}

        def is_shown() -> bool:
            while waiting and is_settled(waiting[-1], self._replies):
                waiting.pop()
            return not waiting

        def is_stored() -> bool:
            return ids.isdisjoint(unfinished_questions(self._bot.database))

        while not (is_shown() and is_stored()):
            if time.monotonic() - max(began, self._replies.changed_at) > self._scale.patience_seconds:
                raise TimeoutError
            await asyncio.sleep(_POLL_SECONDS)
        await asyncio.sleep(_DOUBLES_SHOW_SECONDS)

    def _judge(self, questions: Sequence[Question], first_id: int, result: RoundResult) -> None:
        memory = StoredMemory.read(self._bot.database)
        result.questions = len(questions)
        result.answered = sum(is_answered(each, memory) for each in questions)
        result.told = sum(is_settled(each, self._replies) and not is_answered(each, memory) for each in questions)
        mistakes = list(judge_round(questions, self._replies, memory, first_id))
        result.problems += [f"{mistake}: {line}" for mistake, line in mistakes[:_MOST_EXAMPLES]]
        if len(mistakes) > _MOST_EXAMPLES:
            result.problems.append(f"and {len(mistakes) - _MOST_EXAMPLES} more of the kind")
        log = self._log.read_new()
        result.problems += [f"traceback: {line}" for line in dict.fromkeys(tracebacks(log))]
        if result.own_429 > MOST_OWN_429:
            result.problems.append(f"Discord's limits refused {result.own_429} requests")
        if result.peak_megabytes > MOST_MEGABYTES:
            result.problems.append(f"the bot's process took {result.peak_megabytes:.0f} MB")
        if result.problems:
            self._keep_evidence(result.plan.seed, log)

    def _keep_evidence(self, seed: int, log: str) -> None:
        """Keep the round's log, and the database, whose disk may be gone at the end."""
        (self._folder / f"seed-{seed}.log").write_text(log)
        with closing(sqlite3.connect(self._bot.database)) as connection:
            connection.execute("VACUUM INTO ?", (str(self._folder / f"seed-{seed}.sqlite3"),))
