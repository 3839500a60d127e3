"""The button that stops an answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import discord

from bot.discord_client.interaction_errors import report_error
from bot.discord_client.replies.running_replies import RunningReplies


class StopButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]],
    template=r"stop:(?P<question>\d+)",
):
    """Stops the answer to one message. Its custom id names that message, so it still works after a restart."""

    def __init__(self, question_id: int) -> None:
        self.question_id = question_id
        super().__init__(
            discord.ui.Button(label="Stop", style=discord.ButtonStyle.secondary, custom_id=stop_id(question_id))
        )

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 - discord.py's signature
        item: discord.ui.Item[Any],  # noqa: ARG003 - as above
        match: re.Match[str],
        /,
    ) -> Self:
        """Rebuild the button from a click on it."""
        return cls(int(match["question"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Stop the answer, if the member may."""
        try:
            await self._stop(interaction)
        except Exception as error:  # noqa: BLE001 - discord.py has no handler for errors of dynamic items
            await report_error(interaction, error)

    async def _stop(self, interaction: discord.Interaction[Any]) -> None:
        running_replies: RunningReplies = interaction.client.running_replies
        reply = running_replies.get(self.question_id)
        if reply is None:
            # From before a restart, or clicked at the very end.
            await interaction.response.edit_message(view=None)
        elif interaction.user.id != reply.asker_id and not interaction.permissions.manage_messages:
            await interaction.response.send_message(
                "Only the member who asked or a moderator can stop this answer.", ephemeral=True
            )
        else:
            reply.answer.stop()
            await interaction.response.defer()


def stop_id(question_id: int) -> str:
    """The custom id of a message's Stop button."""
    return f"stop:{question_id}"


@dataclass(frozen=True, slots=True)
class StopButtons:
    """The buttons below a growing answer."""

    question_id: int

    def view(self) -> discord.ui.View:
        """The buttons, new for each request."""
        view = discord.ui.View(timeout=None)
        view.add_item(StopButton(self.question_id))
        return view
