"""What the bot has said on Discord, kept up to date as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.demo.loopback import Event, EventKind, LoopbackDiscord


@dataclass(frozen=True, slots=True)
class Shown:
    """One of the bot's messages as people see it.

    Attributes:
        id: the message's id.
        channel_id: where it is.
        question_id: the message that it replies to; None for the later messages of an answer.
        content: its text.
        has_button: whether there is something to click below it, as long as the answer grows.
    """

    id: int
    channel_id: int
    question_id: int | None
    content: str
    has_button: bool


@dataclass(slots=True)
class Replies:
    """Everything that the bot has said.

    Attributes:
        shown: its messages that are there, by id.
    """

    shown: dict[int, Shown] = field(default_factory=dict)
    _by_question: dict[int, set[int]] = field(default_factory=dict)

    def to(self, question_id: int) -> list[Shown]:
        """The messages that reply to a question."""
        return [self.shown[each] for each in sorted(self._by_question.get(question_id, ())) if each in self.shown]

    def is_whole(self, question_id: int) -> bool:
        """Whether a question is answered, as far as can be seen from the message that replies to it."""
        replies = self.to(question_id)
        return bool(replies) and not any(reply.has_button for reply in replies)

    def note(self, shown: Shown) -> None:
        """A message was sent or edited."""
        self.shown[shown.id] = shown
        if shown.question_id is not None:
            self._by_question.setdefault(shown.question_id, set()).add(shown.id)


class Listener:
    """Notes what the bot says, as long as it is open.

    Args:
        discord: where the bot says it.
        replies: where to note it.
    """

    def __init__(self, discord: LoopbackDiscord, replies: Replies) -> None:
        self._bot_id = str(discord.bot.id)
        self._replies = replies
        self._events = discord.subscribe()
        self._watchers: set[Callable[[Shown, bool], None]] = set()
        self._task = asyncio.create_task(self._follow())

    async def hear(self, is_it: Callable[[Shown, bool], bool]) -> None:
        """Wait until the bot says something of a kind.

        Args:
            is_it: is asked about each message that is sent (True) or edited (False).
        """
        heard = asyncio.Event()

        def watch(shown: Shown, is_new: bool) -> None:
            if is_it(shown, is_new):
                heard.set()

        self._watchers.add(watch)
        try:
            await heard.wait()
        finally:
            self._watchers.discard(watch)

    async def close(self) -> None:
        """Listen no more."""
        self._events.close()
        await self._task

    async def _follow(self) -> None:
        async for event in self._events:
            if event.kind is EventKind.MESSAGE_DELETE:
                self._replies.shown.pop(int(event.data["id"]), None)
            elif event.kind in (EventKind.MESSAGE, EventKind.MESSAGE_EDIT):
                self._note(event)

    def _note(self, event: Event) -> None:
        message = event.data
        if message["author"]["id"] != self._bot_id:
            return
        reference = message.get("message_reference")
        shown = Shown(
            id=int(message["id"]),
            channel_id=int(message["channel_id"]),
            question_id=int(reference["message_id"]) if reference else None,
            content=message["content"],
            has_button=bool(message["components"]),
        )
        self._replies.note(shown)
        for watch in list(self._watchers):
            watch(shown, event.kind is EventKind.MESSAGE)
