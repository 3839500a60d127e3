"""Gateway events, cut to the intents that a bot asked for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import discord
from simcord import intents as simcord_intents
from simcord.backend import serializers

from bot.demo.loopback.discord_state import DiscordState
from bot.demo.loopback.values import Payload

_APPLICATION_COMMAND = 2
_MESSAGE_COMPONENT = 3
_MODAL_SUBMIT = 5
_MESSAGE_COMMAND = 3
_MEMBERS_PER_CHUNK = 1000
_ABOUT_GUILDS = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")


def intents_from(value: int) -> discord.Intents:
    """Decode the intents of an IDENTIFY."""
    intents = discord.Intents.none()
    intents.value = value
    return intents


def missing_grants(state: DiscordState, intents: discord.Intents) -> list[str]:
    """List the privileged intents that a bot asks for without a grant."""
    names = [str(name) for name in simcord_intents.PRIVILEGED_INTENTS]
    return [name for name in names if getattr(intents, name) and name not in state.granted_intents]


def ready_payload(state: DiscordState, session_id: str, resume_url: str, shard: list[int] | None) -> Payload:
    """Build the READY event."""
    payload: Payload = {
        "v": 10,
        "user": serializers.user_payload(state.backend.bot_user),
        "guilds": [{"id": str(guild_id), "unavailable": True} for guild_id in guilds_of_bot(state)],
        "session_id": session_id,
        "resume_gateway_url": resume_url,
        "application": {"id": str(state.bot.id), "flags": application_flags(state)},
    }
    if shard is not None:
        payload["shard"] = shard
    return payload


def application_flags(state: DiscordState) -> int:
    """Return the application's flags for its granted intents.

    A bot in fewer than 100 guilds has the `_limited` flags.
    """
    flags = discord.ApplicationFlags()
    flags.gateway_presence_limited = "presences" in state.granted_intents
    flags.gateway_guild_members_limited = "members" in state.granted_intents
    flags.gateway_message_content_limited = "message_content" in state.granted_intents
    return flags.value


def guilds_of_bot(state: DiscordState) -> list[int]:
    """List the ids of the guilds that the bot is a member of."""
    return [server.id for server in state.servers if state.installations.has_guild(server.id)]


def guild_create_payload(state: DiscordState, guild_id: int) -> Payload:
    """Build the GUILD_CREATE event of one guild, not yet cut to a bot's intents."""
    return dict(serializers.guild_create_payload(state.backend, state.backend.guilds[guild_id]))


def shaped_for(state: DiscordState, intents: discord.Intents, event: str, payload: Mapping[str, Any]) -> Payload | None:
    """Cut an event to a bot's intents; None if the bot does not receive it."""
    gate = simcord_intents.required_intent(event, payload)
    # A bot hears of changes of its own membership with any intents.
    is_own = event == "GUILD_MEMBER_UPDATE" and payload["user"]["id"] == str(state.bot.id)
    if gate is not None and not getattr(intents, gate) and not is_own:
        return None
    if event != "INTERACTION_CREATE" and not _is_in_guild(state, event, payload):
        return None
    if event.startswith(("MESSAGE_", "TYPING_")) and not _can_read(state, int(payload["channel_id"])):
        return None
    shaped = copy.deepcopy(dict(payload))
    if event == "GUILD_CREATE":
        simcord_intents.prune_guild_create(shaped, intents, state.bot.id)
    if not intents.message_content:
        if event in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            _censor(state, shaped)
        elif event == "INTERACTION_CREATE":
            _censor_interaction(state, shaped)
    return shaped


def member_chunks(state: DiscordState, request: Mapping[str, Any]) -> list[Payload]:
    """Build the GUILD_MEMBERS_CHUNK events that answer REQUEST_GUILD_MEMBERS."""
    guild = state.backend.guilds[int(request["guild_id"])]
    members = list(guild.members.values())
    wanted = request.get("user_ids")
    if wanted:
        ids = {int(user_id) for user_id in (wanted if isinstance(wanted, list) else [wanted])}
        members = [member for member in members if member.user_id in ids]
    elif prefix := str(request.get("query") or "").lower():
        users = state.backend.users
        members = [member for member in members if users[member.user_id].name.lower().startswith(prefix)]
    if limit := int(request.get("limit") or 0):
        members = members[:limit]
    parts = [members[start : start + _MEMBERS_PER_CHUNK] for start in range(0, len(members), _MEMBERS_PER_CHUNK)]
    return [
        {
            "guild_id": str(guild.id),
            "members": [serializers.member_payload(state.backend, guild, member) for member in part],
            "chunk_index": index,
            "chunk_count": max(1, len(parts)),
            **({"nonce": request["nonce"]} if request.get("nonce") else {}),
        }
        for index, part in enumerate(parts or [[]])
    ]


def _is_in_guild(state: DiscordState, event: str, payload: Mapping[str, Any]) -> bool:
    """Whether the bot is a member of the event's guild, if it has one."""
    guild_id = payload.get("id" if event in _ABOUT_GUILDS else "guild_id")
    if event == "GUILD_DELETE" and int(payload["id"]) not in state.backend.guilds:
        return True  # simcord drops a guild that the bot leaves before it says so
    return guild_id is None or state.installations.has_guild(int(guild_id))


def _can_read(state: DiscordState, channel_id: int) -> bool:
    return state.backend.can_see(channel_id, state.bot.id)


def _censor(state: DiscordState, message: Payload, *, is_target: bool = False) -> None:
    simcord_intents.censor_message(message, state.bot.id, backend=state.backend, exempt_root=is_target)


def _censor_interaction(state: DiscordState, interaction: Payload) -> None:
    """Censor the messages that an interaction carries, except the one it targets."""
    kind = interaction["type"]
    if kind in (_MESSAGE_COMPONENT, _MODAL_SUBMIT) and isinstance(interaction.get("message"), dict):
        _censor(state, interaction["message"], is_target=True)
    data = interaction["data"]
    is_message_command = kind == _APPLICATION_COMMAND and data.get("type") == _MESSAGE_COMMAND
    for message_id, message in (data.get("resolved") or {}).get("messages", {}).items():
        _censor(state, message, is_target=is_message_command and data.get("target_id") == message_id)
