"""A question that its member has the bot forget before it is asked gets no answer, and nobody remembers it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.loopback import ConnectionFault, LoopbackDiscord
from tests.end_to_end.asking_by_mode import INTENT, channel_in, reading_all
from tests.end_to_end.commands import forget
from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "What is the capital of France?"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with reading_all(tiny_chat_model_dir) as stage:
        yield stage


async def accepted(stage: Stage, question: int) -> bool:
    return question in [each.message_id for each in await stage.bot.application.storage.work.unfinished()]


async def is_settled(stage: Stage, question: int) -> bool:
    return question not in stage.bot.application.client.running_replies._by_question and not await accepted(
        stage, question
    )


def thread_exists(stage: Stage, question: int) -> bool:
    return question in stage.discord._state.backend.channels


@pytest.mark.parametrize("mode", ["mention", "threads"])
@pytest.mark.parametrize("where", ["here", "everywhere"])
async def test_a_question_whose_files_are_being_read(stage: Stage, mode: str, where: str) -> None:
    channel = await channel_in(stage, f"files-{mode}-{where}", mode)
    stage.discord.break_next("GET", "/cdn/*", ConnectionFault.HANG)
    text = f"<@{stage.discord.bot.id}> {QUESTION}"
    question = await stage.discord.send(stage.grace.id, channel, text, files=[("notes.txt", b"Notes")])
    await until(lambda: accepted(stage, question))
    await forget(stage, channel, "Forget", "There was nothing", where=where)
    stage.discord.end_faults()
    await stage.answered(question)
    assert not thread_exists(stage, question)
    assert await stage.questions(channel) == await stage.questions(question) == []
    assert not await accepted(stage, question)


@pytest.mark.parametrize("where", ["here", "everywhere"])
async def test_a_question_whose_thread_is_opening(stage: Stage, where: str) -> None:
    channel = await channel_in(stage, f"opening-{where}", "threads")
    stage.discord.break_next("POST", f"/channels/{channel}/messages/*/threads", ConnectionFault.HANG)
    question = await stage.mention(stage.grace, channel, QUESTION)
    await until(lambda: accepted(stage, question))
    await until(lambda: any(call.path.endswith(f"/{question}/threads") for call in stage.discord.calls))
    await forget(stage, channel, "Forget", "There was nothing", where=where)
    stage.discord.end_faults()
    await stage.answered(question)
    assert await stage.questions(question) == []
    assert not await accepted(stage, question)


async def test_here_includes_the_open_threads_of_a_channel(stage: Stage) -> None:
    channel, other = await channel_in(stage, "here", "threads"), await channel_in(stage, "there", "threads")
    threads = [await stage.mention(stage.grace, place, QUESTION) for place in (channel, channel, other)]
    for place, thread in zip((channel, channel, other), threads, strict=True):
        await stage.answer(stage.grace, place, thread)
    stage.bot.application.answering.queue.pause()
    try:
        running = await stage.discord.send(stage.grace.id, threads[1], "And of Spain?")
        await until(lambda: stage.bot.application.client.running_replies.get(running) is not None)
        await forget(stage, channel, "Forget", "Deleted 2 questions with their answers. Stopped 1 answer.")
        await stage.answered(running)
    finally:
        stage.bot.application.answering.queue.resume()
    assert [await stage.questions(thread) for thread in threads] == [[], [], [QUESTION]]


async def test_a_question_that_a_restart_is_about_to_resume(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            channel = await channel_in(stage, "resumed", "mention")
            stage.bot.application.answering.queue.pause()
            question = await stage.mention(stage.grace, channel, QUESTION)
            await until(lambda: accepted(stage, question))
        discord.break_next("GET", f"/channels/{channel}/messages/{question}", ConnectionFault.HANG)
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            await until(lambda: any(call.path.endswith(f"/messages/{question}") for call in discord.calls))
            await forget(stage, channel, "Forget", "There was nothing", where="everywhere")
            discord.end_faults()
            later = await stage.mention(stage.ada, channel, "Hello?")
            await stage.answer(stage.ada, channel, later)
            await until(lambda: is_settled(stage, question))
            assert await stage.questions(channel) == ["Hello?"]
