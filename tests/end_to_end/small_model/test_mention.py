"""A mention and its answer, over a real connection and with a real model."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from bot.prompting.prompt import Message
from bot.settings import load_settings
from tests.answering.scripted_engine import ScriptedEngine
from tests.end_to_end.commands import use
from tests.end_to_end.stage import Stage, answer_of, stop_button

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_mention_gets_a_sensible_reply(stage: Stage) -> None:
    channel = await stage.fresh_channel("capitals")
    question = await stage.mention(stage.ada, channel, "what is the capital of France?")

    [reply] = await stage.answer(stage.ada, channel, question)

    assert "Paris" in reply["content"]
    assert reply["message_reference"]["message_id"] == str(question)
    assert reply["mentions"] == []


async def test_typing_shows_until_the_text_starts(stage: Stage) -> None:
    channel = await stage.fresh_channel("typing")
    await stage.mention(stage.ada, channel, "What is the capital of Italy?")

    await stage.discord.wait_for(lambda: stage.discord.bot.id in stage.discord.typing(channel), 10)
    await stage.discord.wait_for(lambda: not stage.discord.typing(channel), 30)


async def test_a_message_without_a_mention_gets_no_reply(stage: Stage) -> None:
    channel = await stage.fresh_channel("quiet")
    ignored = await stage.discord.send(stage.ada.id, channel, "anybody here?")
    answered = await stage.mention(stage.ada, channel, "Hello!")

    await stage.answer(stage.ada, channel, answered)

    assert stage.replies(stage.ada, channel, ignored) == []


async def test_a_bare_mention_gets_a_hint(stage: Stage) -> None:
    channel = await stage.fresh_channel("bare")
    question = await stage.discord.send(stage.ada.id, channel, f"<@{stage.discord.bot.id}>")

    [reply] = await stage.discord.wait_for(lambda: stage.replies(stage.ada, channel, question))

    assert "question" in reply["content"]


async def test_a_conversation_is_remembered_and_its_prompt_only_grows(stage: Stage) -> None:
    channel = await stage.fresh_channel("memory")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    [turn] = await stage.remembered(channel)
    generated = answer_of(turn).ids
    assert generated
    builder = stage.bot.application.answering.model.builder
    system = Message("system", load_settings(env_file=None).system_prompt)
    first = builder.build([system, Message("user", "What is the capital of France?")]).ids + generated

    await stage.ask(stage.ada, channel, "What is the capital of Italy?")

    assert (await stage.next_prompt(channel, "And Spain?")).ids[: len(first)] == first


async def test_two_members_share_a_channel_under_their_names(stage: Stage) -> None:
    channel = await stage.fresh_channel("two members")
    await stage.discord.send(stage.grace.id, channel, "hello")  # joins the thread

    assert "Paris" in await stage.ask(stage.ada, channel, "What is the capital of France?")
    assert "Madrid" in await stage.ask(stage.grace, channel, "What is the capital of Spain?")
    prompt = (await stage.next_prompt(channel, "Thank you both.")).text
    for said in (
        "\nWhat is the capital of France?",
        "\n(Until now Ada was speaking.)\n[Grace] What is the capital of Spain?",
    ):
        assert said in prompt
    assert "[Ada] Thank you both." in prompt


async def test_two_members_are_answered_at_once_in_one_channel(stage: Stage) -> None:
    channel, long_question, reply = await stage.long_answer(stage.ada)

    assert "Paris" in await stage.ask(stage.grace, channel, "What is the capital of France?")

    running = stage.bot.application.client.running_replies.get(long_question)
    assert running is not None, "the long answer ended before the short one: nothing ran at once"
    await stage.discord.click(stage.ada.id, channel, int(reply["id"]), stop_button(reply))
    await stage.answer(stage.ada, channel, long_question)
    first, last = await stage.remembered(channel)
    assert (last.id, last.parent_id) == (long_question, first.id)


async def test_two_channels_are_answered_at_once_and_do_not_mix(stage: Stage) -> None:
    first, long_question, reply = await stage.long_answer(stage.ada)
    second = await stage.fresh_channel("second")

    assert "Paris" in await stage.ask(stage.ada, second, "What is the capital of France?")

    running = stage.bot.application.client.running_replies.get(long_question)
    assert running is not None, "the long answer ended before the short one: nothing ran at once"
    await stage.discord.click(stage.ada.id, first, int(reply["id"]), stop_button(reply))
    await stage.answer(stage.ada, first, long_question)
    assert await stage.questions(second) == ["What is the capital of France?"]


async def test_a_direct_message_needs_no_mention_and_no_name(stage: Stage) -> None:
    channel = await stage.discord.open_dm(stage.ada.id)
    question = await stage.discord.send(stage.ada.id, channel, "What is the capital of France?")

    [reply] = await stage.answer(stage.ada, channel, question)

    assert "Paris" in reply["content"]
    assert await stage.questions(channel) == ["What is the capital of France?"]


async def test_a_long_answer_is_split_into_messages_that_discord_accepts(stage: Stage) -> None:
    answering = stage.bot.application.answering
    model = answering.model
    # What the small model itself writes at such length repeats itself, and is cut.
    long = " ".join(f"This is sentence number {number}." for number in range(100))
    engine = ScriptedEngine(model.builder.tokenizer.encode(long))
    engine.piece = 7  # as where drafts are right
    answering.adopt(replace(model, engine=engine))
    channel = await stage.fresh_channel("long")
    question = await stage.mention(stage.ada, channel, "Tell me a story about a dragon.")
    replies = await stage.answer(stage.ada, channel, question)
    answering.adopt(model)
    whole = answer_of((await stage.remembered(channel))[-1]).content

    assert len(replies) >= 2
    assert all(0 < len(reply["content"]) <= 2000 for reply in replies)
    shown = " ".join(reply["content"] for reply in replies).split("\n-# ")[0]
    assert shown.split() == whole.split()


@pytest.mark.parametrize(
    ("is_cut_off", "expected"),
    [
        (False, "Fences look like\n\\`\\`\\`\nand are easy."),
        (True, "Fences look like\n```\nand are easy\n```"),
    ],
)
async def test_a_fence_that_never_ends_is_code_only_in_an_answer_that_was_cut_off(
    stage: Stage, is_cut_off: bool, expected: str
) -> None:
    answering = stage.bot.application.answering
    model = answering.model
    ids = model.builder.tokenizer.encode("Fences look like\n```\nand are easy.")
    budget = replace(model.budget, max_new_tokens=len(ids) - is_cut_off)
    answering.adopt(replace(model, engine=ScriptedEngine(ids), budget=budget))
    channel = await stage.fresh_channel("fences")
    mention = f"<@{stage.discord.bot.id}> How do fences look?"
    question = await stage.discord.send(stage.ada.id, channel, mention, files=[("cat.png", b"PNG")])
    [reply] = await stage.answer(stage.ada, channel, question)
    answering.adopt(model)
    text, note = reply["content"].split("\n-# ", 1)
    assert text == expected
    assert "cat.png" in note


async def test_stop_ends_an_answer_and_keeps_its_text(stage: Stage) -> None:
    channel, question, reply = await stage.long_answer(stage.ada)

    await stage.discord.click(stage.ada.id, channel, int(reply["id"]), stop_button(reply))
    replies = await stage.answer(stage.ada, channel, question)

    text, note = "\n".join(reply["content"] for reply in replies).rsplit("\n-# ", 1)
    assert note == "Stopped."
    [turn] = await stage.remembered(channel)
    assert answer_of(turn).content.split() == text.split()


async def test_model_info_answers_at_once_while_every_core_generates(stage: Stage) -> None:
    busy = [await stage.long_answer(stage.ada) for _ in range(3)]
    active = stage.bot.application.answering.queue.running
    assert active >= 2

    asked_at = time.monotonic()
    channel = stage.discord.channels[1].id
    info = await use(stage, stage.grace, channel, "model info")
    took = time.monotonic() - asked_at

    for busy_channel, question, _ in busy:
        if running := stage.bot.application.client.running_replies.get(question):
            running.answer.stop()
        await stage.answer(stage.ada, busy_channel, question)
    assert took < 2, "the command waited for an answer"
    for text in (
        "SmolLM2-135M-Instruct",
        "Q4_1",
        "GB",
        "8,192 tokens",
        "CPU",
        "tokens/s",
        f"{active} running, 0 waiting",
    ):
        assert text in info["content"]
    seen_by_ada = [message["id"] for message in stage.discord.messages(stage.ada.id, channel)]
    assert info["id"] not in seen_by_ada, "only the asker sees it"
