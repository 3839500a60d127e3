"""What Discord allows a bot in response to an interaction.

Source: https://discord.com/developers/docs/interactions/receiving-and-responding
"""

from __future__ import annotations

from typing import Any

from simcord.backend import errors
from simcord.backend.errors import BackendError

from bot.demo.loopback.api_calls import CallKind
from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.installations import Install
from bot.demo.loopback.threads import check_not_archived
from bot.demo.loopback.values import Payload

_EPHEMERAL = 1 << 6
_MOST_FOLLOWUPS_OF_A_PERSON = 5
_CLOSED_THREAD = BackendError(403, 50083, "Thread is archived")


def check_response(state: DiscordState, kind: CallKind, token: str, method: str) -> Any | None:
    """Refuse a response that comes too late, too often or into a closed thread.

    simcord itself checks the deadline of the first response.

    Returns:
        The channel of the interaction; None if there is no interaction with that token.
    """
    record = interaction_of(state, token)
    if record is None:
        return None
    if kind is CallKind.WEBHOOK:
        _check_token(state, record)
        if method == "POST":
            _check_followups(state, record)
    channel = state.backend.channels.get(record.channel_id)
    if channel is None:
        raise errors.unknown_channel()
    if method in ("PATCH", "DELETE"):
        check_not_archived(channel)
    elif channel.is_thread and channel.thread_metadata.archived and channel.thread_metadata.locked:
        raise _CLOSED_THREAD
    return channel


def hide_if_external(state: DiscordState, token: str, message: Payload) -> None:
    """Make a response ephemeral if its person may not use applications that the server did not install."""
    record = interaction_of(state, token)
    if record is None or record.guild_id is None or _is_guilds(state, record):
        return
    if not state.has_permission(record.user_id, record.channel_id, "use_external_apps"):
        message["flags"] = int(message.get("flags") or 0) | _EPHEMERAL


def interaction_of(state: DiscordState, token: str) -> Any | None:
    """Return the interaction with a token, or None."""
    return state.backend.interactions.get(state.backend.interaction_tokens.get(token))


def _check_token(state: DiscordState, record: Any) -> None:
    if state.backend.now_iso() >= record.expires_at:
        raise BackendError(401, 50027, "Invalid Webhook Token")
    if not record.responded:
        raise errors.unknown_webhook()


def _check_followups(state: DiscordState, record: Any) -> None:
    """Refuse the sixth followup where only the person installed the application."""
    if not _is_guilds(state, record) and len(record.followup_ids) >= _MOST_FOLLOWUPS_OF_A_PERSON:
        raise BackendError(400, 40094, "This interaction has hit the maximum number of follow up messages")


def _is_guilds(state: DiscordState, record: Any) -> bool:
    """Whether an interaction came through a guild's installation, or in the bot's own DM."""
    return str(int(Install.GUILD)) in state.backend.owners[record.id]
