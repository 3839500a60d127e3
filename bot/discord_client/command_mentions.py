"""Mentions of the bot's commands, which open them with a click."""

from __future__ import annotations

import logging
from typing import Any

import discord
from discord import app_commands

from bot.discord_client.rest.retry import until_accepted

logger = logging.getLogger(__name__)

Command = app_commands.Command[Any, ..., Any]


class CommandMentions:
    """Mentions commands, with a link as soon as Discord has said which ids they have.

    Args:
        tree: the client's commands.
    """

    def __init__(self, tree: app_commands.CommandTree[Any]) -> None:
        self._tree = tree
        self._ids: dict[str, int] = {}  # by the name of the command, without its subcommands

    async def fetch_ids(self) -> None:
        """Learn the ids of the commands that are registered now."""
        try:
            registered = await until_accepted("Look-up of the commands' ids", self._tree.fetch_commands)
        except discord.HTTPException as error:
            logger.warning("Commands are mentioned without links: cause=%s", " ".join(str(error).split()))
            return
        is_slash = discord.AppCommandType.chat_input
        self._ids = {command.name: command.id for command in registered if command.type is is_slash}

    def of(self, command: Command) -> str:
        """Mention a slash command or a subcommand."""
        return self.of_name(command.qualified_name)

    def of_name(self, name: str) -> str:
        """Mention the command with a qualified name."""
        command_id = self._ids.get(name.split(" ", 1)[0])
        return f"`/{name}`" if command_id is None else f"</{name}:{command_id}>"
