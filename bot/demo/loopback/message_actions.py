"""People's messages and DMs on the loopback Discord."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from simcord.backend import serializers
from simcord.backend.access import reaction_permissions
from simcord.backend.models.message import AllowedMentions

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.refusals import blocked_by_automod
from bot.demo.loopback.threads import check_not_archived, check_sendable
from bot.demo.loopback.values import LARGEST_FILE, LoopbackError, Payload

_MOST_FILES = 10
_LONGEST_EMOJI = 32  # code points: families and flags are sequences
_FEWEST_IN_BULK, _MOST_IN_BULK = 2, 100


class MessageActions:
    """The part of `LoopbackDiscord` through which people write.

    Every method checks what Discord would check: that the person sees the channel, has the permission, and owns the
    message. A failed check raises `LoopbackError` with one line.
    """

    _state: DiscordState

    async def send(
        self,
        person_id: int,
        channel_id: int,
        content: str,
        *,
        reply_to: int | None = None,
        mentions_author: bool = True,
        files: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Send a message.

        Args:
            channel_id: a text channel, a thread, or the person's DM with the bot.
            content: up to 2,000 characters; may be empty if there are files. `<@id>` is a mention.
            reply_to: the message to reply to.
            mentions_author: whether its author is mentioned, which is Discord's default.
            files: names and contents, up to 10, of up to 10 MiB each.

        Returns:
            The message's id.
        """
        with as_loopback_errors():
            channel = self._state.require(person_id, channel_id, "view_channel")
            self._state.require(person_id, channel_id, _send_permission(channel), *(["attach_files"] if files else []))
            check_sendable(self._state, channel, person_id)
            self._check_words(person_id, channel, content)
            reference = self._reference(person_id, channel_id, reply_to)
            self._check_files(files)
            attachments = self._state.backend.store_attachments(channel_id, files)
            message = self._state.backend.create_message(
                channel_id,
                person_id,
                content,
                reference=reference,
                attachments=attachments,
                allowed_mentions=AllowedMentions(replied_user=mentions_author),
            )
        return int(message.id)

    async def edit(
        self,
        person_id: int,
        channel_id: int,
        message_id: int,
        content: str,
        *,
        without_files: Collection[str] = (),
    ) -> None:
        """Replace the content of one's own message.

        Args:
            without_files: names of attachments to remove. An edit cannot add any.
        """
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            if message.author_id != person_id:
                raise LoopbackError("Discord refuses: people can edit only their own messages")
            channel = self._state.backend.get_channel(channel_id)
            check_not_archived(channel)
            self._check_words(person_id, channel, content)
            kept = [file for file in message.attachments if file["filename"] not in without_files]
            if not content.strip() and not kept:
                raise LoopbackError("Discord refuses: Cannot send an empty message (error 50006)")
            self._state.backend.edit_message(channel_id, message_id, {"content": content, "attachments": kept})

    async def delete(self, person_id: int, channel_id: int, message_id: int) -> None:
        """Delete one's own message, or any message with `manage_messages`."""
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            if message.author_id != person_id:
                self._state.require(person_id, channel_id, "manage_messages")
            check_not_archived(self._state.backend.get_channel(channel_id))
            self._state.backend.delete_message(channel_id, message_id)

    async def bulk_delete(self, person_id: int, channel_id: int, message_ids: Collection[int]) -> None:
        """Delete 2 to 100 messages of a guild's channel at once, with `manage_messages`.

        On Discord, a moderation bot or a ban does this. Bots receive one event for all of them; unknown ids are
        ignored.
        """
        with as_loopback_errors():
            channel = self._state.require(person_id, channel_id, "view_channel", "manage_messages")
            if channel.guild_id is None:
                raise LoopbackError("Discord refuses: messages of a DM can only be deleted one by one")
            if not _FEWEST_IN_BULK <= len(message_ids) <= _MOST_IN_BULK:
                raise LoopbackError(
                    f"Discord refuses: a bulk deletion takes {_FEWEST_IN_BULK} to {_MOST_IN_BULK} messages, "
                    f"not {len(message_ids)}"
                )
            self._state.backend.bulk_delete_messages(channel_id, message_ids)

    async def dismiss(self, person_id: int, channel_id: int, message_id: int) -> None:
        """Dismiss an ephemeral message. The bot receives no event."""
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            if not message.is_ephemeral:
                raise LoopbackError("Discord refuses: only ephemeral messages can be dismissed")
            self._state.backend.delete_message(channel_id, message_id)

    async def react(self, person_id: int, channel_id: int, message_id: int, emoji: str) -> None:
        """Add a reaction.

        Args:
            emoji: a Unicode emoji.
        """
        if not 1 <= len(emoji) <= _LONGEST_EMOJI or emoji.isascii():
            raise LoopbackError("Discord refuses: Unknown Emoji (error 10014)")
        with as_loopback_errors():
            message = self._state.visible_message(person_id, channel_id, message_id)
            check_not_archived(self._state.require(person_id, channel_id, *reaction_permissions(message, emoji)))
            self._state.backend.set_reaction(channel_id, message_id, emoji, person_id, True)

    async def start_typing(self, person_id: int, channel_id: int) -> None:
        """Show that somebody is typing, for 10 s or until they send a message."""
        with as_loopback_errors():
            channel = self._state.require(person_id, channel_id, "view_channel")
            self._state.require(person_id, channel_id, _send_permission(channel))
        payload = {"channel_id": str(channel_id), "user_id": str(person_id)}
        if channel.guild_id is not None:
            guild = self._state.backend.guilds[channel.guild_id]
            member = serializers.member_payload(self._state.backend, guild, guild.members[person_id])
            payload |= {"guild_id": str(guild.id), "member": member}
        self._state.backend.emit("TYPING_START", payload)

    async def open_dm(self, person_id: int) -> int:
        """Find or open the person's DM with the bot.

        Returns:
            The DM's channel id.
        """
        if person_id not in {person.id for person in self._state.people}:
            raise LoopbackError(f"there is no person {person_id}")
        return int(self._state.backend.get_dm_channel(person_id).id)

    def _reference(self, person_id: int, channel_id: int, reply_to: int | None) -> Payload | None:
        if reply_to is None:
            return None
        if self._state.visible_message(person_id, channel_id, reply_to).is_ephemeral:
            raise LoopbackError("Discord refuses: an ephemeral message cannot be replied to")
        return {"channel_id": str(channel_id), "message_id": str(reply_to)}

    def _check_words(self, person_id: int, channel: Any, content: str) -> None:
        """Refuse a blocked word, except from those who could unblock it."""
        if channel.guild_id is None or self._state.has_permission(person_id, channel.id, "manage_guild"):
            return
        if self._state.blocks(content):
            raise blocked_by_automod()

    def _check_files(self, files: Sequence[tuple[str, bytes]]) -> None:
        if len(files) > _MOST_FILES:
            raise LoopbackError(f"Discord refuses: a message can have {_MOST_FILES} files, not {len(files)}")
        for name, content in files:
            if len(content) > LARGEST_FILE:
                raise LoopbackError(f"Discord refuses: {name} is over 10 MiB")


def _send_permission(channel: Any) -> str:
    return "send_messages_in_threads" if channel.is_thread else "send_messages"
