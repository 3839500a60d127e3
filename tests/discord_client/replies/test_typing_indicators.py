"""The typing indicator: one for each channel, and only while something is about to appear."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from bot.discord_client.replies.typing_indicators import TypingIndicators
from bot.discord_client.rest.pace import RequestPace
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


def typing_requests(stage: Stage) -> int:
    return sum(call.path == f"/channels/{stage.channel}/typing" for call in stage.server.calls)


async def until_idle(stage: Stage) -> None:
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == f"typing in {stage.channel}"))


async def test_many_answers_in_a_channel_share_one_indicator(stage: Stage) -> None:
    channel = (await stage.say("Hello")).channel
    indicators = TypingIndicators(RequestPace())
    with ExitStack() as answers:
        for _ in range(20):
            answers.enter_context(indicators.shown(channel))
        await stage.server.wait_for(lambda: bool(stage.server.typing(stage.channel)), what="the indicator")
    await until_idle(stage)
    assert typing_requests(stage) == 1


async def test_it_is_shown_again_until_the_last_answer_has_text(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.discord_client.replies.typing_indicators._INTERVAL_SECONDS", 0.05)
    channel = (await stage.say("Hello")).channel
    indicators = TypingIndicators(RequestPace())
    with indicators.shown(channel):
        await stage.server.wait_for(lambda: typing_requests(stage) >= 3, what="the indicator three times")
    await until_idle(stage)
    with indicators.shown(channel):
        before = typing_requests(stage)
        await stage.server.wait_for(lambda: typing_requests(stage) > before, what="the next answer's indicator")
    await until_idle(stage)


async def test_an_answer_that_has_text_at_once_shows_none(stage: Stage) -> None:
    channel = (await stage.say("Hello")).channel
    with TypingIndicators(RequestPace()).shown(channel):
        pass
    await until_idle(stage)
    assert typing_requests(stage) == 0


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_refusal_bothers_nobody(stage: Stage, status: int) -> None:
    channel = (await stage.say("Hello")).channel
    stage.server.fail_next("POST", f"/channels/{stage.channel}/typing", status, retry_after=0.1)
    with TypingIndicators(RequestPace()).shown(channel):
        await stage.server.wait_for(lambda: typing_requests(stage) >= 1, what="the refused indicator")
    await until_idle(stage)


async def test_an_error_of_one_indicator_leaves_the_next_one_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = stage.client.get_partial_messageable(stage.channel)
    indicators = TypingIndicators(RequestPace())

    async def fail() -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, indicators.shown(channel):
        patch.setattr(channel, "typing", fail, raising=False)
        with pytest.raises(ZeroDivisionError):
            await until_idle(stage)
    with indicators.shown(channel):
        await stage.server.wait_for(lambda: typing_requests(stage) == 1, what="the indicator")
    await until_idle(stage)
