"""People's messages that are more than text and files, and messages that nobody writes, on the loopback Discord."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from simcord.backend.models import MessageSticker, Poll, PollAnswer
from simcord.enums import ChannelType, MessageType

from bot.demo.loopback.discord_state import DiscordState, as_loopback_errors
from bot.demo.loopback.threads import check_thread_name
from bot.demo.loopback.values import Channel, Payload

_COMPONENTS_V2 = 1 << 15
_IS_VOICE_MESSAGE = 1 << 13
_PNG = 1
_POLL_DURATION = timedelta(days=1)


class UnusualMessages:
    """The part of `LoopbackDiscord` that makes forwards, polls, stickers, voice messages, embeds and forum posts.

    Every method returns the message's id. A bot receives these messages as it would from Discord.
    """

    _state: DiscordState

    async def forward(self, person_id: int, source: tuple[int, int], channel_id: int) -> int:
        """Forward a message.

        Args:
            source: the message's channel and id.
            channel_id: where it is forwarded to.
        """
        reference = {"type": 1, "channel_id": str(source[0]), "message_id": str(source[1])}
        return self._create(channel_id, person_id, reference=reference)

    async def send_poll(self, person_id: int, channel_id: int, question: str, answers: Sequence[str]) -> int:
        """Send a poll that lasts a day."""
        expiry = (self._state.backend.clock.now() + _POLL_DURATION).isoformat()
        numbered = [PollAnswer(number, answer) for number, answer in enumerate(answers, 1)]
        return self._create(channel_id, person_id, poll=Poll(question, numbered, expiry))

    async def vote(self, person_id: int, channel_id: int, message_id: int, answer: int) -> None:
        """Vote in a poll; 1 is its first answer."""
        with as_loopback_errors():
            self._state.backend.add_poll_vote(channel_id, message_id, answer, person_id)

    async def send_sticker(
        self, person_id: int, channel_id: int, name: str, content: str = "", *, reply_to: int | None = None
    ) -> int:
        """Send one of the guild's stickers, with or without a text."""
        sticker = MessageSticker(self._state.backend.snowflake(), name, _PNG, self._state.guild_id)
        reference = None if reply_to is None else {"channel_id": str(channel_id), "message_id": str(reply_to)}
        return self._create(channel_id, person_id, content, stickers=[sticker], reference=reference)

    async def send_voice_message(self, person_id: int, channel_id: int) -> int:
        """Send a voice message, which has no text."""
        (file,) = self._state.backend.store_attachments(channel_id, [("voice-message.ogg", b"OggS")])
        file |= {"duration_secs": 1.5, "waveform": "AAAA"}
        return self._create(channel_id, person_id, attachments=[file], flags=_IS_VOICE_MESSAGE)

    async def send_by_webhook(
        self,
        channel_id: int,
        name: str,
        content: str = "",
        *,
        embeds: Sequence[Payload] = (),
        components: Sequence[Payload] = (),
    ) -> int:
        """Send a message by a webhook, under any name.

        Args:
            components: in place of content and embeds.
        """
        backend = self._state.backend
        webhook = backend.make_user(name.lower(), global_name=name, bot=True)
        flags = _COMPONENTS_V2 if components else 0
        return self._create(
            channel_id,
            webhook.id,
            content,
            embeds=[{"type": "rich", **embed} for embed in embeds],
            components=list(components),
            flags=flags,
            webhook_id=webhook.id,
        )

    async def welcome(self, person_id: int, channel_id: int) -> int:
        """Have Discord announce that a person joined."""
        with as_loopback_errors():
            return int(self._state.backend.create_system_message(channel_id, MessageType.NEW_MEMBER, person_id).id)

    async def announce_pin(self, person_id: int, channel_id: int, message_id: int) -> int:
        """Have Discord announce that a person pinned a message."""
        with as_loopback_errors():
            announcement = self._state.backend.create_system_message(
                channel_id, MessageType.PINS_ADD, person_id, referenced_message_id=message_id
            )
        return int(announcement.id)

    async def add_preview(self, channel_id: int, message_id: int, title: str, url: str) -> None:
        """Have Discord add the preview of a link, which is an update of the message but no edit."""
        message = self._state.backend.get_message(channel_id, message_id)
        message.embeds = [{"type": "article", "title": title, "url": url}]
        self._state.backend.emit("MESSAGE_UPDATE", self._state.message_payload(message))

    def add_forum(self, name: str, tags: Sequence[str] = ()) -> Channel:
        """Create a forum that is open to everybody."""
        backend = self._state.backend
        available = [
            {"id": str(backend.snowflake()), "name": tag, "moderated": False, "emoji_id": None, "emoji_name": None}
            for tag in tags
        ]
        forum = backend.create_channel(self._state.guild_id, name, type=ChannelType.FORUM, available_tags=available)
        return Channel(int(forum.id), name)

    async def create_post(
        self,
        person_id: int,
        forum_id: int,
        title: str,
        content: str,
        *,
        tags: Sequence[str] = (),
        files: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Begin a post in a forum. Its thread and its first message share the returned id."""
        check_thread_name(title)
        backend = self._state.backend
        with as_loopback_errors():
            forum = self._state.require(person_id, forum_id, "view_channel", "send_messages")
            applied = [int(tag["id"]) for tag in forum.available_tags if tag["name"] in tags]
            thread = backend.create_thread(forum_id, title, person_id, applied_tags=applied, broadcast=False)
            attachments = backend.store_attachments(thread.id, files)
            starter = backend.prepare_message(thread.id, person_id, content, attachments=attachments)
            starter.id = thread.id
            backend.announce_thread_create(thread)
            backend.commit_message(starter)
        return int(thread.id)

    def _create(self, channel_id: int, author_id: int, content: str = "", **more: Any) -> int:
        with as_loopback_errors():
            return int(self._state.backend.create_message(channel_id, author_id, content, **more).id)
