"""Channels in which a mention opens a thread, and forums in which every post is a question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.conversation.context_window import ContextWindow, FittedPrompt
from bot.demo.loopback import ConnectionFault, LoopbackDiscord, Person
from bot.discord_client.rest.permissions import NEEDED_PERMISSIONS, permissions_named
from tests.end_to_end.asking_by_mode import INTENT, bots_messages, channel_in, is_not_asked, reading_all
from tests.end_to_end.stage import ENDLESS, Payload, Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "What is the capital of France?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with reading_all(tiny_chat_model_dir) as stage:
        yield stage


async def asked(stage: Stage, person: Person, channel: int, text: str = QUESTION, **more: Any) -> int:
    """Mention the bot and wait for the answer; return the question's id, which its thread has too."""
    question = await stage.mention(person, channel, text, **more)
    await stage.answer(person, channel, question)
    return question


def thread_name(stage: Stage, thread: int) -> str:
    return str(stage.discord._state.backend.channels[thread].name)


def exists(stage: Stage, channel: int) -> bool:
    return channel in stage.discord._state.backend.channels


async def test_a_mention_opens_a_thread_in_which_nobody_needs_to_mention(stage: Stage) -> None:
    channel = await channel_in(stage, "threads", "threads")
    thread = await asked(stage, stage.grace, channel, "What is the **capital** of\nFrance?")
    assert bots_messages(stage.discord, channel) == []
    assert len(bots_messages(stage.discord, thread)) == 1
    assert await stage.questions(thread) == ["What is the **capital** of\nFrance?"]
    assert await stage.questions(channel) == []

    second = await stage.discord.send(stage.ada.id, thread, "And of Spain?")
    assert len(await stage.answer(stage.ada, thread, second)) == 1
    assert await stage.questions(thread) == ["What is the **capital** of\nFrance?", "And of Spain?"]
    await is_not_asked(stage, stage.ada, thread, "// And of Italy?")


async def test_the_permissions_of_the_invite_are_enough(stage: Stage) -> None:
    channel = await channel_in(stage, "invited", "threads")
    needed, bot = permissions_named(NEEDED_PERMISSIONS), stage.discord.bot.id
    rest = [name for name, is_needed in needed if not is_needed]
    stage.discord.set_permissions(bot, channel, allow=[name for name, is_needed in needed if is_needed], deny=rest)
    assert not set(rest) & set(stage.discord.permissions_of(bot, channel))

    thread = await asked(stage, stage.grace, channel)
    second = await stage.discord.send(stage.ada.id, thread, "And of Spain?")
    [answer] = await stage.answer(stage.ada, thread, second)
    assert answer["message_reference"]["message_id"] == str(second)


async def test_other_messages_and_other_threads_of_the_channel_need_a_mention(stage: Stage) -> None:
    channel = await channel_in(stage, "quiet", "threads")
    unmentioned = await stage.discord.send(stage.grace.id, channel, QUESTION)
    thread = await stage.discord.create_thread(stage.ada.id, channel, "by Ada")
    await is_not_asked(stage, stage.ada, thread, QUESTION)
    assert not exists(stage, unmentioned)
    assert bots_messages(stage.discord, channel) == []


async def test_every_post_of_a_forum_is_a_question(stage: Stage) -> None:
    forum = await channel_in(stage, "support", "threads", "forum")
    post = await stage.discord.create_post(stage.grace.id, forum, "Capitals", QUESTION)
    [answer] = await stage.answer(stage.grace, post, post)
    assert answer["message_reference"]["message_id"] == str(post)
    assert await stage.questions(post) == [f"Capitals\n\n{QUESTION}"]
    second = await stage.discord.send(stage.ada.id, post, "And of Spain?")
    assert await stage.answer(stage.ada, post, second)
    assert thread_name(stage, post) == "Capitals"


async def test_a_post_and_what_its_author_adds_at_once_are_one_question(stage: Stage) -> None:
    forum = await channel_in(stage, "quick", "threads", "forum")
    post = await stage.discord.create_post(stage.grace.id, forum, "Capitals", QUESTION)
    second = await stage.discord.send(stage.grace.id, post, "And of Spain?")
    assert await stage.answer(stage.grace, post, second)
    prompt = (await stage.next_prompt(post, "Go on.")).text
    assert prompt.count(QUESTION) == 1
    assert prompt.index("Capitals") < prompt.index(QUESTION) < prompt.index("And of Spain?")


async def test_the_persona_of_a_channel_applies_in_a_thread_that_discord_announces_late(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, fit = await channel_in(stage, "persona", "threads"), ContextWindow.fit
    await stage.bot.application.answering.conversations.set_persona(channel, "You are a pirate.")
    personas = []

    def note_persona(self: ContextWindow, system_prompt: str, *more: Any) -> FittedPrompt:
        personas.append(system_prompt)
        return fit(self, system_prompt, *more)

    monkeypatch.setattr(ContextWindow, "fit", note_persona)
    stage.discord.delay_events("THREAD_CREATE", 5.0)
    await asked(stage, stage.grace, channel)
    assert personas[0] == "You are a pirate."


async def test_a_mention_that_asks_nothing_opens_no_thread(stage: Stage) -> None:
    channel = await channel_in(stage, "greeting", "threads")
    question = await stage.mention(stage.grace, channel, "")
    await stage.discord.wait_for(lambda: bots_messages(stage.discord, channel))
    assert not exists(stage, question)


@pytest.mark.parametrize("permission", ["create_public_threads", "send_messages_in_threads"])
async def test_without_a_permission_the_answer_comes_in_the_channel(stage: Stage, permission: str) -> None:
    channel = await channel_in(stage, f"no-{permission}", "threads")
    stage.discord.set_permissions(stage.discord.bot.id, channel, deny=[permission])
    question = await asked(stage, stage.grace, channel)
    [answer] = stage.replies(stage.grace, channel, question)
    assert permission.replace("_", " ").title().replace(" In ", " in ") in answer["content"]
    assert "Ask a moderator" in answer["content"]
    assert not exists(stage, question)
    assert await stage.questions(channel) == [QUESTION]


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (50013, "I cannot open a thread here. Ask a moderator to give me the permission Create Public Threads."),
        (160006, "This server has too many open threads, so I answer here. Ask a moderator to close some."),
        (50024, "Discord does not let me open a thread, so I answer here."),
    ],
)
async def test_a_refused_thread_loses_nothing(stage: Stage, code: int, line: str) -> None:
    channel = await channel_in(stage, f"refused-{code}", "threads")
    stage.discord.fail_next("POST", f"/channels/{channel}/messages/*/threads", 403, code=code)
    question = await asked(stage, stage.grace, channel)
    [answer] = stage.replies(stage.grace, channel, question)
    assert line in answer["content"]
    assert await stage.questions(channel) == [QUESTION]


async def test_a_name_that_the_server_blocks_leaves_the_answer_in_the_channel(stage: Stage) -> None:
    channel = await channel_in(stage, "rules", "threads")
    stage.discord.block_word("forbidden")
    question = await asked(stage, stage.ada, channel, "What is forbidden?")
    [answer] = stage.replies(stage.ada, channel, question)
    assert "rules do not let me name a thread after your question" in answer["content"]


async def test_a_message_that_has_a_thread_is_answered_in_the_channel(stage: Stage) -> None:
    channel = await channel_in(stage, "taken", "threads")
    async with stage.discord.outage(rest=None):  # the bot hears of the message when it has its thread already
        question = await stage.mention(stage.ada, channel, QUESTION)
        await stage.discord.create_thread(stage.grace.id, channel, "by Grace", message_id=question)
    await stage.answer(stage.ada, channel, question)
    [answer] = stage.replies(stage.ada, channel, question)
    assert "Your message already has a thread, so I answer here." in answer["content"]
    assert bots_messages(stage.discord, question) == []


async def test_a_thread_whose_response_was_lost_is_used(stage: Stage) -> None:
    channel = await channel_in(stage, "lost", "threads")
    stage.discord.break_next("POST", f"/channels/{channel}/messages/*/threads", ConnectionFault.RESET_AFTER)
    question = await asked(stage, stage.grace, channel)
    assert bots_messages(stage.discord, channel) == []
    assert len(bots_messages(stage.discord, question)) == 1


async def test_a_deleted_question_takes_its_answer_out_of_the_thread(stage: Stage) -> None:
    channel = await channel_in(stage, "deleted", "threads")
    answering = stage.bot.application.answering
    answering.queue.pause()
    question = await stage.mention(stage.grace, channel, QUESTION)
    await until(lambda: exists(stage, question) and bool(bots_messages(stage.discord, question)))  # its position
    await stage.discord.delete(stage.grace.id, channel, question)
    await stage.answer(stage.grace, channel, question)
    answering.queue.resume()
    assert bots_messages(stage.discord, question) == bots_messages(stage.discord, channel) == []


async def test_two_questions_have_two_threads_side_by_side(stage: Stage) -> None:
    channel = await channel_in(stage, "two", "threads")
    threads = await asyncio.gather(
        asked(stage, stage.ada, channel), asked(stage, stage.grace, channel, "And of Spain?")
    )
    assert [await stage.questions(thread) for thread in threads] == [[QUESTION], ["And of Spain?"]]


def texts(messages: list[Payload]) -> list[str]:
    return [message["content"] for message in messages]


async def test_a_restart_goes_on_in_the_same_thread(small_model_dir: Path, tmp_path: Path) -> None:
    settings = {"data_dir": tmp_path, "ping_after_seconds": 0}
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(small_model_dir, discord, max_new_tokens=700, **settings) as stage:
            channel = await channel_in(stage, "restarted", "threads")
            question = await stage.mention(stage.ada, channel, ENDLESS)
            await until(lambda: exists(stage, question) and "2, 3" in "".join(texts(bots_messages(discord, question))))
        [suspended] = bots_messages(discord, question)
        assert suspended["content"].endswith("I am restarting. I will answer this when I am back.")
        missed = await discord.send(discord.people[1].id, question, "What is the capital of France?")
        mention = f"<@{discord.bot.id}> What is the capital of Spain?"
        in_channel = await discord.send(discord.people[1].id, channel, mention)

        async with reading_all(small_model_dir, discord, max_new_tokens=20, **settings) as stage:
            for place, each in ((channel, question), (question, missed), (channel, in_channel)):
                await stage.answer(stage.ada, place, each)
            assert len(await stage.remembered(question)) == 2
        assert bots_messages(discord, channel) == []
        finished, _ = bots_messages(discord, question)
        assert finished["id"] == suspended["id"]
        assert "I am restarting" not in finished["content"]
        assert len(bots_messages(discord, in_channel)) == 1


async def test_a_question_that_was_accepted_before_its_thread_was_opened_gets_it_after_the_restart(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            channel = await channel_in(stage, "accepted", "threads")
            path = f"/channels/{channel}/messages/*/threads"
            discord.break_next("POST", path, ConnectionFault.HANG)
            question = await stage.mention(stage.ada, channel, QUESTION)
            await until(lambda: _is_accepted(stage, question))
        discord.end_faults()
        assert not exists(stage, question)
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            await stage.answer(stage.ada, channel, question)
            assert await stage.questions(question) == [QUESTION]
        assert len(bots_messages(discord, question)) == 1
        assert bots_messages(discord, channel) == []


async def test_a_post_that_was_missed_is_answered(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            forum = await channel_in(stage, "missed", "threads", "forum")
        post = await discord.create_post(discord.people[1].id, forum, "Capitals", QUESTION)
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            assert await stage.answer(stage.grace, post, post)
        assert len(bots_messages(discord, post)) == 1


async def _is_accepted(stage: Stage, question: int) -> bool:
    unfinished = await stage.bot.application.storage.work.unfinished()
    return question in [each.message_id for each in unfinished]
