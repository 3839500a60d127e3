"""Editors of replies for tests, and what members see of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import discord

from bot.discord_client.replies.channel_transport import ChannelTransport
from bot.discord_client.replies.refusal_reports import RefusalReports
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.reply_messages import ReplyMessages
from bot.discord_client.rest.pace import RequestPace
from tests.discord_client.stage import Stage

FAST = 0.05


class Record:
    """Records which messages show the answer."""

    def __init__(self) -> None:
        self.messages: dict[int, int] = {}

    async def sent(self, position: int, message_id: int) -> None:
        self.messages[position] = message_id

    async def about_to_delete(self, message_id: int) -> None:
        self.messages = {position: each for position, each in self.messages.items() if each != message_id}


def editor_for(
    question: discord.Message,
    *,
    max_messages: int = 3,
    edit_seconds: float = FAST,
    record: Record | None = None,
    sent: Sequence[discord.Message] = (),
    pace: RequestPace | None = None,
    ping_at: float = math.inf,
    reports: RefusalReports | None = None,
) -> ReplyEditor:
    pace = pace or RequestPace()
    client = question._state._get_client()
    return ReplyEditor(
        question,
        pace,
        ReplyMessages(
            question.id,
            ChannelTransport(question, question.guild.me.id if question.guild else 0),
            record or Record(),
            sent,
        ),
        max_messages=max_messages,
        reports=reports or RefusalReports(client, pace),
        ping_at=ping_at,
        edit_seconds=edit_seconds,
    )


async def shown(stage: Stage, condition: Callable[[list[str]], Any]) -> None:
    """Wait until members see texts that meet the condition."""
    await stage.server.wait_for(lambda: condition(stage.texts()), 15, what=f"other texts than {stage.texts()}")


def ends_with(ending: str) -> Callable[[list[str]], bool]:
    return lambda texts: bool(texts) and texts[-1].endswith(ending)
