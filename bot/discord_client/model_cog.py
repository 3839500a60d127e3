"""`/model info`: what answers here."""

from __future__ import annotations

from collections.abc import Callable

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.answering import Answering
from bot.engine.interface import Engine
from bot.model.folder import ModelFolder


class ModelCog(commands.Cog):
    """The slash commands about the model."""

    model = app_commands.Group(name="model", description="About the model that answers here")

    def __init__(self, describe: Callable[[], str]) -> None:
        self._describe = describe

    @model.command()
    async def info(self, interaction: discord.Interaction) -> None:
        """Which model answers here, how fast, and on what."""
        await interaction.response.send_message(self._describe(), ephemeral=True)


def describe_model(folder: ModelFolder, engine: Engine, answering: Answering) -> str:
    """What `/model info` says. Everything is known here already, so the busy engine is not asked."""
    facts = engine.facts
    speed = answering.throughput.tokens_per_second
    rows = {
        "Model": folder.name,
        "From": folder.source,
        "Revision": folder.revision,
        "Weights": folder.recipe or folder.weight_format,
        "Size on disk": f"{folder.size_bytes / 1e9:.2f} GB",
        "Context": f"{folder.context_length:,} tokens",
        "Engine": facts.engine if facts else "being started again",
        "Device": f"{facts.device} · {facts.device_name}" if facts else None,
        "Loaded": f"{discord.utils.format_dt(facts.loaded_at, 'R')} in {facts.load_seconds:.1f} s" if facts else None,
        "Restarts": str(engine.restarts) if engine.restarts else None,
        "Speed lately": f"{speed:.1f} tokens/s" if speed is not None else "no answer yet",
        "Conversations": f"{answering.active} active, {answering.waiting} waiting",
    }
    return "\n".join(f"**{name}:** {value or 'unknown'}" for name, value in rows.items() if _is_told(name, value))


def _is_told(name: str, value: str | None) -> bool:
    """Unknown origins are said to be unknown; what does not apply is left out."""
    return bool(value) or name in {"From", "Revision", "Weights"}
