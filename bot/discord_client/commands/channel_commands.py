"""`/channel mode`, `/channel show` and `/channel clear`: how the bot is asked in a channel."""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.conversation.channel_modes import ChannelMode, ChannelModes, ModeSetting
from bot.discord_client.client import grants_message_content
from bot.discord_client.commands import channel_mode_lines as lines
from bot.discord_client.incoming.addressing import Addressing
from bot.discord_client.rest.permissions import answer_permissions_lacking, thread_permissions_lacking

_Other = app_commands.AppCommandChannel | app_commands.AppCommandThread
_FORUMS = (discord.ChannelType.forum, discord.ChannelType.media)
_WITH_THREADS = (discord.ChannelType.text, discord.ChannelType.news, *_FORUMS)
_THREADS = (
    discord.ChannelType.public_thread,
    discord.ChannelType.private_thread,
    discord.ChannelType.news_thread,
)
_WITH_MESSAGES = (discord.ChannelType.voice, discord.ChannelType.stage_voice, *_THREADS, *_WITH_THREADS)


class ChannelCommands(commands.Cog):
    """The slash commands about the modes of channels.

    Args:
        modes: of all channels.
        addressing: knows which of them are in force.
    """

    channel = app_commands.Group(
        name="channel",
        description="How I am asked in a channel or a thread",
        # Where only a member has installed the bot, it sees no messages.
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    def __init__(self, modes: ChannelModes, addressing: Addressing) -> None:
        self._modes = modes
        self._addressing = addressing

    @channel.command()
    @app_commands.describe(
        mode="What makes a question: a mention, a mention that opens a thread, or every message",
        where="Another channel, such as a forum; this one if you leave it out",
    )
    async def mode(
        self,
        interaction: discord.Interaction,
        mode: Literal["mention", "threads", "free"],
        where: _Other | None = None,
    ) -> None:
        """Set how I am asked in this channel or thread."""
        place, chosen = where or interaction.channel, ChannelMode(mode)
        refused = self._refusal(interaction, place) or self._refusal_of_mode(interaction, place, chosen)
        if refused is not None:
            await interaction.response.send_message(refused, ephemeral=True)
            return
        assert place is not None  # every slash command has a channel
        await interaction.response.defer(ephemeral=True, thinking=True)
        is_stored = await self._modes.set(ModeSetting(place.id, chosen, interaction.id))
        answer = lines.line_for_set(place, chosen, self._addressing.ignored_prefix, is_forum=place.type in _FORUMS)
        if not is_stored:
            answer += f" {lines.NOT_STORED}"
        elif lack := self._lack(interaction, place, chosen):
            answer += f" {lack}"
        await interaction.edit_original_response(content=answer)

    @channel.command()
    @app_commands.describe(where="Another channel, such as a forum; this one if you leave it out")
    async def show(self, interaction: discord.Interaction, where: _Other | None = None) -> None:
        """Show how I am asked in this channel or thread, and where that was set."""
        place = where or interaction.channel
        if interaction.guild_id is None or place is None:
            await interaction.response.send_message(lines.IN_DIRECT_MESSAGE, ephemeral=True)
            return
        known = self._known(interaction, place)
        setting = self._addressing.setting(known)
        if setting is not None and setting.mode is not ChannelMode.MENTION and not self._addressing.can_read_all:
            answer = lines.line_for_blind_mode(setting.mode, self._intent_help(interaction))
        else:
            mode = setting.mode if setting is not None else ChannelMode.MENTION
            if place.type in _THREADS and mode is ChannelMode.THREADS:
                mode = ChannelMode.FREE if self._addressing.is_open(known) else ChannelMode.MENTION
            origin = lines.origin_of(None if setting is None else setting.channel_id, place)
            answer = lines.line_for_mode(
                place, mode, origin, self._addressing.ignored_prefix, is_forum=place.type in _FORUMS
            )
        await interaction.response.send_message(answer, ephemeral=True)

    @channel.command()
    @app_commands.describe(where="Another channel, such as a forum; this one if you leave it out")
    async def clear(self, interaction: discord.Interaction, where: _Other | None = None) -> None:
        """Let this channel ask by mentions again, or let this thread follow its channel again."""
        place = where or interaction.channel
        if (refused := self._refusal(interaction, place)) is not None:
            await interaction.response.send_message(refused, ephemeral=True)
            return
        assert place is not None  # every slash command has a channel
        await interaction.response.defer(ephemeral=True, thinking=True)
        answer = lines.line_for_clear(
            place, is_thread=place.type in _THREADS, was_set=self._modes.own(place.id) is not None
        )
        if not await self._modes.clear(place.id):
            answer += f" {lines.NOT_STORED}"
        await interaction.edit_original_response(content=answer)

    def _refusal(self, interaction: discord.Interaction, place: Any) -> str | None:
        """Why a member may not change a channel's mode, in a line for them; None if they may."""
        if interaction.guild_id is None or place is None:
            return lines.IN_DIRECT_MESSAGE
        if place.type not in _WITH_MESSAGES:
            return lines.NO_CHANNEL
        # Of the channel itself, not of the one in which the command is used.
        own = interaction.permissions if place.id == interaction.channel_id else place.permissions
        if own.manage_channels or (place.type in _THREADS and own.manage_threads):
            return None
        return lines.line_for_missing("Manage Threads" if place.type in _THREADS else "Manage Channels", place)

    def _refusal_of_mode(self, interaction: discord.Interaction, place: Any, mode: ChannelMode) -> str | None:
        """Why a channel cannot have a mode; None if it can."""
        if mode is ChannelMode.MENTION:
            return None
        if mode is ChannelMode.THREADS and place.type not in _WITH_THREADS:
            return lines.NO_THREADS_IN_THREADS if place.type in _THREADS else lines.NO_THREADS_HERE
        if not self._addressing.can_read_all:
            return lines.line_for_blind(self._intent_help(interaction))
        return None

    def _intent_help(self, interaction: discord.Interaction) -> str:
        is_granted = grants_message_content(interaction.client.application_flags)
        return lines.SETTING_HELP if is_granted else lines.PORTAL_HELP

    def _known(self, interaction: discord.Interaction, place: Any) -> Any:
        """A channel as the client knows it, with its owner and its parent."""
        known = interaction.guild and interaction.guild.get_channel_or_thread(place.id)
        return known or place

    def _lack(self, interaction: discord.Interaction, place: Any, mode: ChannelMode) -> str:
        """The line about the permission that a mode lacks; "" if it lacks none, as far as the client knows."""
        known = interaction.guild and interaction.guild.get_channel_or_thread(place.id)
        if known is None or mode is ChannelMode.MENTION:
            return ""
        opens_threads = mode is ChannelMode.THREADS
        for_threads = thread_permissions_lacking(known) if opens_threads else []
        if opens_threads and not for_threads:
            return ""
        if lacking := answer_permissions_lacking(known):
            return lines.line_for_silence(lacking[0])
        return lines.line_for_lack_of_threads(for_threads[0]) if for_threads else ""
