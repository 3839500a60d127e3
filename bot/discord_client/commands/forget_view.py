"""The confirmation that `/forget` asks for, and the deletion."""

from __future__ import annotations

from typing import Any, Self

import discord

from bot.conversation.conversations import Conversations
from bot.conversation.store import ForgottenCount
from bot.discord_client.interaction_errors import refusals_logged, report_error
from bot.discord_client.replies.running_replies import RunningReplies

_SECONDS_TO_CONFIRM = 120.0


class ForgetView(discord.ui.View):
    """Asks for confirmation, then deletes what a member wrote.

    Args:
        command: the interaction whose private reply shows this view.
        conversations: deletes it from memory and store.
        running_replies: the answers that stop.
        channel: where to delete; None is everywhere. A text channel stands for its open threads, too.
    """

    def __init__(
        self,
        command: discord.Interaction,
        conversations: Conversations,
        running_replies: RunningReplies,
        channel: discord.abc.Snowflake | None,
    ) -> None:
        super().__init__(timeout=_SECONDS_TO_CONFIRM)
        self._command = command
        self._conversations = conversations
        self._running_replies = running_replies
        self._channel = channel

    @property
    def question(self) -> str:
        """What the member confirms."""
        where = "here" if self._channel is not None else "in every channel, thread and direct message"
        if isinstance(self._channel, discord.TextChannel):
            where = "here and in this channel's open threads"
        return (
            f"Delete everything you asked me {where}, with my answers, and your messages that others asked me about? "
            "This stops answers to you and cannot be undone; the messages on Discord stay."
        )

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Let nobody but the member of the command confirm."""
        if interaction.user.id == self._command.user.id:
            return True
        line = "Only the member who used `/forget` can confirm it. Use `/forget` yourself to delete what you wrote."
        await interaction.response.send_message(line, ephemeral=True)
        return False

    @discord.ui.button(label="Forget", style=discord.ButtonStyle.danger)
    async def forget(self, interaction: discord.Interaction, _: discord.ui.Button[Self]) -> None:
        """Delete, and say how much."""
        self.stop()
        with refusals_logged(interaction):  # who confirmed is forgotten, though the click may be gone
            await interaction.response.edit_message(content="Deleting…", view=None)
        channel_ids = self._channel_ids()
        interaction.client.dispatch("forget", interaction.user.id, channel_ids, interaction.id)
        stopped = self._stop_answers(interaction.user.id, channel_ids)
        forgotten = await self._conversations.forget(interaction.user.id, channel_ids)
        # By the command's token, which outlasts the view.
        await self._command.edit_original_response(content=forgotten_line(forgotten, stopped), view=None)

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: discord.Interaction, _: discord.ui.Button[Self]) -> None:
        """Delete nothing."""
        self.stop()
        await interaction.response.edit_message(content="Nothing was deleted.", view=None)

    async def on_timeout(self) -> None:
        """Remove the buttons."""
        line = "Nothing was deleted because you did not confirm. Use `/forget` again if you still want to."
        with refusals_logged(self._command):
            await self._command.edit_original_response(content=line, view=None)

    async def on_error(
        self, interaction: discord.Interaction[Any], error: Exception, _item: discord.ui.Item[Any], /
    ) -> None:
        """Reply to the member, who would wait otherwise."""
        await report_error(interaction, error)

    def _channel_ids(self) -> frozenset[int] | None:
        if self._channel is None:
            return None
        threads = self._channel.threads if isinstance(self._channel, discord.TextChannel) else ()
        return frozenset({self._channel.id, *(thread.id for thread in threads)})

    def _stop_answers(self, member_id: int, channel_ids: frozenset[int] | None) -> int:
        """Take back the member's running answers; return how many there were."""
        stopped = [
            reply.answer
            for reply in self._running_replies.all()
            if reply.asker_id == member_id
            and (channel_ids is None or reply.answer.question.key.channel_id in channel_ids)
        ]
        for answer in stopped:
            answer.take_back()
        return len(stopped)


def forgotten_line(forgotten: ForgottenCount | None, stopped: int) -> str:
    """Say what was deleted.

    Args:
        forgotten: None if an outage postpones the deletion.
        stopped: the number of running answers that were stopped.
    """
    if forgotten is None:
        return "I no longer use what you wrote. It will be deleted as soon as the database is back."
    parts = []
    if forgotten.turns:
        parts.append(f"{_count(forgotten.turns, 'question')} with {_answers(forgotten.turns)}")
    if forgotten.quotes:
        parts.append(f"{_count(forgotten.quotes, 'message')} that others asked about")
    lines = [f"Deleted {' and '.join(parts)}."] if parts else []
    if stopped:
        lines.append(f"Stopped {_count(stopped, 'answer')}.")
    return " ".join(lines) or "There was nothing to delete."


def _count(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def _answers(count: int) -> str:
    return "its answer" if count == 1 else "their answers"
