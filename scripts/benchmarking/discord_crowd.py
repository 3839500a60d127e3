"""Crowds that ask the bot on a loopback Discord with Discord's limits; the bot runs in its own process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from separate_bot.bot_process import BotProcess
from separate_bot.replies import BotMessage, Listener, Replies
from separate_bot.stored_memory import StoredMemory, unfinished_questions
from separate_bot.verdict import is_settled, judge_answer
from separate_bot.watch import LogReader, MemoryWatch, tracebacks

from benchmarking.discord_crowd_figures import Sight, is_note, lateness, read_generations, shown_answers, waits
from benchmarking.measures import Figures
from benchmarking.plan import Plan
from benchmarking.prompts import QUESTIONS
from bot.demo.loopback import LoopbackDiscord
from bot.model.folder import ModelFolder

_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.5
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Crowd:
    """People who ask once each.

    Attributes:
        memory: the bot's setting `MEMORY`.
        answer: upper bound for each answer in tokens.
        seconds: in which all of them ask.
        settings: others of the bot, by their names in `.env`.
    """

    name: str
    people: int
    channels: int
    memory: str
    answer: int
    seconds: float
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Question:
    id: int
    channel_id: int
    author_id: int
    texts: tuple[str, ...]
    asked_at: float


async def discord_crowds(folder: ModelFolder, plan: Plan, parent: Path, say: Callable[[str], None]) -> Figures:
    """Measure each crowd of the plan with a bot of its own.

    Args:
        folder: the model that answers.
        parent: an existing folder for the bots' data, which is deleted in the end.
        say: called with a line of progress.

    Returns:
        the figures by the crowd's name.
    """
    figures: Figures = {}
    with TemporaryDirectory(dir=parent) as name:
        for number, crowd in enumerate(_crowds(plan)):
            say(crowd.name)
            figures[crowd.name] = await measure_crowd(crowd, folder.path, Path(name, str(number)))
    return figures


def _crowds(plan: Plan) -> Iterator[Crowd]:
    (separate, shared), answer, seconds = plan.discord_channel, plan.discord_answer, plan.discord_seconds
    yield Crowd(f"{separate} people in one channel, `MEMORY=user`", separate, 1, "user", answer, seconds)
    yield Crowd(f"{shared} people in one channel, `MEMORY=channel`", shared, 1, "channel", answer, seconds)
    for people in plan.discord_crowds:
        name = f"{people:,} people in {plan.discord_channels} channels"
        yield Crowd(name, people, plan.discord_channels, "user", answer, seconds)


async def measure_crowd(crowd: Crowd, model_dir: Path, data: Path) -> Figures:
    """Measure one crowd with a bot of its own, whose data go to the folder `data`."""
    settings = {"MEMORY": crowd.memory, "MAX_NEW_TOKENS": str(crowd.answer), **crowd.settings}
    async with LoopbackDiscord() as discord:
        bot = BotProcess(discord, model_dir, data, settings)
        replies = Replies()
        listener = Listener(discord, replies)
        await bot.start()
        watch = MemoryWatch(bot)
        try:
            run = _CrowdRun(discord, bot, replies, listener)
            return await run.measure(crowd) | {"peak_megabytes": watch.peak_megabytes}
        finally:
            await watch.close()
            await bot.kill()
            await listener.close()


class _CrowdRun:
    def __init__(self, discord: LoopbackDiscord, bot: BotProcess, replies: Replies, listener: Listener) -> None:
        self._discord = discord
        self._bot = bot
        self._replies = replies
        self._log = LogReader(bot.log)
        self._sights: list[Sight] = []
        listener.watch(self._see)

    async def measure(self, crowd: Crowd) -> Figures:
        await self._discord.wait_for(lambda: self._discord.bot_online, _PATIENCE_SECONDS, what="the bot")
        # The first answer of a process is slower.
        first = await self._ask(self._discord.people[0].id, self._discord.channels[0].id, 0)
        await self._until_settled([first])
        self._log.read_new()
        self._sights.clear()
        first_call, began = len(self._discord.calls), time.time()
        questions = await self._ask_all(crowd)
        with suppress(TimeoutError):  # whoever is never told shows in the figures
            await self._until_settled(questions)
        return self._figures(questions, began, first_call)

    def _see(self, message: BotMessage, is_new: bool) -> None:
        self._sights.append(Sight(time.time(), message, is_new))

    async def _ask_all(self, crowd: Crowd) -> list[_Question]:
        channels = [self._discord.add_channel(f"crowd-{number}").id for number in range(crowd.channels)]
        people = [self._discord.add_person(f"Person {number}").id for number in range(crowd.people)]
        began = time.monotonic()
        asked = []
        for number, person_id in enumerate(people):
            await asyncio.sleep(began + number * crowd.seconds / crowd.people - time.monotonic())
            asked.append(await self._ask(person_id, channels[number % len(channels)], number))
        return asked

    async def _ask(self, person_id: int, channel_id: int, number: int) -> _Question:
        text = QUESTIONS[number % len(QUESTIONS)]
        asked_at = time.time()
        message_id = await self._discord.send(person_id, channel_id, f"<@{self._discord.bot.id}> {text}")
        return _Question(message_id, channel_id, person_id, (text,), asked_at)

    async def _until_settled(self, questions: list[_Question]) -> None:
        """Wait for Discord, then for the database: between two messages an answer looks complete."""
        ids = {each.id for each in questions}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self._discord.wait_for(
                lambda: all(is_settled(each, self._replies) for each in questions), _PATIENCE_SECONDS
            )
            while not ids.isdisjoint(unfinished_questions(self._bot.database)):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(_POLL_SECONDS)

    def _figures(self, questions: list[_Question], began: float, first_call: int) -> Figures:
        memory, log = StoredMemory.read(self._bot.database), self._log.read_new()
        kept = [each for each in questions if each.id in memory.turns]
        whole = [each for each in kept if judge_answer(each, self._replies, memory) is None]
        refused = [each for each in questions if each.id not in memory.turns]
        told = [each for each in refused if is_settled(each, self._replies)]
        answers = {each.id: memory.turns[each.id].answer for each in kept}
        generations = read_generations(log)
        shown = shown_answers(self._sights, answers, memory.replies, generations)
        calls = self._discord.calls[first_call:]
        counts = Counter(str(call.kind) for call in calls)
        question_of = {message_id: each.id for each in kept for message_id in memory.replies.get(each.id, ())}
        edits = [each.message for each in self._sights if not each.is_new]
        notes = sum(is_note(each, answers.get(question_of.get(each.id, 0), "")) for each in edits)
        ends = [each.generation.ended_at for each in shown if each.generation is not None]
        return {
            "questions": len(questions),
            "answered": len(whole),
            "told": len(told),
            "never_told": len(refused) - len(told),
            "half": len(kept) - len(whole),
            **({"generated_seconds": max(ends) - began} if ends else {}),
            "settled_seconds": max(each.at for each in self._sights) - began,
            "waits": waits({each.id: each.asked_at for each in questions}, shown),
            "lateness": lateness(shown),
            "calls": {name: counts[name] for name in ("send", "edit", "delete", "typing", "history")},
            "text_edits": len(edits) - notes,
            "note_edits": notes,
            "refused_429": sum(call.status == _TOO_MANY for call in calls),
            "tracebacks": len(tracebacks(log)),
        }
