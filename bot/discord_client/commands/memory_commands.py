"""`/reset`, `/context` and `/forget`: members control what the bot remembers."""

from __future__ import annotations

import asyncio
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.answering.service import AnswerService
from bot.conversation.tree import OpenConversation
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.commands.context_summary import context_text
from bot.discord_client.commands.everywhere import everywhere
from bot.discord_client.commands.forget_view import ForgetView
from bot.discord_client.commands.persona_scopes import scope_name
from bot.discord_client.interaction_errors import refusals_logged
from bot.discord_client.replies.running_replies import RunningReplies

_RESET = "The next question here starts a new conversation. To continue an old one, reply to one of its answers."

_PRIVATE = "**Your private questions here**"


class MemoryCommands(commands.Cog):
    """The slash commands about memory.

    Args:
        answering: owns the conversations.
        running_replies: the answers that `/forget` may stop.
        scopes: maps channels to conversations and personas.
    """

    def __init__(self, answering: AnswerService, running_replies: RunningReplies, scopes: ChannelScopes) -> None:
        self._answering = answering
        self._running_replies = running_replies
        self._scopes = scopes

    @app_commands.command()
    @everywhere
    async def reset(self, interaction: discord.Interaction) -> None:
        """Start a new conversation here. The old one can still be continued by a reply."""
        keys = self._scopes.keys(interaction)
        is_own = keys[0].person_id != 0  # a shared conversation concerns everybody here, so everybody sees the reply
        # At once, so that a question that arrives before Discord confirms the defer starts the new conversation.
        resets = (self._answering.conversations.reset(key, interaction.id) for key in keys)
        await asyncio.gather(*resets, _acknowledge(interaction, is_private=is_own))
        await interaction.edit_original_response(content=_RESET)

    @app_commands.command()
    @everywhere
    async def context(self, interaction: discord.Interaction) -> None:
        """Show how full my context is here, and what I can still see of the conversation."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        keys = self._scopes.keys(interaction)
        opened = [await self._answering.conversations.peek(key) for key in keys]
        # First what mentions continue, then what only the member sees.
        for each in [opened[0], *(private for private in opened[1:] if private.branch)]:
            text = await self._context_text(each, interaction, "" if each is opened[0] else _PRIVATE)
            await interaction.followup.send(text, ephemeral=True, suppress_embeds=True)

    async def _context_text(self, opened: OpenConversation, interaction: discord.Interaction, title: str) -> str:
        window, personas = self._answering.model.window, self._answering.conversations.personas
        persona = await personas.first(self._scopes.of(opened.conversation.key.channel_id))
        usage = await asyncio.to_thread(window.usage, opened.system_prompt, opened.branch)
        source = scope_name(persona and persona[0], interaction)
        return context_text(opened, usage, window.budget.prompt_limit, source, title)

    @app_commands.command()
    @everywhere
    @app_commands.describe(where="Only here, or in every channel, thread and direct message")
    async def forget(self, interaction: discord.Interaction, where: Literal["here", "everywhere"] = "here") -> None:
        """Delete what you asked me, with my answers."""
        channel = _channel(interaction) if where == "here" else None
        view = ForgetView(interaction, self._answering.conversations, self._running_replies, channel)
        await interaction.response.send_message(view.question, view=view, ephemeral=True)


async def _acknowledge(interaction: discord.Interaction, *, is_private: bool) -> None:
    with refusals_logged(interaction):  # the reset stays done, and the response may still arrive
        await interaction.response.defer(ephemeral=is_private, thinking=True)


def _channel(interaction: discord.Interaction) -> discord.abc.Snowflake:
    assert interaction.channel is not None  # every slash command has a channel
    return interaction.channel
