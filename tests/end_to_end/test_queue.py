"""One answer at a time: the others stand in line and see it, and a question that is taken back needs no answer."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
import pytest_asyncio

from bot.answering.service import AnswerService
from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord, Person
from bot.demo.running_bot import running_bot
from tests.end_to_end.stage import Stage, answer_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = "Repeat the word hello a thousand times."
WAITING = "I am answering other questions right now. "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that answers one question at a time, and lets two wait, one of each person."""
    async with (
        LoopbackDiscord() as discord,
        running_bot(
            discord,
            small_model_dir,
            Progress(io.StringIO()),
            kv_cache_gigabytes=0.5,
            max_batch=1,
            max_waiting=2,
            max_waiting_per_person=1,
            max_new_tokens=2000,
        ) as bot,
    ):
        yield Stage(discord, bot)


def answering(stage: Stage) -> AnswerService:
    return stage.bot.application.answering


class Asked:
    """A question in a channel of its own."""

    def __init__(self, stage: Stage, person: Person, channel: int, question: int) -> None:
        self.stage = stage
        self.person = person
        self.channel = channel
        self.question = question

    @property
    def text(self) -> str:
        """What the person sees in reply."""
        return "\n".join(each["content"] for each in self.stage.replies(self.person, self.channel, self.question))

    async def shows(self, text: str) -> None:
        await self.stage.discord.wait_for(lambda: text in self.text, 120, what=f"a reply with {text!r}")

    async def streams(self) -> None:
        """Wait until an answer is there that grows."""
        await self.stage.discord.wait_for(lambda: self.text and WAITING not in self.text, 120, what="an answer")

    async def take_back(self) -> None:
        await self.stage.discord.delete(self.person.id, self.channel, self.question)

    async def stop(self) -> None:
        """End the answer, and wait until it has been delivered."""
        running = self.stage.bot.application.client.running_replies.get(self.question)
        assert running is not None, "the answer ended by itself"
        running.answer.stop()
        await self.stage.answer(self.person, self.channel, self.question)

    async def remembered(self) -> list[str]:
        """The answers that later prompts hold."""
        return [answer_of(turn).content for turn in await self.stage.remembered(self.channel)]


async def ask(stage: Stage, person: Person, text: str = ENDLESS) -> Asked:
    channel = await stage.fresh_channel(f"for {person.name}")
    await stage.discord.send(person.id, channel, "Let me ask here.")  # joins the thread
    return Asked(stage, person, channel, await stage.mention(person, channel, text))


async def test_who_waits_sees_the_place_and_then_the_answer(stage: Stage) -> None:
    ada, grace, linus = stage.discord.people
    first = await ask(stage, ada)
    await first.streams()
    second = await ask(stage, grace)
    await second.shows(f"{WAITING}Yours is next.")
    third = await ask(stage, linus, "What is the capital of France?")
    await third.shows(f"{WAITING}1 question comes before yours.")

    await first.stop()
    await third.shows(f"{WAITING}Yours is next.")
    await second.streams()
    await second.stop()

    [reply] = await stage.answer(linus, third.channel, third.question)
    assert "Paris" in reply["content"]
    assert WAITING not in first.text + second.text + third.text
    assert [second.text] == [f"{answer}\n-# Stopped." for answer in await second.remembered()]


async def test_too_many_questions_get_a_friendly_line_and_nothing_is_lost(stage: Stage) -> None:
    ada, grace, linus = stage.discord.people
    running = await ask(stage, ada)
    await running.streams()
    waiting = await ask(stage, ada, "What is the capital of France?")
    await waiting.shows(WAITING)

    too_many = await ask(stage, ada)
    await too_many.shows("You already have 1 question in the queue. Wait for an answer, then ask again.")
    also_waiting = await ask(stage, grace, "What is the capital of France?")
    await also_waiting.shows(WAITING)
    full = await ask(stage, linus)
    await full.shows("My queue is full with 2 questions. Ask again in a few minutes.")

    assert answering(stage).queue.waiting == 2
    await running.stop()
    for each in (waiting, also_waiting):
        await stage.answer(each.person, each.channel, each.question)
        assert "Paris" in each.text
    assert await too_many.remembered() == await full.remembered() == []


async def test_a_question_taken_back_ends_its_answer_with_what_was_said(stage: Stage) -> None:
    asked = await ask(stage, stage.ada)
    await asked.streams()
    seen = asked.text

    await asked.take_back()
    await stage.answer(asked.person, asked.channel, asked.question)

    assert asked.text.startswith(seen[:20])
    assert asked.text.endswith("\n-# Stopped.")
    assert await asked.remembered() == [], "what was asked is gone, and what was answered with it"
    assert answering(stage).queue.idle


async def test_a_question_taken_back_while_it_waits_is_never_answered(stage: Stage) -> None:
    running = await ask(stage, stage.ada)
    await running.streams()
    waiting = await ask(stage, stage.grace)
    await waiting.shows(WAITING)

    await waiting.take_back()
    await stage.answer(waiting.person, waiting.channel, waiting.question)

    assert waiting.text == "Stopped."
    assert await waiting.remembered() == []
    assert (answering(stage).queue.running, answering(stage).queue.waiting) == (1, 0)
    await running.stop()


async def test_questions_deleted_together_end_together(stage: Stage) -> None:
    running = await ask(stage, stage.ada)
    await running.streams()
    also = await stage.mention(stage.grace, running.channel, ENDLESS)
    waiting = Asked(stage, stage.grace, running.channel, also)
    await waiting.shows(WAITING)

    # A moderator's bot does that; here it is this one.
    stage.discord.set_permissions(stage.discord.bot.id, stage.discord.channels[0].id, allow=["manage_messages"])
    channel = await stage.bot.application.client.fetch_channel(running.channel)
    assert isinstance(channel, discord.Thread)
    await channel.delete_messages([discord.Object(running.question), discord.Object(waiting.question)])

    for each in (running, waiting):
        await stage.answer(each.person, each.channel, each.question)
        assert each.text.endswith("Stopped.")
    assert await running.remembered() == []
    assert answering(stage).queue.idle
