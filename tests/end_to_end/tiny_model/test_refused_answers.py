"""Answers that Discord does not let through: nobody waits in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.stage import Payload, Stage, can_be_stopped, online, until

pytestmark = pytest.mark.asyncio(loop_scope="package")


def bots_messages(stage: Stage, channel: int) -> list[Payload]:
    messages = stage.discord.messages(stage.grace.id, channel)
    return [each for each in messages if each["author"]["id"] == str(stage.discord.bot.id)]


async def test_whoever_asks_where_the_bot_may_not_write_gets_a_direct_message(stage: Stage) -> None:
    server = stage.discord
    channel, private = server.add_channel("read only").id, await server.open_dm(stage.grace.id)
    server.set_permissions(server.bot.id, channel, deny=["send_messages"])
    before = len(bots_messages(stage, private))
    question = await stage.mention(stage.grace, channel, "What is the capital of France?")
    await stage.answer(stage.grace, channel, question)
    [line] = bots_messages(stage, private)[before:]
    assert "permission Send Messages" in line["content"]
    assert stage.bot.application.answering.queue.idle


@pytest.mark.parametrize("text", ["", "What is the capital of France?"])
async def test_without_the_history_a_mention_is_answered_below(stage: Stage, text: str) -> None:
    server = stage.discord
    channel = server.add_channel("no history").id
    server.set_permissions(server.bot.id, channel, deny=["read_message_history"])
    await stage.mention(stage.grace, channel, text)

    def says_why() -> bool:
        reply = bots_messages(stage, channel)
        return bool(reply) and "permission Read Message History" in reply[-1]["content"]

    # Beside the greeting there may be no room for that line, which then follows in a message of its own: the greeting
    # is longer once Discord has said which ids the commands have.
    await until(says_why)
    reply = bots_messages(stage, channel)
    assert not any("message_reference" in message or can_be_stopped(message) for message in reply)
    all_fits = len("\n".join(message["content"] for message in reply)) <= 2000
    assert len(reply) == (1 if all_fits else 2)
    assert all_fits or not text


async def test_a_channel_deleted_under_an_answer_ends_it(stage: Stage) -> None:
    channel = stage.discord.add_channel("short-lived").id
    builder = stage.bot.application.answering.model.builder
    stop_ids, builder.stop_ids = builder.stop_ids, frozenset()
    try:
        question = await stage.mention(stage.grace, channel, "What is the capital of France?")
        await stage.discord.delete_channel(stage.ada.id, channel)
        await until(lambda: stage.bot.application.client.running_replies.get(question) is None)
    finally:
        builder.stop_ids = stop_ids
    await until(lambda: stage.bot.application.answering.queue.idle)


async def test_a_question_deleted_before_a_restart_takes_its_answer_along(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=2000) as stage:
            channel, question = await stage.endless_answer(stage.grace)
        assert bots_messages(stage, channel)[-1]["content"].endswith("I will answer this when I am back.")
        await discord.delete(stage.grace.id, channel, question)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=5) as stage:
            await discord.wait_for(lambda: not bots_messages(stage, channel))
            assert await stage.questions(channel) == []


async def test_a_late_answer_mentions_its_asker(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with online(tiny_chat_model_dir, data_dir=tmp_path, max_new_tokens=5, ping_after_seconds=0.001) as stage:
        channel = await stage.fresh_channel("late")
        question = await stage.mention(stage.grace, channel, "What is the capital of France?")
        [reply] = await stage.answer(stage.grace, channel, question)
        assert [user["id"] for user in reply["mentions"]] == [str(stage.grace.id)]


async def test_an_answer_in_time_mentions_nobody(stage: Stage) -> None:
    channel = await stage.fresh_channel("in time")
    question = await stage.mention(stage.grace, channel, "What is the capital of France?")
    [reply] = await stage.answer(stage.grace, channel, question)
    assert reply["mentions"] == []
