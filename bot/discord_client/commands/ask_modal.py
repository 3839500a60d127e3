"""The form of the menu of a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot.discord_client.interaction_errors import report_error

_LONGEST_QUESTION = 4000  # Discord's limit
_SECONDS_TO_WRITE = 24 * 3600.0
_EVERYBODY, _MEMBER = "everybody", "member"


class AskModal(discord.ui.Modal):
    """Asks what a member wants to know about a message.

    Args:
        custom_id: of the form.
        offers_privacy: whether others could see the answer at all.
        on_question: called with the interaction, the question, which may be "", and whether the answer is private.
    """

    def __init__(
        self,
        custom_id: str,
        *,
        offers_privacy: bool,
        on_question: Callable[[discord.Interaction, str, bool], Awaitable[None]],
    ) -> None:
        super().__init__(title="Ask Phi about this message", custom_id=custom_id, timeout=_SECONDS_TO_WRITE)
        self._on_question = on_question
        self._question: discord.ui.TextInput[AskModal] = discord.ui.TextInput(
            custom_id="question",
            style=discord.TextStyle.paragraph,
            placeholder="What does it mean?",
            required=False,
            max_length=_LONGEST_QUESTION,
        )
        description = "Leave it empty to hear what I say to the message."
        self.add_item(discord.ui.Label(text="Your question", description=description, component=self._question))
        self._audience: discord.ui.Select[AskModal] | None = None
        if offers_privacy:
            self._audience = discord.ui.Select(
                custom_id="audience",
                options=[
                    discord.SelectOption(label="Everybody here", value=_EVERYBODY, default=True),
                    discord.SelectOption(label="Only me", value=_MEMBER),
                ],
                required=False,
            )
            self.add_item(discord.ui.Label(text="Who sees the answer", component=self._audience))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Pass on the question."""
        is_private = self._audience is not None and _MEMBER in self._audience.values
        await self._on_question(interaction, self._question.value, is_private)

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, /) -> None:  # type: ignore[override]  # as in discord.py
        """Reply to the member, who would wait otherwise."""
        await report_error(interaction, error)
