"""A bot with a small context summarizes what it will drop, and nobody sees more of that than `/context` shows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.conversation.turn import ConversationKey
from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.commands import use
from tests.end_to_end.stage import Stage, online, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = {"max_new_tokens": 20, "max_prompt_tokens": 400}


async def fill(stage: Stage, channel: int) -> None:
    """Talk until a summary is due."""
    answering = stage.bot.application.answering
    due = None
    while due is None:
        await stage.ask(stage.ada, channel, "Our boat is called Minnow. It is green and old, and it leaks a little.")
        opened = await answering.conversations.peek(ConversationKey(channel))
        due = answering.model.window.summary_prompt(opened.system_prompt, opened.branch)


async def test_a_summary_is_made_after_a_restart_and_shown_in_context(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, compaction="off", **SMALL) as stage:
            channel = await stage.fresh_channel("boats")
            await fill(stage, channel)
            await asyncio.sleep(1.5)  # it would look once a second
            assert not any(turn.is_summary for turn in await stage.remembered(channel))
            before = [message["content"] for message in discord.messages(stage.ada.id, channel)]
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, **SMALL) as stage:

            async def is_summarized() -> bool:
                return any(turn.is_summary for turn in await stage.remembered(channel))

            await until(is_summarized)
            assert [message["content"] for message in discord.messages(stage.ada.id, channel)] == before
            response = await use(stage, stage.grace, channel, "context")
            assert "**Summary that will replace the oldest turns:**" in response["content"]
