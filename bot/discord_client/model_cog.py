"""`/model info` and `/model reload`: what answers here, and letting another model take its place."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import ConfigurationError
from bot.numbers import Numbers
from bot.serving import Serving


class ModelCog(commands.Cog):
    """The slash commands about the model.

    Args:
        serving: the model that answers.
        numbers: what was counted.
        admin_ids: who may reload it, beside the owner of the bot's application.
    """

    model = app_commands.Group(name="model", description="About the model that answers here")

    def __init__(self, serving: Serving, numbers: Numbers, admin_ids: Collection[int]) -> None:
        self._serving = serving
        self._numbers = numbers
        self._admin_ids = admin_ids

    @model.command()
    async def info(self, interaction: discord.Interaction) -> None:
        """Which model answers here, how fast, and on what."""
        await interaction.response.send_message(describe_model(self._serving, self._numbers), ephemeral=True)

    @model.command()
    @app_commands.describe(folder="The folder of a model; without it, the present folder is read again")
    async def reload(self, interaction: discord.Interaction[commands.Bot], folder: str | None = None) -> None:
        """Load a model anew, for the bot's admins. Conversations go on."""
        person = interaction.user
        if person.id not in self._admin_ids and not await interaction.client.is_owner(person):
            await interaction.response.send_message("Only the bot's admins can do that.", ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            line = await self._serving.replace(Path(folder) if folder else None)
        except ConfigurationError as error:
            line = f"{self._serving.folder.name} goes on answering: {error}"
        await interaction.followup.send(line[:2000], ephemeral=True)


def describe_model(serving: Serving, numbers: Numbers) -> str:
    """What `/model info` says. Everything is known here already, so the busy engine is not asked."""
    folder, facts, answering = serving.folder, serving.facts, serving.answering
    speed, hits = answering.throughput.tokens_per_second, numbers.prefix_hit_rate
    rows = {
        "Model": folder.name,
        "From": folder.source,
        "Revision": folder.revision,
        "Weights": folder.recipe or folder.weight_format,
        "Size on disk": f"{folder.size_bytes / 1e9:.2f} GB",
        "Context": f"{folder.context_length:,} tokens",
        "End tokens": None if serving.can_stop else "none: answers end only at their longest",
        "Engine": facts.engine if facts else "being started again",
        "Device": f"{facts.device} · {facts.device_name}" if facts else None,
        "KV cache": f"{facts.cache_tokens:,} tokens, {facts.cache_bytes / 1e9:.2f} GB"
        if facts and facts.cache_tokens
        else None,
        "Loaded": f"{discord.utils.format_dt(facts.loaded_at, 'R')} in {facts.load_seconds:.1f} s" if facts else None,
        "Restarts": str(numbers.restarts) if numbers.restarts else None,
        "Speed lately": f"{speed:.1f} tokens/s" if speed is not None else "no answer yet",
        "Read before already": f"{hits:.0%} of all prompt tokens" if hits is not None else None,
        "Not kept for now": numbers.database_line,
        "Conversations": f"{answering.line.running} active, {answering.line.waiting} waiting",
    }
    return "\n".join(f"**{name}:** {value or 'unknown'}" for name, value in rows.items() if _is_told(name, value))


def _is_told(name: str, value: str | None) -> bool:
    """Unknown origins are said to be unknown; what does not apply is left out."""
    return bool(value) or name in {"From", "Revision", "Weights"}
