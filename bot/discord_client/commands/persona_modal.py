"""The form of `/persona set`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot.discord_client.interaction_errors import report_error

_LONGEST_TEXT = 4000  # Discord's limit


class PersonaModal(discord.ui.Modal):
    """Asks for a persona.

    Args:
        scope_name: names the scope to the member, such as "this channel".
        current: the persona that the scope has, "" for none.
        on_text: called with the interaction and the stripped text.
    """

    def __init__(
        self, scope_name: str, current: str, on_text: Callable[[discord.Interaction, str], Awaitable[None]]
    ) -> None:
        super().__init__(title=f"Persona of {scope_name}")
        self._on_text = on_text
        self._text: discord.ui.TextInput[PersonaModal] = discord.ui.TextInput(
            custom_id="persona",
            style=discord.TextStyle.paragraph,
            placeholder="You are a pirate. Answer briefly, and never without a joke.",
            default=current or None,
            required=False,
            max_length=_LONGEST_TEXT,
        )
        self.add_item(
            discord.ui.Label(
                text="Instructions for every conversation",
                description="Replaces the default. Leave it empty to clear the persona.",
                component=self._text,
            )
        )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Pass on the text."""
        await self._on_text(interaction, self._text.value.strip())

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, /) -> None:  # type: ignore[override]  # as in discord.py
        """Reply to the member, who would wait otherwise."""
        await report_error(interaction, error)
