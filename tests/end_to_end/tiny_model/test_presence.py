"""The presence says whether the bot is free."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
import pytest
import pytest_asyncio

from bot.demo.loopback import LoopbackDiscord
from bot.discord_client.events import presence
from tests.end_to_end.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")

FREE = ("online", "Free")


def shown(discord: LoopbackDiscord) -> tuple[str, str] | None:
    """The status and the text that members see."""
    return _of(discord.bot_presence)


def _of(data: Any) -> tuple[str, str] | None:
    if not data or not data["activities"]:
        return None
    [activity] = data["activities"]
    return data["status"], activity["state"]


@pytest_asyncio.fixture(autouse=True, loop_scope="package")
async def quick(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_SECONDS", 0.05)
    # A pause that began before that is as long as ever. It ends with the next change.
    with stage.bot.application.answering.queue.join("quick", "quick"):
        await stage.discord.wait_for(lambda: shown(stage.discord) == ("idle", "Answering 1 question"))


async def test_it_says_how_many_questions_are_answered_and_wait(stage: Stage) -> None:
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)
    queue = stage.bot.application.answering.queue
    tickets = [queue.join(number, number) for number in range(3)]
    try:
        await stage.discord.wait_for(lambda: shown(stage.discord) == ("idle", "Answering 3 questions"))
        queue.pause()
        tickets.append(queue.join(3, 3))
        await stage.discord.wait_for(lambda: shown(stage.discord) == ("dnd", "Answering 3 questions, 1 waiting"))
        queue.resume()
        for ticket in tickets[1:]:
            ticket.leave()
        await stage.discord.wait_for(lambda: shown(stage.discord) == ("idle", "Answering 1 question"))
    finally:
        for ticket in tickets:
            ticket.leave()
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)


async def test_an_engine_that_restarts_is_shown(stage: Stage) -> None:
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)
    facts = stage.bot.application.serving.facts
    assert facts is not None
    psutil.Process(facts.process_id).kill()
    await stage.discord.wait_for(lambda: shown(stage.discord) == ("dnd", "Restarting my engine"))
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE, 60)


@pytest.mark.parametrize("is_resumed", [True, False])
async def test_a_new_connection_shows_it_again(stage: Stage, is_resumed: bool) -> None:
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)
    queue = stage.bot.application.answering.queue
    with queue.join("connection", "connection"):
        await (stage.discord.drop_gateway() if is_resumed else stage.discord.invalidate_session())
        await stage.discord.wait_for(lambda: shown(stage.discord) == ("idle", "Answering 1 question"))
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)


async def test_it_changes_no_more_often_than_discord_allows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)
    seconds, queue = 0.3, stage.bot.application.answering.queue
    monkeypatch.setattr(presence, "_SECONDS", seconds)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        with queue.join("short", "short"):
            await stage.discord.wait_for(lambda: shown(stage.discord) == ("idle", "Answering 1 question"))
        await stage.discord.wait_for(lambda: shown(stage.discord) == FREE)
    # The first change may follow a shorter pause.
    assert asyncio.get_running_loop().time() - began > 4 * seconds
