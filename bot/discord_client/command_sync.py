"""Registers the slash commands with Discord, but only after a change.

Discord allows 200 command creations a day, so a bot that syncs at every start can lock itself out. The hash of the
commands of the last sync is kept on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.discord_client.rest.retry import until_accepted
from bot.private_files import write_private_text

logger = logging.getLogger(__name__)

_SECONDS_AFTER_REFUSAL = 3600.0  # the operator may allow in the developer portal what Discord refuses


async def keep_commands_synced(tree: app_commands.CommandTree[Any], record: Path) -> None:
    """Sync changed commands, and try again until Discord has them. The bot answers meanwhile.

    Args:
        tree: the client's commands.
        record: the file with the hash of the last sync.
    """
    attempt = partial(sync_changed_commands, tree, record)
    while True:
        try:
            await until_accepted("Sync of the commands", attempt)
            return
        except discord.HTTPException as error:
            cause = _one_line(error)
        logger.error("Discord refuses the commands: next_try_in=%.0fs cause=%s", _SECONDS_AFTER_REFUSAL, cause)
        await asyncio.sleep(_SECONDS_AFTER_REFUSAL)


def _one_line(error: discord.HTTPException) -> str:
    # discord.py's own lines name each command that is refused, but not Discord's reason for refusing them all.
    text = f"{error.text}; {error}" if isinstance(error, app_commands.CommandSyncFailure) else str(error)
    return " ".join(text.split())


async def sync_changed_commands(tree: app_commands.CommandTree[Any], record: Path) -> bool:
    """Sync the global commands if they differ from those of the last sync; return whether they do.

    Args:
        tree: the client's commands.
        record: the file with the hash of the last sync; created if it is missing.
    """
    fingerprint = _fingerprint(tree)
    if _read(record) == fingerprint:
        return False
    await tree.sync()
    _write(record, fingerprint)
    return True


def _fingerprint(tree: app_commands.CommandTree[Any]) -> str:
    commands = [command.to_dict(tree) for command in tree.get_commands()]
    application = str(tree.client.application_id)
    content = json.dumps([application, discord.__version__, commands], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _write(record: Path, fingerprint: str) -> None:
    try:
        write_private_text(record, fingerprint)
    except OSError as error:
        logger.warning("Cannot write %s, so every start syncs the commands: %s", record, error.strerror)


def _read(record: Path) -> str | None:
    try:
        return record.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
