"""Messages in quick succession gather until their author pauses."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import discord
import pytest
import pytest_asyncio

from bot.conversation.snowflake import snowflake_at
from bot.discord_client.incoming.burst import QUIET_SECONDS, Bursts, in_bursts
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

START = datetime(2026, 1, 1, tzinfo=UTC)


class Gathering:
    """Bursts whose pauses end when the test says so."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.pauses: list[tuple[float, asyncio.Event]] = []
        self.ready, self.answered = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.bursts = Bursts(self._take, self._wait_until_ready, self._pause)

    def add(self, *messages: discord.Message) -> None:
        for message in messages:
            self.bursts.add(message)

    async def pause_ends(self, number: int = -1) -> float:
        """End a pause, by default the latest one, and return how long it was to be."""
        await _settle()
        seconds, over = self.pauses[number]
        over.set()
        await _settle()
        return seconds

    async def _take(self, messages: Sequence[discord.Message]) -> None:
        self.taken.append([message.content for message in messages])
        await self.answered.wait()

    async def _wait_until_ready(self, _channel_id: int) -> None:
        await self.ready.wait()

    async def _pause(self, seconds: float) -> None:
        over = asyncio.Event()
        self.pauses.append((seconds, over))
        await over.wait()


@pytest_asyncio.fixture(loop_scope="session")
async def gathering() -> AsyncIterator[Gathering]:
    made = Gathering()
    yield made
    made.bursts.close()
    await _settle()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def said(stage: Stage, *texts: str, by: str = "Grace") -> list[discord.Message]:
    """Messages as a client with the message-content intent receives them."""
    messages = []
    for text in texts:
        message = await stage.say(text, by=by)
        message.content = text
        messages.append(message)
    return messages


async def test_one_members_messages_are_taken_together_once_they_pause(stage: Stage, gathering: Gathering) -> None:
    first, second, third = await said(stage, "one", "two", "three")
    gathering.add(first, second)
    assert await gathering.pause_ends() == QUIET_SECONDS
    gathering.add(third)
    await gathering.pause_ends()
    assert gathering.taken == [["one", "two"], ["three"]]


async def test_each_message_begins_the_pause_anew(stage: Stage, gathering: Gathering) -> None:
    first, second = await said(stage, "one", "two")
    gathering.add(first)
    await _settle()
    gathering.add(second)
    await gathering.pause_ends(0)
    assert gathering.taken == []
    await gathering.pause_ends()
    assert gathering.taken == [["one", "two"]]


async def test_typing_is_waited_for_once_after_each_message(stage: Stage, gathering: Gathering) -> None:
    first, second = await said(stage, "one", "two")
    gathering.add(first)
    await _settle()
    for _ in range(3):
        gathering.bursts.note_typing(stage.channel, stage.person("Grace"))
        gathering.bursts.note_typing(stage.channel, stage.person("Ada"))
        await _settle()
    assert len(gathering.pauses) == 2
    gathering.add(second)
    gathering.bursts.note_typing(stage.channel, stage.person("Grace"))
    assert await gathering.pause_ends() > QUIET_SECONDS
    assert gathering.taken == [["one", "two"]]


async def test_whoever_pauses_first_is_taken_first(stage: Stage, gathering: Gathering) -> None:
    [graces], [adas] = await said(stage, "Grace"), await said(stage, "Ada", by="Ada")
    gathering.add(graces, adas)
    await gathering.pause_ends(1)
    await gathering.pause_ends(0)
    assert gathering.taken == [["Ada"], ["Grace"]]


async def test_a_reply_and_an_eleventh_message_begin_a_question_of_their_own(
    stage: Stage, gathering: Gathering
) -> None:
    texts = [str(number) for number in range(11)]
    messages = await said(stage, *texts)
    reply = await stage.say("reply", reply_to=messages[0].id)
    reply.content = "reply"
    [after] = await said(stage, "after")
    gathering.add(*messages, reply, after)
    await _settle()
    for number in range(len(gathering.pauses)):
        await gathering.pause_ends(number)
    expected = [texts[:10], texts[10:], ["reply", "after"]]
    assert gathering.taken == expected
    assert [[each.content for each in burst] for burst in in_bursts([*messages, reply, after])] == expected


async def test_a_message_reads_as_it_was_edited_and_a_deleted_one_is_left_out(
    stage: Stage, gathering: Gathering
) -> None:
    gathering.ready.clear()
    messages = await said(stage, "one", "two", "three")
    gathering.add(*messages)
    await gathering.pause_ends()
    edited = copy.copy(messages[0])
    edited.content = "ONE"
    gathering.add(edited)  # while earlier questions of the channel are recovered
    gathering.bursts.deleted([messages[2].id])
    gathering.ready.set()
    await _settle()
    assert gathering.taken == [["ONE", "two"]]


async def test_what_was_deleted_or_asks_no_more_is_not_taken(stage: Stage, gathering: Gathering) -> None:
    first, second = await said(stage, "one", "two")
    gathering.add(first, second)
    gathering.bursts.deleted([first.id])
    gathering.bursts.asks_no_more(second.id)
    await gathering.pause_ends()
    assert gathering.taken == []
    assert not gathering.bursts.holds(first.id)


async def test_the_rest_of_a_question_is_taken_only_while_it_is_being_answered(
    stage: Stage, gathering: Gathering
) -> None:
    first, second, third = await said(stage, "one", "two", "three")
    gathering.add(first, second, third)
    await gathering.pause_ends()
    gathering.bursts.deleted([first.id])  # the answer itself follows that
    gathering.bursts.deleted([third.id])
    await _settle()
    assert gathering.taken == [["one", "two", "three"], ["two"]]
    gathering.answered.set()
    await _settle()
    gathering.bursts.deleted([second.id])
    assert not gathering.bursts.holds(second.id)


def at(message: discord.Message, seconds: float) -> discord.Message:
    moved = copy.copy(message)
    moved.id = snowflake_at(START + timedelta(seconds=seconds))
    return moved


async def test_what_arrives_together_though_it_was_written_far_apart_is_two_questions(
    stage: Stage, gathering: Gathering
) -> None:
    first, second, third = await said(stage, "one", "two", "three")
    gathering.add(at(first, 0), at(second, 4), at(third, 60))  # as a connection brings them that is resumed
    await _settle()
    for number in range(len(gathering.pauses)):
        await gathering.pause_ends(number)
    assert gathering.taken == [["one", "two"], ["three"]]


async def test_missed_messages_are_grouped_by_their_times(stage: Stage) -> None:
    graces, adas = await said(stage, "a", "b", "c"), await said(stage, "x", by="Ada")
    missed = [at(graces[0], 0), at(adas[0], 1), at(graces[1], 2), at(graces[2], 2 + QUIET_SECONDS + 1)]
    assert [[each.content for each in burst] for burst in in_bursts(missed)] == [["x"], ["a", "b"], ["c"]]
