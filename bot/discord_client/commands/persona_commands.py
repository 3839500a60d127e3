"""`/persona set`, `/persona show` and `/persona clear`."""

from __future__ import annotations

import asyncio
from functools import partial

import discord
from discord import app_commands
from discord.ext import commands

from bot.answering.service import AnswerService
from bot.discord_client.channel_scopes import ChannelScopes
from bot.discord_client.commands.attached_file import respond_with_file
from bot.discord_client.commands.persona_modal import PersonaModal
from bot.discord_client.commands.persona_scopes import Where, chosen_scope, refusal, scope_name

# A form must open within Discord's three seconds; unlike a message, it cannot be deferred.
_SECONDS_TO_READ = 2.0
_LONGEST_SHOWN = 1500


class PersonaCommands(commands.Cog):
    """The slash commands about personas.

    Args:
        answering: owns the personas and the model that counts their tokens.
        scopes: knows which personas apply in a channel.
    """

    persona = app_commands.Group(name="persona", description="Who I am in a thread, a channel or the server")

    def __init__(self, answering: AnswerService, scopes: ChannelScopes) -> None:
        self._answering = answering
        self._scopes = scopes

    @persona.command()
    @app_commands.describe(where="This channel or thread, or this server")
    async def set(self, interaction: discord.Interaction, where: Where = "here") -> None:
        """Write the persona of this thread, channel or server."""
        if (refused := refusal(interaction, where)) is not None:
            await interaction.response.send_message(refused, ephemeral=True)
            return
        scope = chosen_scope(interaction, where)
        try:
            async with asyncio.timeout(_SECONDS_TO_READ):
                current = await self._answering.conversations.personas.first((scope,))
        except TimeoutError:
            line = "The database did not answer in time. Try again in a minute."
            await interaction.response.send_message(line, ephemeral=True)
            return
        name, text = scope_name(scope, interaction), current[1] if current else ""
        await interaction.response.send_modal(PersonaModal(name, text, partial(self._save, where)))

    @persona.command()
    async def show(self, interaction: discord.Interaction) -> None:
        """Show my persona here, where it was set, and how many tokens it takes."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        channel_id = chosen_scope(interaction, "here")
        conversations, window = self._answering.conversations, self._answering.model.window
        persona = await conversations.personas.first(self._scopes.of(channel_id))
        text = persona[1] if persona else (await conversations.personas.system_prompt(channel_id)).text
        tokens, limit = await asyncio.to_thread(window.system_prompt_tokens, text), window.budget.system_prompt_limit
        source = scope_name(persona and persona[0], interaction)
        line = f"My persona here comes from {source} ({tokens:,} of at most {limit:,} tokens)."
        if tokens > limit:
            line += " The current model does not see the end of it."
        if len(text) > _LONGEST_SHOWN or "```" in text:
            await _respond_with_text(interaction, line, text, without_file=line)
        else:
            await interaction.edit_original_response(content=f"{line}\n```\n{text}\n```")

    @persona.command()
    @app_commands.describe(where="This channel or thread, or this server")
    async def clear(self, interaction: discord.Interaction, where: Where = "here") -> None:
        """Clear the persona of this thread, channel or server."""
        if (refused := refusal(interaction, where)) is not None:
            await interaction.response.send_message(refused, ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._clear(chosen_scope(interaction, where), interaction)

    async def _save(self, where: Where, interaction: discord.Interaction, text: str) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        # The member may have lost the permission while the form was open.
        if (refused := refusal(interaction, where)) is not None:
            await _respond_with_text(interaction, refused, text, without_file=refused)
            return
        scope = chosen_scope(interaction, where)
        if not text:
            await self._clear(scope, interaction)
            return
        window = self._answering.model.window
        tokens, limit = await asyncio.to_thread(window.system_prompt_tokens, text), window.budget.system_prompt_limit
        if tokens > limit:
            line = f"Not saved: this persona has {tokens:,} tokens, and at most {limit:,} are allowed."
            what_to_do = "Shorten the text in the attached file and set it again."
            await _respond_with_text(interaction, f"{line} {what_to_do}", text, without_file=line)
            return
        await self._answering.conversations.set_persona(scope, text)
        line = (
            f"Saved the persona of {scope_name(scope, interaction)} ({tokens:,} of at most {limit:,} tokens, "
            f"{tokens / window.budget.context_length:.0%} of the context)."
        )
        await interaction.edit_original_response(content=f"{line}\n{await self._in_force(interaction)}")

    async def _clear(self, scope: int, interaction: discord.Interaction) -> None:
        conversations, name = self._answering.conversations, scope_name(scope, interaction)
        had_one = await conversations.personas.first((scope,)) is not None
        await conversations.set_persona(scope, None)
        line = f"Cleared the persona of {name}." if had_one else f"There was no persona for {name}."
        await interaction.edit_original_response(content=f"{line}\n{await self._in_force(interaction)}")

    async def _in_force(self, interaction: discord.Interaction) -> str:
        persona = await self._answering.conversations.personas.first(self._scopes.of(chosen_scope(interaction, "here")))
        if persona is None:
            return "From the next question on, I use the bot's default here."
        return f"From the next question on, I use the persona of {scope_name(persona[0], interaction)} here."


async def _respond_with_text(interaction: discord.Interaction, line: str, text: str, *, without_file: str) -> None:
    if text:
        await respond_with_file(interaction, line, "persona.txt", text.encode(), without_file=without_file)
    else:
        await interaction.edit_original_response(content=line)
