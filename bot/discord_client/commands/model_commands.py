"""`/model info` and `/model reload`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_client.commands.model_info import describe_model
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.serving.service import ModelService
from bot.storage.storage import Storage


class ModelCommands(commands.Cog):
    """The slash commands about the model.

    Args:
        serving: owns the model.
        metrics: counts restarts and prefix-cache hits.
        storage: knows whether the database has an outage.
        admin_ids: may reload the model, like the owner of the bot's application.
    """

    model = app_commands.Group(name="model", description="The model that answers here")

    def __init__(
        self, serving: ModelService, metrics: PrometheusMetrics, storage: Storage, admin_ids: Collection[int]
    ) -> None:
        self._serving = serving
        self._metrics = metrics
        self._storage = storage
        self._admin_ids = admin_ids

    @model.command()
    async def info(self, interaction: discord.Interaction) -> None:
        """Show the model, its quality, its speed and its hardware."""
        text = describe_model(self._serving, self._metrics, self._storage.outage)
        await interaction.response.send_message(text, ephemeral=True)

    @model.command()
    @app_commands.describe(folder="A model folder; without it, the current one is read again")
    async def reload(self, interaction: discord.Interaction[commands.Bot], folder: str | None = None) -> None:
        """Load a model again, or another one (admins only). Conversations continue."""
        person = interaction.user
        if person.id not in self._admin_ids and not await interaction.client.is_owner(person):
            await interaction.response.send_message("Only the bot's admins can do that.", ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            line = await self._serving.replace(Path(folder) if folder else None)
        except ConfigurationError as error:
            line = f"{self._serving.folder.title} keeps answering: {error}"
        await interaction.followup.send(line[:2000], ephemeral=True)
