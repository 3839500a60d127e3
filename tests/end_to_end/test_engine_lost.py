"""The engine is killed in the middle of an answer."""

from __future__ import annotations

import psutil
import pytest

from tests.end_to_end.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_person_is_told_and_the_next_mention_is_answered(stage: Stage) -> None:
    channel, question, growing = await stage.long_answer(stage.ada)
    facts = stage.bot.application.engine.facts
    assert facts is not None

    psutil.Process(facts.process_id).kill()
    replies = await stage.answer(stage.ada, channel, question)

    assert replies[0]["content"].startswith(growing["content"][:20])
    assert "ask again" in replies[-1]["content"]
    assert "Paris" in await stage.ask(stage.ada, await stage.fresh_channel("after"), "What is the capital of France?")
    assert stage.bot.application.engine.restarts == 1
