"""When the buttons below an older answer are removed, in virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bot.discord_client.replies import button_edits
from bot.discord_client.replies.button_edits import ButtonEdits
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.rest.pace import RequestPace
from bot.discord_client.rest.urgency import Action, Urgency
from tests.virtual_time import run_in_virtual_time

CHANNEL = 1


def test_old_buttons_go_in_a_channel_in_which_an_answer_always_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    run_in_virtual_time(_removes_buttons(monkeypatch))


async def _removes_buttons(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = asyncio.get_running_loop().time
    monkeypatch.setattr(button_edits, "time", SimpleNamespace(monotonic=clock))
    pace, removed = RequestPace(clock), asyncio.Event()

    async def grow() -> None:
        while True:
            async with pace.slot(Action.EDIT, CHANNEL, Urgency.GROWING_TEXT, clock()):
                await asyncio.sleep(0.1)
            await asyncio.sleep(1.2)

    async def edit(**_: Any) -> None:
        removed.set()

    async def last_message() -> Any:
        return SimpleNamespace(id=2, channel=SimpleNamespace(id=CHANNEL), edit=edit)

    growing = asyncio.create_task(grow())
    with pace.growing(CHANNEL):
        await asyncio.sleep(1)
        ButtonEdits(pace, RunningReplies()).begin(3, last_message, lambda: None)
        async with asyncio.timeout(60):
            await removed.wait()
    growing.cancel()
