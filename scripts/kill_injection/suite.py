"""The whole run: a bot that is asked all the time, and killed round after round."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from bot.demo.loopback import LoopbackDiscord
from kill_injection.bot_process import BotProcess
from kill_injection.kills import Round, plan_rounds
from kill_injection.memory_file import MemoryFile
from kill_injection.people import People
from kill_injection.replies import Listener, Replies, Shown
from kill_injection.report import Report
from kill_injection.verdict import judge_mention, judge_rest

_PATIENCE_SECONDS = 180.0
_MOST_EXAMPLES = 20


class KillSuite:
    """Runs the suite once, in a running event loop.

    Args:
        model_dir: what the bot answers with; see `write_wordy_model`.
        folder: an empty folder for what the bot keeps and logs.
        rounds: how often the bot is killed.
        seed: decides what is drawn at random.
        say: called with a line about each round.
    """

    def __init__(self, model_dir: Path, folder: Path, *, rounds: int, seed: int, say: Callable[[str], None]) -> None:
        self._model_dir = model_dir
        self._folder = folder
        self._draw = random.Random(seed)  # noqa: S311 - load, no secret
        self._plan = plan_rounds(rounds, self._draw)
        self._say = say
        self._replies = Replies()
        self._half_written: set[tuple[int, int]] = set()
        self._report = Report(rounds_planned=rounds)

    async def run(self) -> Report:
        """Run all rounds, let the bot finish, and judge what it said and kept.

        Raises:
            TimeoutError: the bot does not answer even before the first kill; its log says why.
        """
        began = time.monotonic()
        async with LoopbackDiscord() as discord:
            self._discord = discord
            self._listener = Listener(discord, self._replies)
            self._people = People(discord, self._replies, self._draw)
            self._bot = BotProcess(discord, self._model_dir, self._folder)
            await self._bot.start()
            try:
                await self._people.find_places()
                self._people.come()
                for number, planned in enumerate(self._plan, 1):
                    await self._run_round(number, planned)
                await self._people.leave()
                await self._let_finish()
            finally:
                await self._bot.kill()
                await self._listener.close()
            self._judge()
        self._report.seconds = time.monotonic() - began
        return self._report

    async def _run_round(self, number: int, planned: Round) -> None:
        catching_up = asyncio.create_task(self._catch_up())
        try:
            await planned.wait(self._discord, self._listener)
        finally:
            catching_up.cancel()
        if self._bot.ended:
            self._report.troubles.append(f"round {number}: the bot had ended by itself")
        growing = [each for each in self._replies.shown.values() if each.has_button]
        self._half_written |= {(each.question_id, each.id) for each in growing if each.question_id is not None}
        left_behind = await self._bot.kill()
        if left_behind:
            self._report.troubles.append(f"round {number}: processes were left behind: {left_behind}")
        self._report.kills[planned.phase] += 1
        owed, asked = len(self._people.owed()), len(self._people.mentions)
        self._say(f"round {number:3} of {len(self._plan)}: {planned.phase:10} {owed:2} answers owed of {asked}")
        await asyncio.sleep(planned.away_seconds)
        await self._bot.start()

    async def _catch_up(self) -> None:
        owed = [each.id for each in self._people.owed()]
        if owed:
            await self._discord.wait_for(lambda: all(map(self._replies.is_whole, owed)), _PATIENCE_SECONDS)
            self._report.catch_up_seconds.append(time.monotonic() - self._bot.started_at)

    async def _let_finish(self) -> None:
        catching_up = asyncio.create_task(self._catch_up())
        try:
            await self._discord.wait_for(self._is_finished, _PATIENCE_SECONDS, what="the last answers")
            await catching_up
            code = await self._bot.terminate(_PATIENCE_SECONDS)
            if code != 0:
                self._report.troubles.append(f"the bot ended with exit code {code}")
        except TimeoutError as error:
            self._report.troubles.append(str(error) or "the bot did not end when it was told to")
        finally:
            catching_up.cancel()

    def _is_finished(self) -> bool:
        return not self._people.owed() and not any(each.has_button for each in self._judged_replies())

    def _judged_replies(self) -> list[Shown]:
        stable = {place.channel_id for place in self._people.places if place.is_stable}
        return [each for each in self._replies.shown.values() if each.channel_id in stable]

    def _judge(self) -> None:
        report, mentions, memory = self._report, self._people.mentions, MemoryFile.read(self._bot.database)
        report.mentions = len(mentions)
        report.edited = sum(len(each.texts) > 1 for each in mentions)
        report.deleted = sum(each.is_deleted for each in mentions)
        report.missed = sum(each.is_missed for each in mentions)
        kept = {each.id: each for each in mentions if not each.is_deleted}
        for question_id, message_id in self._half_written:
            report.half_written += question_id in kept
            replies = [each.id for each in self._replies.to(question_id)]
            report.taken_up += question_id in kept and replies == [message_id] and self._replies.is_whole(question_id)
        found = [(judge_mention(each, self._replies, memory), str(each)) for each in kept.values()]
        found += judge_rest(mentions, self._people.places, self._replies, memory)
        for mistake, line in found:
            if mistake is not None:
                report.mistakes[mistake] += 1
                report.examples.append(f"{mistake}: {line}")
        del report.examples[_MOST_EXAMPLES:]
