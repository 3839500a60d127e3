"""A thinking model on Discord: its thought is never shown as an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo.loopback import Subscription
from bot.prompting.prompt import PromptBuilder
from tests.answering.scripted_engine import ScriptedEngine
from tests.end_to_end.stage import Stage, answer_of, online
from tests.thinking_models import ids_of, thinking_builder, thinking_template

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "They ask for the capital, which I know."
ANSWER = "It is Paris."


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    template = thinking_template(begun_by_prompt=True)
    return thinking_builder(tmp_path_factory.mktemp("thinking"), template, ("<think>", "</think>"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with online(tiny_chat_model_dir, show_thinking="spoiler") as stage:
        yield stage


def think(stage: Stage, builder: PromptBuilder, script: str, *, until: str) -> asyncio.Event:
    """Have the bot answer with a script, which waits for the returned event after its beginning."""
    engine = ScriptedEngine(ids_of(builder, script))
    gate = engine.gates[len(ids_of(builder, until))] = asyncio.Event()
    answering = stage.bot.application.answering
    answering.adopt(replace(answering.model, engine=engine, builder=builder))
    return gate


async def all_shown(subscription: Subscription, channel: int) -> list[str]:
    """Everything that the channel has shown since the subscription."""
    subscription.close()
    events = [event async for event in subscription if event.kind in ("message", "message_edit")]
    return [event.data["content"] for event in events if event.data["channel_id"] == str(channel)]


async def test_a_thought_is_announced_hidden_and_forgotten(stage: Stage, builder: PromptBuilder) -> None:
    gate = think(stage, builder, f"\n{SECRET}\n</think>\n\n{ANSWER}", until=f"\n{SECRET}")
    channel = await stage.fresh_channel("thinking")
    seen = stage.discord.subscribe()
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")

    thinking = await stage.streaming(stage.ada, channel, question)
    assert thinking["content"].startswith("-# Thinking …")
    gate.set()
    [reply] = await stage.answer(stage.ada, channel, question)

    assert reply["id"] == thinking["id"]
    assert reply["content"] == f"{ANSWER}\n||{SECRET}||"
    contents = await all_shown(seen, channel)
    assert thinking["content"] in contents
    assert not any("think>" in content or "\nThey" in content for content in contents)
    [turn] = await stage.remembered(channel)
    assert answer_of(turn).content.strip() == ANSWER
    prompt = await stage.next_prompt(channel, "And of Italy?")
    assert ANSWER in prompt.text
    assert "They ask" not in prompt.text


async def test_an_answer_that_is_stopped_in_its_thought_says_so(stage: Stage, builder: PromptBuilder) -> None:
    think(stage, builder, f"\n{SECRET}\n</think>\n\n{ANSWER}", until=f"\n{SECRET}")
    channel = await stage.fresh_channel("stopped")
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")

    [reply] = await stage.stop(stage.ada, channel, question)

    assert reply["content"] == f"Stopped while I was thinking.\n||{SECRET}||"
    assert await stage.remembered(channel) == []


async def test_an_answer_that_repeats_itself_is_cut_and_says_so(stage: Stage, builder: PromptBuilder) -> None:
    again = "And again the very same. " * 40
    think(stage, builder, f"</think>{ANSWER}{again}", until=f"</think>{ANSWER}").set()
    channel = await stage.fresh_channel("repeating")
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")

    [reply] = await stage.answer(stage.ada, channel, question)

    text, note = reply["content"].split("\n-# ")
    assert note == "I began to repeat myself, so I ended this answer. Ask in other words."
    assert text.startswith(ANSWER)
    assert text.count("the very same") <= 3
    [turn] = await stage.remembered(channel)
    assert answer_of(turn).content.split() == text.split()
