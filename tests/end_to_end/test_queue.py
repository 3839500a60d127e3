"""One answer at a time: the other askers wait in the queue and see their position; a deleted question leaves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import discord
import pytest
import pytest_asyncio

from bot.answering.service import AnswerService
from bot.demo.loopback import Person
from tests.end_to_end.stage import ENDLESS, Stage, answer_of, online

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAITING = "I am answering other questions right now. "
WAITING_FOR_OWN = "I am still answering your other question."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that answers one question at a time; two may wait, one for each member."""
    async with online(
        small_model_dir, max_batch=1, max_waiting=2, max_waiting_per_person=1, max_new_tokens=2000
    ) as stage:
        yield stage


def answering(stage: Stage) -> AnswerService:
    return stage.bot.application.answering


class AskedQuestion:
    """A question and its reply, in a thread of its own."""

    def __init__(self, stage: Stage, person: Person, channel: int, question: int) -> None:
        self.stage = stage
        self.person = person
        self.channel = channel
        self.question = question

    @property
    def text(self) -> str:
        """The reply as the asker sees it."""
        return "\n".join(each["content"] for each in self.stage.replies(self.person, self.channel, self.question))

    async def shows(self, text: str) -> None:
        await self.stage.discord.wait_for(lambda: text in self.text, 120, what=f"a reply with {text!r}")

    async def streams(self) -> None:
        """Wait until the answer is streaming."""
        await self.stage.discord.wait_for(lambda: self.text and WAITING not in self.text, 120, what="an answer")

    async def delete(self) -> None:
        await self.stage.discord.delete(self.person.id, self.channel, self.question)

    async def stop(self) -> None:
        """Stop the answer and wait until it has been delivered."""
        running = self.stage.bot.application.client.running_replies.get(self.question)
        assert running is not None, "the answer has ended by itself"
        running.answer.stop()
        await self.stage.answer(self.person, self.channel, self.question)

    async def remembered(self) -> list[str]:
        """Return the answers in the next prompt."""
        return [answer_of(turn).content for turn in await self.stage.remembered(self.channel)]


async def ask(stage: Stage, person: Person, text: str = ENDLESS) -> AskedQuestion:
    channel = await stage.fresh_channel(f"for {person.name}")
    await stage.discord.send(person.id, channel, "Let me ask here.")  # joins the thread
    return AskedQuestion(stage, person, channel, await stage.mention(person, channel, text))


async def test_a_waiting_asker_sees_the_position_and_then_the_answer(stage: Stage) -> None:
    ada, grace, linus = stage.discord.people
    first = await ask(stage, ada)
    await first.streams()
    second = await ask(stage, grace)
    await second.shows(f"{WAITING}Yours is next")
    third = await ask(stage, linus, "What is the capital of France?")
    await third.shows(f"{WAITING}1 question comes before yours")

    await first.stop()
    await third.shows(f"{WAITING}Yours is next (about ")
    await second.streams()
    await second.stop()

    [reply] = await stage.answer(linus, third.channel, third.question)
    assert "Paris" in reply["content"]
    assert WAITING not in first.text + second.text + third.text
    [answer] = await second.remembered()
    # It may have taken several messages, which are cut at white space.
    assert second.text.split() == f"{answer}\n-# Stopped.".split()


async def test_questions_beyond_the_limits_are_refused_and_the_others_answered(stage: Stage) -> None:
    ada, grace, linus = stage.discord.people
    running = await ask(stage, ada)
    await running.streams()
    waiting = await ask(stage, ada, "What is the capital of France?")
    await waiting.shows(WAITING_FOR_OWN)

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


async def test_deleting_a_question_takes_its_answer_back(stage: Stage) -> None:
    asked = await ask(stage, stage.ada)
    await asked.streams()

    await asked.delete()
    await stage.answer(asked.person, asked.channel, asked.question)

    assert asked.text == ""
    assert await asked.remembered() == [], "the answer is deleted with its question"
    assert answering(stage).queue.idle


async def test_a_question_deleted_while_it_waits_is_never_answered(stage: Stage) -> None:
    running = await ask(stage, stage.ada)
    await running.streams()
    waiting = await ask(stage, stage.grace)
    await waiting.shows(WAITING)

    await waiting.delete()
    await stage.answer(waiting.person, waiting.channel, waiting.question)

    assert waiting.text == ""
    assert await waiting.remembered() == []
    assert (answering(stage).queue.running, answering(stage).queue.waiting) == (1, 0)
    await running.stop()


async def test_whoever_waits_for_an_own_answer_is_told_so(stage: Stage) -> None:
    running = await ask(stage, stage.ada)
    await running.streams()
    question = await stage.mention(stage.ada, running.channel, "What is the capital of France?")
    waiting = AskedQuestion(stage, stage.ada, running.channel, question)
    await waiting.shows(f"{WAITING_FOR_OWN} This one is next (about ")
    await running.stop()
    await stage.answer(waiting.person, waiting.channel, waiting.question)


async def test_questions_deleted_in_bulk_disappear_together(stage: Stage) -> None:
    running = await ask(stage, stage.ada)
    await running.streams()
    also = await stage.mention(stage.grace, running.channel, ENDLESS)
    waiting = AskedQuestion(stage, stage.grace, running.channel, also)
    await waiting.shows(WAITING)

    # Only bots can delete in bulk, so this one does.
    stage.discord.set_permissions(stage.discord.bot.id, stage.discord.channels[0].id, allow=["manage_messages"])
    channel = await stage.bot.application.client.fetch_channel(running.channel)
    assert isinstance(channel, discord.Thread)
    await channel.delete_messages([discord.Object(running.question), discord.Object(waiting.question)])

    for each in (running, waiting):
        await stage.answer(each.person, each.channel, each.question)
        assert each.text == ""
    assert await running.remembered() == []
    assert answering(stage).queue.idle
