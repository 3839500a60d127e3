"""`/ask`, and "Ask Phi about this" in the menu of a message."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.commands.ask_modal import AskModal
from bot.discord_client.commands.everywhere import EVERY_CONTEXT, EVERY_INSTALLATION, everywhere
from bot.discord_client.incoming.asked_interaction import asker_may_write
from bot.discord_client.incoming.interaction_intake import InteractionIntake

MENU_NAME = "Ask Phi about this"
_FORM_ID = "ask-about:"
_FORM_IS_OLD = "I restarted while you were writing. Open the message's menu and ask again."


class AskCommands(commands.Cog):
    """The commands that ask.

    Args:
        client: gets the menu.
        intake: answers them.
        scopes: knows where others could see an answer.
    """

    def __init__(self, client: commands.Bot, intake: InteractionIntake, scopes: ChannelScopes) -> None:
        self._client = client
        self._intake = intake
        self._scopes = scopes
        self._form_prefix = f"{_FORM_ID}{secrets.token_hex(4)}:"  # another one after a restart
        self._menu = app_commands.ContextMenu(
            name=MENU_NAME,
            callback=self._ask_about,
            allowed_contexts=EVERY_CONTEXT,
            allowed_installs=EVERY_INSTALLATION,
        )

    async def cog_load(self) -> None:
        """Add the menu, which a cog cannot have by itself."""
        self._client.tree.add_command(self._menu)

    async def cog_unload(self) -> None:
        """Remove it."""
        self._client.tree.remove_command(self._menu.name, type=self._menu.type)

    @app_commands.command()
    @everywhere
    @app_commands.describe(
        question="What you want to know",
        file="A text file to read with it",
        private="Show the answer to you alone",
    )
    async def ask(
        self,
        interaction: discord.Interaction,
        question: str,
        file: discord.Attachment | None = None,
        private: bool = False,
    ) -> None:
        """Ask me something."""
        await self._intake.ask(interaction, question, file=file, is_private=private)

    async def _ask_about(self, interaction: discord.Interaction, message: discord.Message) -> None:
        """Ask about a message. Discord delivers it with the interaction, also without the message-content intent."""
        data = cast(Mapping[str, Any], interaction.data)
        # Copied, because discord.py builds its objects from it, and stored with the question.
        target = copy.deepcopy(data["resolved"]["messages"][str(message.id)])
        if message.type is discord.MessageType.reply:
            target.pop("referenced_message", None)  # somebody else's, who could not have it forgotten
        form = AskModal(
            f"{self._form_prefix}{interaction.id}",
            offers_privacy=not self._scopes.place_of(interaction).is_direct and asker_may_write(interaction),
            on_question=partial(self._ask_target, target, interaction.id),
        )
        await interaction.response.send_modal(form)

    async def _ask_target(
        self,
        target: Mapping[str, Any],
        opened_id: int,
        interaction: discord.Interaction,
        question: str,
        is_private: bool,
    ) -> None:
        await self._intake.ask(interaction, question, target=target, opened_id=opened_id, is_private=is_private)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Answer a form that a start before this one opened: its message is not known any more."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        custom_id = str(cast(Mapping[str, Any], interaction.data)["custom_id"])
        if custom_id.startswith(_FORM_ID) and not custom_id.startswith(self._form_prefix):
            await interaction.response.send_message(_FORM_IS_OLD, ephemeral=True)
