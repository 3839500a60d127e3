"""The question whether somebody's words shall be deleted, and what comes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Self

import discord

from bot.conversation.conversations import Conversations
from bot.conversation.store import ForgottenCount
from bot.discord_client.commands.interaction_errors import tell_error
from bot.discord_client.replies.running_replies import RunningReplies

_SECONDS_TO_CONFIRM = 120.0


class ForgetView(discord.ui.View):
    """Asks once more, then deletes what a person wrote.

    Args:
        asked_by: the use of the command; its private answer shows this view.
        conversations: what is remembered.
        running_replies: the answers on their way.
        channel_id: where to delete; None is everywhere.
    """

    def __init__(
        self,
        asked_by: discord.Interaction,
        conversations: Conversations,
        running_replies: RunningReplies,
        channel_id: int | None,
    ) -> None:
        super().__init__(timeout=_SECONDS_TO_CONFIRM)
        self._asked_by = asked_by
        self._conversations = conversations
        self._running_replies = running_replies
        self._channel_id = channel_id

    @property
    def question(self) -> str:
        """What the person is asked."""
        where = "here" if self._channel_id is not None else "in every channel, thread and direct message"
        return (
            f"Delete everything you asked me {where}, with my answers, and your messages that others asked me about? "
            "This stops answers to you and cannot be undone; the messages on Discord stay."
        )

    @discord.ui.button(label="Forget", style=discord.ButtonStyle.danger)
    async def forget(self, interaction: discord.Interaction, _: discord.ui.Button[Self]) -> None:
        """Delete it, and say how much that was."""
        self.stop()
        await interaction.response.edit_message(content="Deleting…", view=None)
        stopped = self._stop_answers(interaction.user.id)
        forgotten = await self._conversations.forget(interaction.user.id, self._channel_id)
        await interaction.edit_original_response(content=forgotten_line(forgotten, stopped))

    @discord.ui.button(label="Cancel", style=discord.ButtonStyle.secondary)
    async def cancel(self, interaction: discord.Interaction, _: discord.ui.Button[Self]) -> None:
        """Leave everything as it is."""
        self.stop()
        await interaction.response.edit_message(content="Nothing was deleted.", view=None)

    async def on_timeout(self) -> None:
        """Take the buttons away."""
        line = "Nothing was deleted because you did not confirm. Use `/forget` again if you still want to."
        with suppress(discord.NotFound):  # dismissed by the person, who alone could see it
            await self._asked_by.edit_original_response(content=line, view=None)

    async def on_error(
        self, interaction: discord.Interaction[Any], error: Exception, _item: discord.ui.Item[Any], /
    ) -> None:
        """Tell the person, who would wait otherwise."""
        await tell_error(interaction, error)

    def _stop_answers(self, person_id: int) -> int:
        """End the person's answers on their way, so that nothing of them is remembered; return how many."""
        stopped = [
            reply.answer
            for reply in self._running_replies.all()
            if reply.asker_id == person_id and self._channel_id in (None, reply.answer.question.key.channel_id)
        ]
        for answer in stopped:
            answer.take_back()
        return len(stopped)


def forgotten_line(forgotten: ForgottenCount | None, stopped: int) -> str:
    """What came of it.

    Args:
        forgotten: how much was deleted; None if that will be done later.
        stopped: how many answers on their way were stopped.
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
