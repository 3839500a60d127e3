"""What a message says: its text, and in words whatever else Discord shows of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import discord

from bot.conversation.graphemes import is_blank
from bot.conversation.wording import one_line
from bot.discord_client.incoming.question_header import without_header
from bot.discord_client.incoming.readable_text import readable_text

_WRITTEN = frozenset(
    {
        discord.MessageType.default,
        discord.MessageType.reply,
        discord.MessageType.chat_input_command,
        discord.MessageType.context_menu_command,
    }
)
_RICH = "rich"


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something in a message, other than an attachment, that the model cannot see.

    Attributes:
        name: "" if it has none.
    """

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()

    @property
    def mark(self) -> str:
        """How the model learns of it."""
        return f"[{self.kind}: {one_line(self.name)}, not readable]" if self.name else f"[{self.kind}, not readable]"


WHOLE_MESSAGE = Unseen("message")
"""Stands for a message of which nothing is shown. Every message shows something to whoever may see it."""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """What a message says.

    Attributes:
        words: what can be read of it; "" if that is nothing.
        unseen: what cannot, apart from its attachments.
    """

    words: str
    unseen: tuple[Unseen, ...]

    @property
    def text(self) -> str:
        """The whole content as the model gets it."""
        return "\n".join(filter(None, (self.words, *(each.mark for each in self.unseen))))


def content_of(message: discord.Message, bot_user_id: int) -> MessageContent:
    """Read a message without its attachments and without the message that it replies to.

    Edits are read the same way, so the result must depend on the message alone.
    """
    reading = _Reading(message, bot_user_id)
    parts = [part for part in (*reading.own(), *map(reading.forwarded, message.message_snapshots)) if part]
    if not (parts or reading.unseen or message.content or attachments_of(message)):
        reading.unseen.append(WHOLE_MESSAGE)  # hidden without the message-content intent, or of an unknown kind
    return MessageContent("\n\n".join(filter(None, (_title(message), *parts))), tuple(reading.unseen))


def attachments_of(message: discord.Message) -> list[discord.Attachment]:
    """A message's attachments, and those of what it forwards."""
    forwarded = (attachment for snapshot in message.message_snapshots for attachment in snapshot.attachments)
    return [*message.attachments, *forwarded]


def is_written(message: discord.Message) -> bool:
    """Whether somebody wrote a message; Discord itself makes the others."""
    return message.type in _WRITTEN


@dataclass(slots=True)
class _Reading:
    """Collects the readable parts of one message, and notes what cannot be read."""

    message: discord.Message
    bot_user_id: int
    unseen: list[Unseen] = field(default_factory=list)

    def own(self) -> Iterator[str]:
        message = self.message
        if not is_written(message):
            yield f"[{_system_text(message)}]"
            return
        # The line that says what an interaction asked is not the bot's own, and must go when its author is forgotten.
        is_own = message.author.id == self.bot_user_id
        yield self._readable(without_header(message.content) if is_own else message.content)
        if message.poll is not None:
            yield self._poll(message.poll)
        if message.author.bot:  # below what members write, embeds only preview its links
            yield from self._embeds(message.embeds, message.content)
        yield from self._components(message.components)
        self._note_stickers(message.stickers)

    def forwarded(self, snapshot: discord.MessageSnapshot) -> str:
        content = self._readable(snapshot.content)
        embeds = self._embeds(snapshot.embeds, snapshot.content)
        words = "\n\n".join(filter(None, (content, *embeds, *self._components(snapshot.components))))
        self._note_stickers(snapshot.stickers)
        return f"[{self._origin()}]\n{words}" if words else ""

    def _origin(self) -> str:
        """Where a forwarded message comes from, if all members of this server may know. Discord hides who wrote it."""
        reference, guild = self.message.reference, self.message.guild
        channel = guild.get_channel_or_thread(reference.channel_id) if guild and reference else None
        if guild is None or channel is None or not channel.permissions_for(guild.default_role).view_channel:
            return "forwarded message"
        return f"message forwarded from #{one_line(channel.name)}"

    def _readable(self, text: str | None) -> str:
        return readable_text(self.message, self.bot_user_id, text or "")

    def _poll(self, poll: discord.Poll) -> str:
        lines = [f"[poll] {self._readable(poll.question)}"]
        for answer in poll.answers:
            emoji = f"{answer.emoji.name} " if answer.emoji else ""
            votes = f" ({answer.vote_count} {'vote' if answer.vote_count == 1 else 'votes'})"
            lines.append(f"- {emoji}{answer.text or ''}{votes if poll.total_votes else ''}")
        return "\n".join(lines)

    def _embeds(self, embeds: Iterable[discord.Embed], content: str) -> Iterator[str]:
        for embed in embeds:
            if embed.type != _RICH or (embed.url and embed.url in content):
                continue  # the preview of a link
            if embed.image:
                self.unseen.append(Unseen("picture"))
            fields = (f"{field.name}: {field.value}" for field in embed.fields)
            lines = (embed.author.name, embed.title, embed.description, *fields, embed.footer.text)
            yield "\n".join(filter(None, map(self._readable, lines)))

    def _components(self, components: Iterable[object]) -> Iterator[str]:
        for component in components:
            if isinstance(component, discord.TextDisplay):
                yield self._readable(component.content)
            elif isinstance(component, discord.MediaGalleryComponent):
                self.unseen += [Unseen("picture", item.description or "") for item in component.items]
            yield from self._components(getattr(component, "children", ()))

    def _note_stickers(self, stickers: Sequence[discord.StickerItem]) -> None:
        self.unseen += [Unseen("sticker", sticker.name) for sticker in stickers]


def _title(message: discord.Message) -> str:
    """The title of a forum post, which belongs to its first message, with the post's tags."""
    thread = message.channel
    if not isinstance(thread, discord.Thread) or thread.id != message.id or is_blank(thread.name):
        return ""
    tags = ", ".join(tag.name for tag in thread.applied_tags)
    return f"{thread.name}\n(Tags: {tags})" if tags else thread.name


def _system_text(message: discord.Message) -> str:
    """What Discord's client shows in place of a system message."""
    try:
        text = message.system_content
    except (AttributeError, IndexError, TypeError, ValueError):
        text = ""  # discord.py 2.7.1 expects parts that Discord hides without the message-content intent
    return text or message.type.name.replace("_", " ")
