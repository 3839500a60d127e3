"""Channels in which every message is a question, and messages in quick succession are one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.asking_by_mode import INTENT, bots_messages, channel_in, is_not_asked, reading_all, set_mode
from tests.end_to_end.commands import forget
from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTS = ["What is the capital", "of France", "and of Spain?"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with reading_all(tiny_chat_model_dir) as stage:
        yield stage


async def send_all(stage: Stage, channel: int, texts: list[str] = PARTS) -> list[int]:
    """Send messages as Grace, in quick succession, and return their ids."""
    return [await stage.discord.send(stage.grace.id, channel, text) for text in texts]


async def whole_questions(stage: Stage, channel: int) -> list[list[str]]:
    """The messages of each question that is remembered, the oldest first."""
    remembered = [turn.asked for turn in await stage.remembered(channel)]
    return [[*(part.text for part in asked.parts), asked.text] for asked in remembered if asked is not None]


async def test_every_message_is_a_question_but_those_for_others(stage: Stage) -> None:
    channel, ada = await channel_in(stage, "free", "free"), stage.ada.id
    question = await stage.discord.send(stage.grace.id, channel, "What is the capital of France?")
    [answer] = await stage.answer(stage.grace, channel, question)
    unpinged = await stage.discord.send(
        stage.grace.id, channel, "And of Spain?", reply_to=int(answer["id"]), mentions_author=False
    )
    assert await stage.answer(stage.grace, channel, unpinged)
    for text in (f"<@{ada}> And of Italy?", "// And of Italy?", "@everyone And of Italy?"):
        await is_not_asked(stage, stage.ada, channel, text)
    await is_not_asked(stage, stage.ada, channel, "Is that so?", reply_to=question, mentions_author=False)


async def test_messages_in_quick_succession_are_one_question(stage: Stage) -> None:
    channel = await channel_in(stage, "succession", "free")
    *_, last = await send_all(stage, channel)
    [answer] = await stage.answer(stage.grace, channel, last)
    assert answer["message_reference"]["message_id"] == str(last)
    assert bots_messages(stage.discord, channel) == [answer]
    assert await whole_questions(stage, channel) == [PARTS]
    prompt = await stage.next_prompt(channel, "Go on.")
    assert all(text in prompt.text for text in PARTS)


async def test_members_who_write_at_once_ask_each_for_themselves(stage: Stage) -> None:
    channel = await channel_in(stage, "crowd", "free")
    ids = []
    for text in ("one", "two"):
        for person in (stage.ada, stage.grace):
            ids.append(await stage.discord.send(person.id, channel, f"{person.name} {text}"))
    for person, question in ((stage.ada, ids[2]), (stage.grace, ids[3])):
        assert len(await stage.answer(person, channel, question)) == 1
    questions = await whole_questions(stage, channel)
    assert sorted(questions) == [[f"{name} one", f"{name} two"] for name in (stage.ada.name, stage.grace.name)]


async def test_what_is_left_of_a_question_is_asked_when_its_last_message_is_deleted(stage: Stage) -> None:
    channel = await channel_in(stage, "left", "free")
    stage.bot.application.answering.queue.pause()
    _, second, last = await send_all(stage, channel)
    await until(lambda: bool(bots_messages(stage.discord, channel)))  # its position
    await stage.discord.delete(stage.grace.id, channel, last)
    stage.bot.application.answering.queue.resume()
    assert len(await stage.answer(stage.grace, channel, second)) == 1
    assert await whole_questions(stage, channel) == [PARTS[:2]]
    await stage.discord.wait_for(lambda: len(bots_messages(stage.discord, channel)) == 1)


async def test_a_message_that_an_edit_makes_a_question_is_answered(stage: Stage) -> None:
    channel = await channel_in(stage, "edited", "free")
    message = await stage.discord.send(stage.grace.id, channel, "// What is the capital of France?")
    await is_not_asked(stage, stage.ada, channel, "// a note")
    await stage.discord.edit(stage.grace.id, channel, message, "What is the capital of France?")
    assert len(await stage.answer(stage.grace, channel, message)) == 1


async def test_a_mode_makes_no_questions_of_earlier_messages(stage: Stage) -> None:
    channel = stage.discord.add_channel("earlier").id
    message = await stage.discord.send(stage.grace.id, channel, "Hello all")
    await set_mode(stage, stage.ada, channel, "free")
    await stage.discord.edit(stage.grace.id, channel, message, "Hello to you all")
    await is_not_asked(stage, stage.ada, channel, "// a note")


async def test_forgetting_reaches_all_messages_of_a_question(stage: Stage) -> None:
    channel = await channel_in(stage, "forgotten", "free")
    *_, last = await send_all(stage, channel)
    await stage.answer(stage.grace, channel, last)
    await forget(stage, channel, "Forget", "Deleted 1 question")
    assert await stage.remembered(channel) == []
    prompt = await stage.next_prompt(channel, "Go on.")
    assert not any(text in prompt.text for text in PARTS)


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "forgotten"])
async def test_a_quoted_message_that_goes_while_its_question_gathers_is_not_read(
    stage: Stage, is_deleted: bool
) -> None:
    channel = await channel_in(stage, "quoted", "free")
    said = await stage.discord.send(stage.grace.id, channel, "// Fish fly.")
    mention = f"<@{stage.discord.bot.id}> Do they?"
    question = await stage.discord.send(stage.ada.id, channel, mention, reply_to=said)
    if is_deleted:
        await stage.discord.delete(stage.grace.id, channel, said)
    else:
        await forget(stage, channel, "Forget", "There was nothing")
    assert await stage.answer(stage.ada, channel, question)
    [turn] = await stage.remembered(channel)
    assert turn.asked is not None
    assert (turn.asked.text, turn.asked.quotes) == ("Do they?", ())


async def test_what_gathers_when_its_member_forgets_is_not_asked(stage: Stage) -> None:
    channel = await channel_in(stage, "gathering", "free")
    await send_all(stage, channel)
    await forget(stage, channel, "Forget", "There was nothing")
    await is_not_asked(stage, stage.ada, channel, "// a note")  # longer than a pause
    assert await whole_questions(stage, channel) == [["Hello?"]]


@pytest.mark.parametrize(("prefix", "ignored", "asked"), [("!", "! Hi", "// Hi"), ("", None, "// Hi")])
async def test_the_sign_of_messages_that_are_no_question_is_a_setting(
    tiny_chat_model_dir: Path, prefix: str, ignored: str | None, asked: str
) -> None:
    async with reading_all(tiny_chat_model_dir, ignored_prefix=prefix) as stage:
        channel = await channel_in(stage, "free", "free")
        if ignored is not None:
            await is_not_asked(stage, stage.grace, channel, ignored)
        question = await stage.discord.send(stage.ada.id, channel, asked)
        assert len(await stage.answer(stage.ada, channel, question)) == 1


async def test_a_restart_asks_what_was_gathering_as_one_question(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            channel = await channel_in(stage, "restart", "free")
            await send_all(stage, channel, PARTS[:2])
        last = await discord.send(discord.people[1].id, channel, PARTS[2])
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            assert len(await stage.answer(stage.grace, channel, last)) == 1
            assert await whole_questions(stage, channel) == [PARTS]
        assert len(bots_messages(discord, channel)) == 1


@pytest.mark.parametrize("is_deleted", [False, True], ids=["whole", "its last message deleted"])
async def test_a_restart_answers_an_accepted_question_of_several_messages(
    tiny_chat_model_dir: Path, tmp_path: Path, is_deleted: bool
) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            channel = await channel_in(stage, "accepted", "free")
            stage.bot.application.answering.queue.pause()
            _, second, last = await send_all(stage, channel)
            await until(lambda: bool(bots_messages(discord, channel)))
        if is_deleted:
            await discord.delete(discord.people[1].id, channel, last)
        left = PARTS[:2] if is_deleted else PARTS
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            assert len(await stage.answer(stage.grace, channel, second if is_deleted else last)) == 1
            assert await whole_questions(stage, channel) == [left]
        await discord.wait_for(lambda: len(bots_messages(discord, channel)) == 1)
