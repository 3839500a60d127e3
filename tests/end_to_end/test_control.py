"""`/reset`, `/context` and `/forget`: people decide over what is remembered."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.end_to_end.stage import Payload, Stage, text_of
from tests.end_to_end.using_commands import PRIVATE, press, until_it_says, use

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = "Repeat the word hello a thousand times."


async def forget(stage: Stage, channel: int, button: str, says: str, **options: str) -> Payload:
    """Grace uses `/forget` and presses a button; return what the message says then."""
    asked = await use(stage, stage.grace, channel, "forget", **options)
    assert asked["flags"] & PRIVATE
    assert "cannot be undone" in asked["content"]
    await press(stage, stage.grace, channel, asked, button)
    answer = await until_it_says(stage, stage.grace, channel, asked, says)
    assert answer["components"] == []
    return answer


async def test_reset_starts_afresh_for_everybody_and_a_reply_still_goes_on_from_before(stage: Stage) -> None:
    channel = await stage.fresh_channel("reset")
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")
    [answer] = await stage.answer(stage.ada, channel, question)

    told = await use(stage, stage.grace, channel, "reset")

    assert "starts a new conversation" in told["content"]
    assert not told["flags"] & PRIVATE
    assert await stage.remembered(channel) == []
    await stage.ask(stage.ada, channel, "What is the capital of Italy?")
    assert [text_of(turn) for turn in await stage.remembered(channel)] == ["What is the capital of Italy?"]

    mention = f"<@{stage.discord.bot.id}> And how old is it?"
    reply = await stage.discord.send(stage.ada.id, channel, mention, reply_to=int(answer["id"]))
    await stage.answer(stage.ada, channel, reply)
    remembered = [text_of(turn) for turn in await stage.remembered(channel)]
    assert remembered == ["What is the capital of France?", "And how old is it?"]


async def test_context_tells_the_asker_alone_how_full_it_is_and_what_is_seen(stage: Stage) -> None:
    channel = await stage.fresh_channel("context")
    await stage.ask(stage.ada, channel, "What is the capital of *France*?")

    told = await use(stage, stage.grace, channel, "context")

    assert told["flags"] & PRIVATE
    assert not any(message["flags"] & PRIVATE for message in stage.discord.messages(stage.ada.id, channel))
    assert "**Context:** 8,192 tokens" in told["content"]
    assert "🟨 Reserved for the answer: 700 tokens, 9%" in told["content"]
    assert "**Persona:** from the bot's default" in told["content"]
    assert r"**Ada:** What is the capital of \*France\*? → " in told["content"]
    window = stage.bot.application.answering.model.window
    prompt = await stage.next_prompt(channel, "a")
    counts = [re.search(rf"{name}: ([\d,]+) token", told["content"]) for name in ("System prompt", "History")]
    used = sum(int(count[1].replace(",", "")) for count in counts if count)
    assert 0 <= len(prompt.ids) - used < 10, "what is told is the next prompt without its question"
    assert window.budget.context_length == 8192


async def test_forget_deletes_what_one_person_asked_here_and_says_how_much(stage: Stage) -> None:
    channel, other = await stage.fresh_channel("forget"), await stage.fresh_channel("forget elsewhere")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    for place, country in ((channel, "Spain"), (channel, "Italy"), (other, "Greece")):
        await stage.ask(stage.grace, place, f"What is the capital of {country}?")

    await forget(stage, channel, "Cancel", "Nothing was deleted.")
    assert len(await stage.remembered(channel)) == 3

    answer = await forget(stage, channel, "Forget", "Deleted 2")
    assert answer["content"] == "Deleted 2 questions with their answers."
    assert [text_of(turn) for turn in await stage.remembered(channel)] == ["What is the capital of France?"]
    assert len(await stage.remembered(other)) == 1
    prompt = (await stage.next_prompt(channel, "What did Grace ask?")).text
    assert "Spain" not in prompt
    assert "Italy" not in prompt

    answer = await forget(stage, channel, "Forget", "Deleted 1", where="everywhere")
    assert answer["content"] == "Deleted 1 question with its answer."
    assert await stage.remembered(other) == []
    await forget(stage, channel, "Forget", "There was nothing to delete.")


async def test_forget_stops_the_persons_answers_on_their_way(stage: Stage) -> None:
    elsewhere, channel = await stage.fresh_channel("to Ada"), await stage.fresh_channel("to Grace")
    ongoing = await stage.mention(stage.ada, elsewhere, ENDLESS)
    question = await stage.mention(stage.grace, channel, ENDLESS)
    await stage.growing(stage.ada, elsewhere, ongoing)
    await stage.growing(stage.grace, channel, question)

    answer = await forget(stage, channel, "Forget", "Stopped 1 answer.")

    assert answer["content"] == "Stopped 1 answer."
    running = stage.bot.application.client.running_replies
    async with asyncio.timeout(10):
        while running.get(question):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.005)
    assert await stage.remembered(channel) == []
    others = running.get(ongoing)
    assert others is not None, "somebody else's answer goes on"
    others.answer.stop()
    await stage.answer(stage.ada, elsewhere, ongoing)


async def test_unconfirmed_forgetting_expires(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.discord_client.commands.forget_view._SECONDS_TO_CONFIRM", 0.3)
    channel = await stage.fresh_channel("expired")

    asked = await use(stage, stage.grace, channel, "forget")

    answer = await until_it_says(stage, stage.grace, channel, asked, "Nothing was deleted because you did not confirm.")
    assert answer["components"] == []
