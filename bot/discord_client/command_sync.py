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

_BAD_REQUEST = 400
# https://discord.com/developers/docs/interactions/application-commands#contexts
_GUILD_INSTALL, _USER_INSTALL = 0, 1
_PRIVATE_CHANNEL = 2
_SERVERS_ONLY = " for servers only"
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
    fingerprint, synced = _fingerprint(tree), _read(record)
    if synced == fingerprint:
        return False
    try:
        await tree.sync()
    except discord.HTTPException as error:
        if error.status != _BAD_REQUEST or not _asks_for_accounts(tree):
            raise
        if synced != fingerprint + _SERVERS_ONLY:
            try:
                await _sync_for_servers(tree)
            except discord.HTTPException as other:
                if other.status != _BAD_REQUEST:
                    raise
                raise error from None  # it names the commands
        # Not the same fingerprint: the next start asks again.
        fingerprint += _SERVERS_ONLY
        logger.warning(
            "Commands are for servers and direct messages only, Discord does not let people install this bot to their "
            "account; to allow it, switch on User Install at https://discord.com/developers/applications "
            "(Installation), then start the bot again"
        )
    _write(record, fingerprint)
    return True


def _asks_for_accounts(tree: app_commands.CommandTree[Any]) -> bool:
    return any(map(_is_for_accounts, _payload(tree)))


def _is_for_accounts(command: dict[str, Any]) -> bool:
    return _USER_INSTALL in (command.get("integration_types") or ())


def _payload(tree: app_commands.CommandTree[Any]) -> list[dict[str, Any]]:
    return [command.to_dict(tree) for command in tree.get_commands()]


async def _sync_for_servers(tree: app_commands.CommandTree[Any]) -> None:
    """Register the commands without what only people's accounts need.

    Raises:
        discord.HTTPException: Discord refuses them for another reason.
    """
    payload = _payload(tree)
    for command in filter(_is_for_accounts, payload):
        command["integration_types"] = [_GUILD_INSTALL]
        command["contexts"] = [each for each in command["contexts"] or () if each != _PRIVATE_CHANNEL]
    application_id = tree.client.application_id
    assert application_id is not None  # set at the login
    await tree.client.http.bulk_upsert_global_commands(application_id, payload=payload)


def _fingerprint(tree: app_commands.CommandTree[Any]) -> str:
    commands = _payload(tree)
    application = str(tree.client.application_id)
    content = json.dumps([application, discord.__version__, commands], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()


def _write(record: Path, fingerprint: str) -> None:
    try:
        write_private_text(record, fingerprint)
    except OSError as error:
        logger.warning(
            "Cannot keep what was synced, so every start syncs the commands: path=%s cause=%s", record, error.strerror
        )


def _read(record: Path) -> str | None:
    try:
        return record.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
