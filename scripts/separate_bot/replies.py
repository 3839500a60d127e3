"""The bot's messages on Discord, kept up to date."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.demo.loopback import Event, EventKind, LoopbackDiscord

_MENTION = re.compile(r"<@!?(\d+)>")


@dataclass(frozen=True, slots=True)
class BotMessage:
    """One of the bot's messages as members see it.

    Attributes:
        question_id: the message that it replies to; None for the later messages of an answer.
        has_button: whether it has a Stop button, as a message that still grows does.
    """

    id: int
    channel_id: int
    question_id: int | None
    content: str
    has_button: bool

    @property
    def mentions(self) -> list[int]:
        """The ids of the members that it mentions."""
        return [int(user_id) for user_id in _MENTION.findall(self.content)]


@dataclass(slots=True)
class Replies:
    """All of the bot's messages.

    Attributes:
        messages: those that are not deleted, by id.
        changed_at: when the latest was sent or edited, in seconds of `time.monotonic()`.
    """

    messages: dict[int, BotMessage] = field(default_factory=dict)
    changed_at: float = 0.0
    _by_question: dict[int, set[int]] = field(default_factory=dict)
    _by_mention: dict[tuple[int, int], set[int]] = field(default_factory=dict)

    def to(self, question_id: int) -> list[BotMessage]:
        """Return the messages that reply to a question."""
        return [self.messages[each] for each in sorted(self._by_question.get(question_id, ())) if each in self.messages]

    def naming(self, user_id: int, channel_id: int, after_id: int) -> list[BotMessage]:
        """Return the messages in a channel that mention a member and came after another message."""
        ids = sorted(self._by_mention.get((channel_id, user_id), ()))
        return [self.messages[each] for each in ids if each > after_id and each in self.messages]

    def is_whole(self, question_id: int) -> bool:
        """Return whether a question has a reply, and the reply no button any more."""
        replies = self.to(question_id)
        return bool(replies) and not any(reply.has_button for reply in replies)

    def add(self, message: BotMessage) -> None:
        """Keep a message that was sent or edited."""
        self.messages[message.id] = message
        self.changed_at = time.monotonic()
        if message.question_id is not None:
            self._by_question.setdefault(message.question_id, set()).add(message.id)
        for user_id in message.mentions:
            self._by_mention.setdefault((message.channel_id, user_id), set()).add(message.id)


class Listener:
    """Adds the bot's messages to `replies` until it is closed."""

    def __init__(self, discord: LoopbackDiscord, replies: Replies) -> None:
        self._bot_id = str(discord.bot.id)
        self._replies = replies
        self._events = discord.subscribe()
        self._watchers: set[Callable[[BotMessage, bool], None]] = set()
        self._task = asyncio.create_task(self._follow())

    def watch(self, watcher: Callable[[BotMessage, bool], None]) -> None:
        """Call `watcher` from now on with each message and whether it is new (True) or edited (False)."""
        self._watchers.add(watcher)

    async def wait_for(self, matches: Callable[[BotMessage, bool], bool]) -> None:
        """Wait for a message of the bot.

        Args:
            matches: called with each message and whether it is new (True) or edited (False).
        """
        found = asyncio.Event()

        def watch(message: BotMessage, is_new: bool) -> None:
            if matches(message, is_new):
                found.set()

        self.watch(watch)
        try:
            await found.wait()
        finally:
            self._watchers.discard(watch)

    async def close(self) -> None:
        """Stop listening."""
        self._events.close()
        await self._task

    async def _follow(self) -> None:
        async for event in self._events:
            if event.kind is EventKind.MESSAGE_DELETE:
                self._replies.messages.pop(int(event.data["id"]), None)
            elif event.kind in (EventKind.MESSAGE, EventKind.MESSAGE_EDIT):
                self._add(event)

    def _add(self, event: Event) -> None:
        payload = event.data
        if payload["author"]["id"] != self._bot_id:
            return
        reference = payload.get("message_reference")
        message = BotMessage(
            id=int(payload["id"]),
            channel_id=int(payload["channel_id"]),
            question_id=int(reference["message_id"]) if reference else None,
            content=payload["content"],
            has_button=any(button["label"] == "Stop" for row in payload["components"] for button in row["components"]),
        )
        self._replies.add(message)
        for watch in list(self._watchers):
            watch(message, event.kind is EventKind.MESSAGE)
