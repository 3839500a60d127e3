"""What the bot may do, as the page's dialog shows and changes it."""

from __future__ import annotations

from bot.demo.loopback import LoopbackDiscord, LoopbackError
from bot.demo.loopback.values import Payload
from bot.demo.page.requests import ChangeBotSettings

RIGHTS = (
    "view_channel",
    "send_messages",
    "send_messages_in_threads",
    "create_public_threads",
    "attach_files",
    "read_message_history",
    "manage_threads",
)
_INTENT = "message_content"


def bot_settings(discord: LoopbackDiscord, person_id: int, channel_id: int) -> Payload:
    """Return what the bot may do in a channel and in the portal, and whether the person may change it."""
    place = _place(discord, person_id, channel_id)
    server_id = place["server_id"]
    is_member = None if server_id is None else discord.has_bot(int(server_id))
    allowed = discord.permissions_of(discord.bot.id, channel_id) if is_member else []
    return {
        "rights": [{"name": name, "allowed": name in allowed} for name in RIGHTS] if is_member else None,
        "is_member": is_member,
        "message_content": _INTENT in discord.granted_intents,
        "user_install": discord.allows_user_installs,
        "installed": discord.has_installed_app(person_id),
        "owner": discord.people[0].name,
        "may_change": person_id == discord.people[0].id,
    }


async def change_bot_settings(discord: LoopbackDiscord, person_id: int, wanted: ChangeBotSettings) -> None:
    """Change what the bot may do.

    Raises:
        LoopbackError: the person does not own the server and the application, or a right is unknown.
    """
    owner = discord.people[0]
    if person_id != owner.id:
        raise LoopbackError(f"only {owner.name}, who owns the server and the bot, can change this")
    place = _place(discord, person_id, wanted.channel)
    if wanted.rights is not None and place["server_id"] is not None:
        _set_rights(discord, int(place["parent_id"] or place["id"]), wanted.rights)
    if wanted.is_member is not None and place["server_id"] is not None:
        _set_member(discord, int(place["server_id"]), is_member=wanted.is_member)
    discord.allow_user_installs(wanted.user_install)
    if wanted.message_content != (_INTENT in discord.granted_intents):
        await discord.set_intent(_INTENT, is_granted=wanted.message_content)


def _place(discord: LoopbackDiscord, person_id: int, channel_id: int) -> Payload:
    for entry in discord.channels_of(person_id):
        if entry["id"] == str(channel_id):
            return entry
    raise LoopbackError(f"there is no channel {channel_id} for this person")


def _set_rights(discord: LoopbackDiscord, channel_id: int, rights: list[str]) -> None:
    if unknown := [name for name in rights if name not in RIGHTS]:
        raise LoopbackError(f"{unknown[0]!r} is no right that this page can give")
    denied = [name for name in RIGHTS if name not in rights]
    discord.set_permissions(discord.bot.id, channel_id, allow=rights, deny=denied)


def _set_member(discord: LoopbackDiscord, server_id: int, *, is_member: bool) -> None:
    if is_member:
        discord.add_bot(server_id)
    else:
        discord.remove_bot(server_id)
