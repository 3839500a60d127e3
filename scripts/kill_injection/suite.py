"""The whole run: a bot that is asked all the time and killed in every round."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

from separate_bot.bot_process import BotProcess
from separate_bot.replies import BotMessage, Listener, Replies
from separate_bot.stored_memory import StoredMemory
from separate_bot.verdict import Mistake, judge_answer
from tiny_models.wordy import ANSWER_TOKENS

from bot.demo.loopback import LoopbackDiscord
from kill_injection.exactness import EXACT, compare_answers
from kill_injection.kills import Round, plan_rounds
from kill_injection.members import Members
from kill_injection.report import Report
from kill_injection.verdict import judge_rest

SETTINGS = {
    "DRAIN_SECONDS": "60",
    "KV_CACHE_GIGABYTES": "0.1",
    "COMPACTION": "off",  # every answer is compared with what its turns alone lead to
    "KV_DISK_GIGABYTES": "1",
    "MAX_NEW_TOKENS": str(ANSWER_TOKENS),
    "MAX_PROMPT_TOKENS": "1000",
    "MAX_WAITING": "256",
    "MAX_WAITING_PER_PERSON": "256",
    "TEMPERATURE": "1",
    **EXACT,
}
"""Of the bot."""

_PATIENCE_SECONDS = 180.0
_MOST_EXAMPLES = 20


class KillSuite:
    """Runs the suite once.

    Args:
        model_dir: see `write_wordy_model`.
        folder: an empty folder for the bot's data and log.
        seed: decides everything that is drawn at random.
        say: called with one line for each round.
    """

    def __init__(self, model_dir: Path, folder: Path, *, rounds: int, seed: int, say: Callable[[str], None]) -> None:
        self._model_dir = model_dir
        self._folder = folder
        self._draw = random.Random(seed)  # noqa: S311 - load, no secret
        self._plan = plan_rounds(rounds, self._draw)
        self._say = say
        self._replies = Replies()
        self._unfinished: set[tuple[int, int]] = set()
        self._report = Report(rounds_planned=rounds)

    async def run(self) -> Report:
        """Run all rounds, let the bot finish, and judge its messages, its memory and its tokens.

        Raises:
            TimeoutError: the bot does not answer even before the first kill; its log says why.
        """
        began = time.monotonic()
        async with LoopbackDiscord() as discord:
            self._discord = discord
            self._listener = Listener(discord, self._replies)
            self._members = Members(discord, self._replies, self._draw)
            self._bot = BotProcess(discord, self._model_dir, self._folder, SETTINGS)
            await self._bot.start()
            try:
                await self._members.ask_everywhere()
                self._members.start()
                for number, planned in enumerate(self._plan, 1):
                    await self._run_round(number, planned)
                await self._members.stop()
                await self._let_finish()
            finally:
                await self._bot.kill()
                await self._listener.close()
            self._judge()
        await self._compare()
        self._report.seconds = time.monotonic() - began
        return self._report

    async def _run_round(self, number: int, planned: Round) -> None:
        catch_up = asyncio.create_task(self._catch_up())
        try:
            await planned.wait(self._discord, self._listener)
        finally:
            catch_up.cancel()
        if self._bot.ended:
            self._report.process_errors.append(f"round {number}: the bot had exited by itself")
        growing = [each for each in self._replies.messages.values() if each.has_button]
        self._unfinished |= {(each.question_id, each.id) for each in growing if each.question_id is not None}
        left_behind = await self._bot.kill()
        if left_behind:
            self._report.process_errors.append(f"round {number}: processes were left behind: {left_behind}")
        self._report.kills[planned.phase] += 1
        progress = f"{len(self._members.unanswered()):2} of {len(self._members.questions)} questions unanswered"
        self._say(f"round {number:3} of {len(self._plan)}: {planned.phase:10} {progress}")
        await asyncio.sleep(planned.downtime_seconds)
        await self._bot.start()

    async def _catch_up(self) -> None:
        due = [each.id for each in self._members.unanswered()]
        if due:
            await self._discord.wait_for(lambda: all(map(self._replies.is_whole, due)), _PATIENCE_SECONDS)
            self._report.catch_up_seconds.append(time.monotonic() - self._bot.started_at)

    async def _let_finish(self) -> None:
        catch_up = asyncio.create_task(self._catch_up())
        try:
            await self._discord.wait_for(self._is_finished, _PATIENCE_SECONDS, what="the last answers")
            await catch_up
            code = await self._bot.terminate(_PATIENCE_SECONDS)
            if code != 0:
                self._report.process_errors.append(f"the bot ended with exit code {code}")
        except TimeoutError as error:
            self._report.process_errors.append(str(error) or "the bot did not stop on SIGTERM")
        finally:
            catch_up.cancel()

    def _is_finished(self) -> bool:
        return not self._members.unanswered() and not any(each.has_button for each in self._judged_replies())

    def _judged_replies(self) -> list[BotMessage]:
        stable = {channel.id for channel in self._members.channels if channel.is_stable}
        return [each for each in self._replies.messages.values() if each.channel_id in stable]

    def _judge(self) -> None:
        report, questions, memory = self._report, self._members.questions, StoredMemory.read(self._bot.database)
        report.questions = len(questions)
        report.edited = sum(len(each.texts) > 1 for each in questions)
        report.deleted = sum(each.is_deleted for each in questions)
        report.missed = sum(each.is_missed for each in questions)
        kept = {each.id: each for each in questions if not each.is_deleted}
        for question_id, message_id in self._unfinished:
            report.unfinished += question_id in kept
            replies = [each.id for each in self._replies.to(question_id)]
            report.resumed += question_id in kept and replies == [message_id] and self._replies.is_whole(question_id)
        found = [(judge_answer(each, self._replies, memory), str(each)) for each in kept.values()]
        found += judge_rest(questions, self._members.channels, self._replies, memory)
        for mistake, line in found:
            if mistake is not None:
                report.mistakes[mistake] += 1
                report.examples.append(f"{mistake}: {line}")
        del report.examples[_MOST_EXAMPLES:]

    async def _compare(self) -> None:
        """Compare answers that came from a cache, also after a kill, with those without any."""
        self._say("comparing answers with those without any cache")
        edited = {each.id for each in self._members.questions if len(each.texts) > 1}
        comparison = await compare_answers(self._model_dir, self._bot.database, SETTINGS, edited, self._draw)
        self._report.compared = comparison.compared
        for question_id in comparison.others:
            self._report.mistakes[Mistake.OTHER_TOKENS] += 1
            self._report.examples.append(f"{Mistake.OTHER_TOKENS}: question {question_id}")
