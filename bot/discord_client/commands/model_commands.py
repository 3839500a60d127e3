"""`/model info` and `/model reload`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import discord
from discord import app_commands
from discord.ext import commands

from bot.discord_client.commands.admins import is_admin
from bot.discord_client.commands.model_info import describe_model
from bot.discord_client.commands.server_paths import without_server_paths
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.serving.service import ModelService
from bot.storage.storage import Storage

logger = logging.getLogger(__name__)

_MOST_CHARACTERS = 2000


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
        for_admin = is_admin(interaction, self._admin_ids)
        text = describe_model(self._serving, self._metrics, self._storage.outage, for_admin=for_admin)
        await interaction.response.send_message(text, ephemeral=True)

    @model.command()
    @app_commands.describe(folder="A model folder; without it, the current one is read again")
    async def reload(self, interaction: discord.Interaction[commands.Bot], folder: str | None = None) -> None:
        """Load a model again, or another one (admins only). Conversations continue."""
        if not is_admin(interaction, self._admin_ids):
            await interaction.response.send_message("Only the bot's admins can do that.", ephemeral=True)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.followup.send(await self._reload(folder), ephemeral=True)

    async def _reload(self, folder: str | None) -> str:
        try:
            if folder:
                await asyncio.to_thread(_require_there, Path(folder))
            return _one_message(await self._serving.replace(Path(folder) if folder else None))
        except ConfigurationError as error:
            logger.warning("Reload refused: serving=%s reason=%s", self._serving.folder.title, error)
            folders = self._serving.folders | ({folder: Path(folder)} if folder else {})
            reason = without_server_paths(str(error), folders)
            return _one_message(f"{self._serving.folder.title} keeps answering: {reason}")


def _require_there(folder: Path) -> None:
    """Answer a mistyped path with that, and not with how to export a model there."""
    try:
        with suppress(RuntimeError, ValueError):  # no path at all: opening it says why
            folder.expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(
            f"there is no folder {folder} on the bot's machine; check the path, or leave it out to load the current "
            "model"
        ) from None
    except OSError as error:
        logger.debug("Folder cannot be looked at, opening it says why: reason=%s", error.strerror)


def _one_message(text: str) -> str:
    """One line that fits a message: its beginning, and its end, which says what to do."""
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:1000]} … {line[-900:]}"
