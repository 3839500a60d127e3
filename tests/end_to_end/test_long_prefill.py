"""Whoever asks something long sees how much the model reads before it answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.answering.scripted_engine import ScriptedEngine
from tests.end_to_end.stage import Stage, online

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_long_prefill_is_shown_until_the_answer_begins(tiny_chat_model_dir: Path) -> None:
    async with online(tiny_chat_model_dir) as stage:
        answering = stage.bot.application.answering
        engine = ScriptedEngine(answering.model.builder.tokenizer.encode("It is Paris."))
        answering.adopt(replace(answering.model, engine=engine))
        channel = await stage.fresh_channel("long")
        # The first prefill, of unknown speed, tells how long the second one takes.
        for unread, line in [(3000, "3,000 tokens to read before I can answer."), (300_000, "can answer (about ")]:
            engine.unread, gate = unread, asyncio.Event()
            engine.gates[0] = gate
            question = await stage.mention(stage.ada, channel, "What is the capital of France?")
            await stage.discord.wait_for(partial(shows, stage, channel, question, line), 60, what=line)
            gate.set()
            [reply] = await stage.answer(stage.ada, channel, question)
            assert reply["content"] == "It is Paris."


def shows(stage: Stage, channel: int, question: int, line: str) -> bool:
    return any(line in each["content"] for each in stage.replies(stage.ada, channel, question))
