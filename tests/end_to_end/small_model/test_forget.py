"""`/forget` while answers stream."""

from __future__ import annotations

import pytest

from tests.end_to_end.commands import forget
from tests.end_to_end.stage import ENDLESS, Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_forget_stops_the_members_running_answers(stage: Stage) -> None:
    elsewhere, channel = await stage.fresh_channel("to Ada"), await stage.fresh_channel("to Grace")
    ongoing = await stage.mention(stage.ada, elsewhere, ENDLESS)
    question = await stage.mention(stage.grace, channel, ENDLESS)
    await stage.streaming(stage.ada, elsewhere, ongoing)
    await stage.streaming(stage.grace, channel, question)

    answer = await forget(stage, channel, "Forget", "Stopped 1 answer.")

    assert answer["content"] == "Stopped 1 answer."
    running = stage.bot.application.client.running_replies
    await until(lambda: running.get(question) is None)
    assert await stage.remembered(channel) == []
    others = running.get(ongoing)
    assert others is not None, "the other member's answer continues"
    others.answer.stop()
    await stage.answer(stage.ada, elsewhere, ongoing)
