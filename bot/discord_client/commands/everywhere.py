"""Commands that also work where only the member has installed the bot."""

from __future__ import annotations

from typing import TypeVar

from discord import app_commands

EVERY_CONTEXT = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)
EVERY_INSTALLATION = app_commands.AppInstallationType(guild=True, user=True)

Command = TypeVar("Command")


def everywhere(command: Command) -> Command:
    """Let a command be used in servers, direct messages and, installed to a person's account, anywhere."""
    in_contexts = app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    return app_commands.allowed_installs(guilds=True, users=True)(in_contexts(command))
