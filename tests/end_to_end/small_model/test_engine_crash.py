"""The engine process is killed in the middle of an answer."""

from __future__ import annotations

import psutil
import pytest

from tests.end_to_end.stage import Stage, answer_of

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_the_asker_sees_a_pause_and_then_the_rest(stage: Stage) -> None:
    channel, question, so_far = await stage.long_answer(stage.ada)
    restarts = stage.bot.application.metrics.restarts
    facts = stage.bot.application.serving.facts
    assert facts is not None

    psutil.Process(facts.process_id).kill()
    replies = await stage.answer(stage.ada, channel, question)

    assert replies[0]["content"].startswith(so_far["content"][:20])
    [turn] = await stage.remembered(channel)
    shown = " ".join(reply["content"] for reply in replies).split("\n-# ")[0]
    assert shown.split() == answer_of(turn).content.split()
    assert "Paris" in await stage.ask(stage.ada, await stage.fresh_channel("after"), "What is the capital of France?")
    assert stage.bot.application.metrics.restarts == restarts + 1
