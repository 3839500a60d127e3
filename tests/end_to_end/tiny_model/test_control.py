"""`/reset`, `/context` and `/forget`: members control what the bot remembers."""

from __future__ import annotations

import re

import pytest

from bot.conversation.turn import ConversationKey
from tests.conversation.memory import say
from tests.end_to_end.asking import responses
from tests.end_to_end.commands import PRIVATE, edited_to, forget, use
from tests.end_to_end.stage import Payload, Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_reset_starts_a_new_conversation_and_a_reply_continues_the_old_one(stage: Stage) -> None:
    channel = await stage.fresh_channel("reset")
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")
    [answer] = await stage.answer(stage.ada, channel, question)

    response = await use(stage, stage.grace, channel, "reset")

    assert "starts a new conversation" in response["content"]
    assert not response["flags"] & PRIVATE
    assert await stage.remembered(channel) == []
    await stage.ask(stage.ada, channel, "What is the capital of Italy?")
    assert await stage.questions(channel) == ["What is the capital of Italy?"]

    reply = await stage.mention(stage.ada, channel, "And how old is it?", reply_to=int(answer["id"]))
    await stage.answer(stage.ada, channel, reply)
    assert await stage.questions(channel) == ["What is the capital of France?", "And how old is it?"]


async def test_context_shows_the_asker_alone_how_full_it_is_and_with_what(stage: Stage) -> None:
    channel = await stage.fresh_channel("context")
    await stage.ask(stage.ada, channel, "What is the capital of *France*?")

    response = await use(stage, stage.grace, channel, "context")

    assert response["flags"] & PRIVATE
    assert not any(message["flags"] & PRIVATE for message in stage.discord.messages(stage.ada.id, channel))
    assert "**Context:** 4,096 tokens" in response["content"]
    assert "🟨 Reserved for the answer: 20 tokens, 0%" in response["content"]
    assert "**Persona:** from the bot's default" in response["content"]
    assert r"**Ada:** What is the capital of \*France\*? → " in response["content"]
    window = stage.bot.application.answering.model.window
    prompt = await stage.next_prompt(channel, "a")
    counts = [re.search(rf"{name}: ([\d,]+) token", response["content"]) for name in ("System prompt", "History")]
    used = sum(int(count[1].replace(",", "")) for count in counts if count)
    assert 0 <= len(prompt.ids) - used < 10, "the figures are those of the next prompt without its question"
    assert window.budget.context_length == 4096


async def test_context_shows_many_private_questions_in_a_message_of_their_own(stage: Stage) -> None:
    channel, conversations = await stage.fresh_channel("private context"), stage.bot.application.answering.conversations
    for _ in range(100):  # short ones, so that they fill the message
        await say(conversations, "Why?", key=ConversationKey(channel, -stage.grace.id))

    interaction_id = await stage.discord.invoke(stage.grace.id, channel, ["context"], {})

    def both() -> list[Payload]:
        found = responses(stage.discord, stage.grace, channel, interaction_id)
        return found if len(found) == 2 else []

    shared, private = await stage.discord.wait_for(both)
    assert "I see nothing earlier here." in shared["content"]
    assert private["content"].startswith("**Your private questions here**\n**Context:**")
    assert "older ones)" in private["content"]


async def test_forget_deletes_one_members_questions_here_and_counts_them(stage: Stage) -> None:
    channel, other = await stage.fresh_channel("forget"), await stage.fresh_channel("forget elsewhere")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    for where, country in ((channel, "Spain"), (channel, "Italy"), (other, "Greece")):
        await stage.ask(stage.grace, where, f"What is the capital of {country}?")

    await forget(stage, channel, "Cancel", "Nothing was deleted.")
    assert len(await stage.remembered(channel)) == 3

    answer = await forget(stage, channel, "Forget", "Deleted 2")
    assert answer["content"] == "Deleted 2 questions with their answers."
    assert await stage.questions(channel) == ["What is the capital of France?"]
    assert len(await stage.remembered(other)) == 1
    prompt = (await stage.next_prompt(channel, "What did Grace ask?")).text
    assert "Spain" not in prompt
    assert "Italy" not in prompt

    await forget(stage, channel, "Forget", "Deleted ", where="everywhere")  # what other tests asked, too
    assert await stage.remembered(other) == []
    await forget(stage, channel, "Forget", "There was nothing to delete.")


async def test_forget_expires_without_a_confirmation(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.discord_client.commands.forget_view._SECONDS_TO_CONFIRM", 0.3)
    channel = await stage.fresh_channel("expired")

    asked = await use(stage, stage.grace, channel, "forget")

    answer = await edited_to(stage, stage.grace, channel, asked, "Nothing was deleted because you did not confirm.")
    assert answer["components"] == []
