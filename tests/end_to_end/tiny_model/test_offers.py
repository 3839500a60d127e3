"""The buttons below an answer: another version, older versions, the rest, and deletion."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.answering.queue import QueueFullError
from bot.conversation.turn import ConversationKey
from tests.end_to_end.asking import ask
from tests.end_to_end.commands import forget, press, use
from tests.end_to_end.offers import answered, message_now, told, with_labels, with_version
from tests.end_to_end.stage import Stage, answer_of, labels, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

LEFT, RIGHT = "\N{BLACK LEFT-POINTING TRIANGLE}", "\N{BLACK RIGHT-POINTING TRIANGLE}"
ONE_OF_TWO = [LEFT, "1/2", RIGHT, "Regenerate", "Continue", "Delete"]
CUT = ["Regenerate", "Continue", "Delete"]
"""Below an answer that reached the longest length, as the tiny model's do."""


async def remembered_answer(stage: Stage, channel: int) -> str:
    [*_, turn] = await stage.remembered(channel)
    return answer_of(turn).content


async def prompt_of_next(stage: Stage, channel: int) -> str:
    return (await stage.next_prompt(channel, "And now?")).text


async def test_memory_holds_the_version_that_is_shown(stage: Stage) -> None:
    channel = await stage.fresh_channel("versions")
    _, message = await answered(stage, stage.grace, channel)
    assert labels(message) == CUT
    first = await remembered_answer(stage, channel)
    await press(stage, stage.grace, channel, message, "Regenerate")
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    second = await remembered_answer(stage, channel)
    assert second != first
    assert second in await prompt_of_next(stage, channel)
    assert first not in await prompt_of_next(stage, channel)
    assert message["content"].startswith(second.strip()[:20])

    await press(stage, stage.grace, channel, message, LEFT)
    message = await with_labels(stage, stage.grace, channel, message, *ONE_OF_TWO)
    assert message["content"].startswith(first.strip()[:20])
    assert first in await prompt_of_next(stage, channel)
    assert second not in await prompt_of_next(stage, channel)
    await press(stage, stage.grace, channel, message, RIGHT)
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    assert second in await prompt_of_next(stage, channel)
    assert len(stage.discord.messages(stage.ada.id, channel)) == 2, "versions share one message"


async def test_an_answer_goes_on_where_the_longest_length_ended_it(stage: Stage) -> None:
    channel = await stage.fresh_channel("continue")
    _, message = await answered(stage, stage.grace, channel)
    first = await remembered_answer(stage, channel)
    await press(stage, stage.grace, channel, message, "Continue")

    async def is_longer() -> bool:
        return len(await remembered_answer(stage, channel)) > len(first)

    await until(is_longer)
    assert (await remembered_answer(stage, channel)).startswith(first)
    message = await with_labels(stage, stage.grace, channel, message, *CUT)
    assert len(message["content"]) > len(first)


async def test_only_the_latest_answer_has_buttons(stage: Stage) -> None:
    channel = await stage.fresh_channel("older")
    _, older = await answered(stage, stage.grace, channel)
    _, latest = await answered(stage, stage.ada, channel, "And I?")
    assert labels(latest) == CUT
    await with_labels(stage, stage.grace, channel, older)
    assert labels(message_now(stage, stage.ada, channel, latest) or {}) == CUT


async def test_a_click_by_somebody_else_changes_nothing(stage: Stage) -> None:
    channel = await stage.fresh_channel("others")
    _, message = await answered(stage, stage.ada, channel)
    before = await remembered_answer(stage, channel)
    for label in ("Regenerate", "Continue"):
        assert "Only the member who asked" in await told(stage, stage.grace, channel, message, label)
    assert "a moderator can delete" in await told(stage, stage.grace, channel, message, "Delete")
    assert stage.bot.application.answering.queue.idle
    assert await remembered_answer(stage, channel) == before
    assert message_now(stage, stage.ada, channel, message) == message


async def test_a_moderator_deletes_an_answer(stage: Stage) -> None:
    channel = stage.discord.add_channel("moderated").id
    stage.discord.set_permissions(stage.ada.id, channel, allow=["manage_messages"])
    question, message = await answered(stage, stage.grace, channel)
    await press(stage, stage.grace, channel, message, "Regenerate")
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    await press(stage, stage.ada, channel, message, "Delete")
    await stage.discord.wait_for(lambda: message_now(stage, stage.ada, channel, message) is None)

    async def is_forgotten() -> bool:
        return await stage.remembered(channel) == []

    await until(is_forgotten)
    assert [int(left["id"]) for left in stage.discord.messages(stage.ada.id, channel)] == [question]


async def test_forget_takes_every_version_and_the_buttons(stage: Stage) -> None:
    channel = await stage.fresh_channel("forgotten")
    question, message = await answered(stage, stage.grace, channel)
    await press(stage, stage.grace, channel, message, "Regenerate")
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    await forget(stage, channel, "Forget", "Deleted 1 question with its answer.", where="here")
    left = await with_labels(stage, stage.grace, channel, message)
    assert await stage.bot.application.answering.conversations.versions.of(question) == ()
    assert left["content"] == message["content"], "Discord's message stays"


async def test_an_edited_question_is_answered_again(stage: Stage) -> None:
    channel = await stage.fresh_channel("edited")
    question, message = await answered(stage, stage.grace, channel)
    await stage.discord.edit(stage.grace.id, channel, question, f"<@{stage.discord.bot.id}> Who is Ada?")
    message = await with_labels(stage, stage.grace, channel, message, "Answer again", "Continue", "Delete")
    await press(stage, stage.grace, channel, message, "Continue")
    await stage.answered_again(question)
    message = await with_labels(stage, stage.grace, channel, message, "Answer again", "Continue", "Delete")
    await press(stage, stage.grace, channel, message, "Answer again")
    await with_version(stage, stage.grace, channel, message, "2/2")
    assert await stage.questions(channel) == ["Who is Ada?"]
    fresh = await stage.fresh_channel("the same question")
    await answered(stage, stage.grace, fresh, "Who is Ada?")
    assert await remembered_answer(stage, channel) == await remembered_answer(stage, fresh)


async def test_an_answer_to_a_command_keeps_its_line(stage: Stage) -> None:
    channel = await stage.fresh_channel("asked")
    interaction_id, message = await ask(stage, stage.grace, channel, question="Who am I?")
    assert labels(message) == CUT
    await press(stage, stage.grace, channel, message, "Regenerate")
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    header, _, answer = message["content"].partition("\n")
    assert header == f"> <@{stage.grace.id}> asked: Who am I?"
    assert answer.startswith((await remembered_answer(stage, channel)).strip()[:20])
    assert [turn.id for turn in await stage.remembered(channel)] == [interaction_id]

    _, private = await ask(stage, stage.grace, channel, question="Who am I?", private=True)
    assert labels(private) == [], "its token ends before a click may come"


async def test_a_button_that_was_left_says_why_it_does_nothing(stage: Stage) -> None:
    channel = await stage.fresh_channel("left")
    _, message = await answered(stage, stage.grace, channel)
    await use(stage, stage.grace, channel, "reset")
    assert "not the latest one" in await told(stage, stage.grace, channel, message, "Regenerate")
    await with_labels(stage, stage.grace, channel, message)
    assert await stage.remembered(channel) == []


async def test_a_full_queue_says_so(stage: Stage) -> None:
    channel = await stage.fresh_channel("full")
    _, message = await answered(stage, stage.grace, channel)
    queue, key = stage.bot.application.answering.queue, ConversationKey(channel)
    queue.pause()
    tickets = []
    try:
        with suppress(QueueFullError):
            while True:
                tickets.append(queue.join(key, stage.grace.id))
        assert "Wait for an answer, then ask again." in await told(stage, stage.grace, channel, message, "Regenerate")
    finally:
        for ticket in tickets:
            ticket.leave()
        queue.resume()
    assert labels(message_now(stage, stage.grace, channel, message) or {}) == CUT


async def test_memory_stays_with_what_discord_shows_where_it_refuses_the_edit(stage: Stage) -> None:
    channel = stage.discord.add_channel("refused").id
    question, message = await answered(stage, stage.grace, channel)
    before = await remembered_answer(stage, channel)
    stage.discord.fail_next("PATCH", f"/channels/{channel}/messages/*", 403, times=None, code=50001)
    try:
        await press(stage, stage.grace, channel, message, "Regenerate")
        await stage.answered_again(question)
    finally:
        stage.discord.end_faults()
    assert stage.bot.application.answering.queue.idle
    assert message_now(stage, stage.grace, channel, message) == message
    assert await remembered_answer(stage, channel) == before


async def test_memory_stays_with_the_version_that_discord_shows_where_it_refuses_another(stage: Stage) -> None:
    channel = stage.discord.add_channel("refused version").id
    _, message = await answered(stage, stage.grace, channel)
    await press(stage, stage.grace, channel, message, "Regenerate")
    message = await with_version(stage, stage.grace, channel, message, "2/2")
    second, before = await remembered_answer(stage, channel), len(stage.discord.calls)
    stage.discord.fail_next("PATCH", f"/channels/{channel}/messages/*", 403, code=50001)
    await press(stage, stage.grace, channel, message, LEFT)

    async def remembers_second() -> bool:
        return await remembered_answer(stage, channel) == second

    await until(lambda: any(call.is_injected for call in stage.discord.calls[before:]))
    await until(remembers_second)
    assert message_now(stage, stage.grace, channel, message) == message


@pytest.mark.parametrize("label", ["Regenerate", "Continue"])
async def test_a_second_click_says_that_the_answer_is_being_worked_on(stage: Stage, label: str) -> None:
    channel = await stage.fresh_channel("clicked twice")
    question, message = await answered(stage, stage.grace, channel)
    queue = stage.bot.application.answering.queue
    queue.pause()
    try:
        lines = await asyncio.gather(
            press(stage, stage.grace, channel, message, label), told(stage, stage.grace, channel, message, label)
        )
    finally:
        queue.resume()
    assert "working on this answer already" in lines[1]
    await stage.answered_again(question)
    assert queue.idle
    versions = await stage.bot.application.answering.conversations.versions.of(question)
    assert len(versions) == (2 if label == "Regenerate" else 1)
