"""A bot with MEMORY=user, the message-content intent and short prompts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.conversation.turn import TextFile
from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.asking import ask
from tests.end_to_end.commands import PRIVATE, use
from tests.end_to_end.stage import Stage, online, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINNOW = "Our boat is called Minnow."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot of that kind, online."""
    settings = {"memory": "user", "message_content_intent": True, "max_new_tokens": 20, "max_prompt_tokens": 600}
    async with (
        LoopbackDiscord(granted_intents=["message_content"]) as discord,
        online(small_model_dir, discord, **settings) as stage,
    ):
        yield stage


async def test_each_member_has_a_separate_conversation(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    await stage.ask(stage.grace, channel, "What is the capital of Spain?")

    for person, country in ((stage.ada, "France"), (stage.grace, "Spain")):
        assert await stage.questions(channel, person.id) == [f"What is the capital of {country}?"]

    response = await use(stage, stage.grace, channel, "reset")
    assert response["flags"] & PRIVATE
    assert await stage.remembered(channel, stage.grace.id) == []
    assert len(await stage.remembered(channel, stage.ada.id)) == 1


async def test_an_answer_that_others_see_knows_nothing_of_private_ones(stage: Stage) -> None:
    channel = await stage.fresh_channel("private")
    await ask(stage, stage.ada, channel, question="My password is swordfish. Say hello.", private=True)
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    assert "swordfish" not in (await stage.next_prompt(channel, "And now?", stage.ada.id)).text
    assert await stage.questions(channel, -stage.ada.id) == ["My password is swordfish. Say hello."]
    context = await use(stage, stage.ada, channel, "context")
    assert "swordfish" not in context["content"], "it comes in a second message"
    await until(lambda: _says(stage, channel, "Your private questions here"))


def _says(stage: Stage, channel: int, text: str) -> bool:
    return any(text in message["content"] for message in stage.discord.messages(stage.ada.id, channel))


async def test_a_thread_starts_with_its_first_message_and_follows_its_edits(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    starter = await stage.discord.send(stage.grace.id, channel, MINNOW)
    thread = await stage.discord.create_thread(stage.ada.id, channel, "Boat", message_id=starter)
    await stage.ask(stage.ada, thread, "What is our boat called?")

    prompt = (await stage.next_prompt(thread, "And now?", stage.ada.id)).text
    assert f"(In reply to Grace, who wrote: {MINNOW})" in prompt
    await stage.discord.edit(stage.grace.id, channel, starter, "Our boat is called Titanic.")

    async def is_followed() -> bool:
        return "Titanic" in (await stage.next_prompt(thread, "And now?", stage.ada.id)).text

    await until(is_followed)
    assert f"wrote: {MINNOW}" not in (await stage.next_prompt(thread, "And now?", stage.ada.id)).text


async def test_a_quoted_message_stays_in_the_prompt_until_it_is_deleted(stage: Stage) -> None:
    channel = stage.discord.channels[1].id
    message = await stage.discord.send(stage.grace.id, channel, MINNOW)
    question = await stage.mention(stage.ada, channel, "What is the boat called?", reply_to=message)
    await stage.answer(stage.ada, channel, question)
    assert f"wrote: {MINNOW}" in (await stage.next_prompt(channel, "And now?", stage.ada.id)).text

    await stage.discord.delete(stage.grace.id, channel, message)

    async def is_gone() -> bool:
        return f"wrote: {MINNOW}" not in (await stage.next_prompt(channel, "And now?", stage.ada.id)).text

    await until(is_gone)
    assert len(await stage.remembered(channel, stage.ada.id)) == 1


async def test_a_reply_to_another_members_answer_continues_it(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    question = await stage.mention(stage.grace, channel, "What is the capital of Italy?")
    [answer] = await stage.answer(stage.grace, channel, question)

    reply = await stage.mention(stage.ada, channel, "How large is it?", reply_to=int(answer["id"]))
    await stage.answer(stage.ada, channel, reply)

    assert await stage.questions(channel, stage.ada.id) == ["What is the capital of Italy?", "How large is it?"]


async def test_a_file_that_is_too_long_is_shortened_with_a_note(stage: Stage) -> None:
    channel = stage.discord.channels[1].id
    text = "".join(f"Line {number} of a long report.\n" for number in range(4000))
    mention = f"<@{stage.discord.bot.id}> Say hello."
    question = await stage.discord.send(stage.grace.id, channel, mention, files=[("report.txt", text.encode())])

    replies = await stage.answer(stage.grace, channel, question)

    assert "and I can read 600. Send the rest in another message." in replies[-1]["content"]
    [turn] = await stage.remembered(channel, stage.grace.id)
    assert turn.asked is not None
    [file] = turn.asked.files
    assert isinstance(file, TextFile)
    assert text.startswith(file.text)
    answering = stage.bot.application.answering
    system_prompt = (await answering.conversations.personas.system_prompt(channel)).text
    fitted = answering.model.window.fit(system_prompt, (), turn.asked)
    assert 590 <= len(fitted.prompt.ids) <= 600
