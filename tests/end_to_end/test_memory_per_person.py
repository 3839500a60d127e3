"""A bot with MEMORY=user, the message-content intent and short prompts."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.cli.progress import Progress
from bot.demo.loopback import LoopbackDiscord
from bot.demo.running_bot import running_bot
from tests.end_to_end.stage import Stage, text_of, until
from tests.end_to_end.using_commands import PRIVATE, use

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINNOW = "Our boat is called Minnow."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot of that kind, online."""
    settings = {"memory": "user", "message_content_intent": True, "kv_cache_gigabytes": 0.5, "max_new_tokens": 100}
    settings |= {"max_prompt_tokens": 600}
    async with (
        LoopbackDiscord(granted_intents=["message_content"]) as discord,
        running_bot(discord, small_model_dir, Progress(io.StringIO()), **settings) as bot,
    ):
        yield Stage(discord, bot)


async def test_each_person_has_a_conversation_of_their_own(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    await stage.ask(stage.grace, channel, "What is the capital of Spain?")

    for person, country in ((stage.ada, "France"), (stage.grace, "Spain")):
        remembered = await stage.remembered(channel, person.id)
        assert [text_of(turn) for turn in remembered] == [f"What is the capital of {country}?"]

    told = await use(stage, stage.grace, channel, "reset")
    assert told["flags"] & PRIVATE
    assert await stage.remembered(channel, stage.grace.id) == []
    assert len(await stage.remembered(channel, stage.ada.id)) == 1


async def test_a_thread_begins_with_somebodys_message_and_follows_its_edits(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    starter = await stage.discord.send(stage.grace.id, channel, MINNOW)
    thread = await stage.discord.create_thread(stage.ada.id, channel, "Boat", message_id=starter)
    await stage.ask(stage.ada, thread, "What is our boat called?")

    prompt = (await stage.next_prompt(thread, "And now?", stage.ada.id)).text
    assert f"(In reply to Grace, who wrote: {MINNOW})" in prompt
    await stage.discord.edit(stage.grace.id, channel, starter, "Our boat is called Titanic.")

    async def has_followed() -> bool:
        return "Titanic" in (await stage.next_prompt(thread, "And now?", stage.ada.id)).text

    await until(has_followed)
    assert MINNOW not in (await stage.next_prompt(thread, "And now?", stage.ada.id)).text


async def test_a_message_replied_to_is_seen_until_it_is_deleted(stage: Stage) -> None:
    channel = stage.discord.channels[1].id
    message = await stage.discord.send(stage.grace.id, channel, MINNOW)
    mention = f"<@{stage.discord.bot.id}> What is the boat called?"
    question = await stage.discord.send(stage.ada.id, channel, mention, reply_to=message)
    await stage.answer(stage.ada, channel, question)
    assert MINNOW in (await stage.next_prompt(channel, "And now?", stage.ada.id)).text

    await stage.discord.delete(stage.grace.id, channel, message)

    async def is_gone() -> bool:
        return MINNOW not in (await stage.next_prompt(channel, "And now?", stage.ada.id)).text

    await until(is_gone)
    assert len(await stage.remembered(channel, stage.ada.id)) == 1


async def test_an_answer_to_somebody_else_can_be_replied_to(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    question = await stage.mention(stage.grace, channel, "What is the capital of Italy?")
    [answer] = await stage.answer(stage.grace, channel, question)
    mention = f"<@{stage.discord.bot.id}> How large is it?"

    reply = await stage.discord.send(stage.ada.id, channel, mention, reply_to=int(answer["id"]))
    await stage.answer(stage.ada, channel, reply)

    remembered = [text_of(turn) for turn in await stage.remembered(channel, stage.ada.id)]
    assert remembered == ["What is the capital of Italy?", "How large is it?"]


async def test_a_file_that_is_far_too_long_is_shortened_with_a_line_about_it(stage: Stage) -> None:
    channel = stage.discord.channels[1].id
    text = "".join(f"Line {number} of a long report.\n" for number in range(4000))
    mention = f"<@{stage.discord.bot.id}> Say hello."
    question = await stage.discord.send(stage.grace.id, channel, mention, files=[("report.txt", text.encode())])

    replies = await stage.answer(stage.grace, channel, question)

    assert "and I can read 600. Send the rest in another message." in replies[-1]["content"]
    [turn] = await stage.remembered(channel, stage.grace.id)
    assert turn.asked is not None
    [file] = turn.asked.files
    assert text.startswith(file.text)
    answering = stage.bot.application.answering
    system_prompt = await answering.conversations.personas.system_prompt(channel)
    fitted = answering.model.window.fit(system_prompt, (), turn.asked)
    assert 590 <= len(fitted.prompt.ids) <= 600
