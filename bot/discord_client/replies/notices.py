"""Says why a message gets no answer, in one message for all who are to hear the same in a channel."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field

import discord

from bot.conversation.store import WorkStore
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.discord_client.replies.running_replies import RunningReplies
from bot.discord_client.rest.urgency import Urgency
from bot.log_context import create_shared_task

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 2.0  # between two notices with the same line in a channel
_MOST_MESSAGES = 10
_NAMES = re.compile(r"(<@\d+>(, |: |,?$))+")


@dataclass(slots=True, eq=False)
class _Notice:
    """One line for several members.

    Attributes:
        messages: what they wrote, the oldest first.
        settled: set when Discord shows it, or refuses it for good.
    """

    messages: list[discord.Message] = field(default_factory=list)
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class Notices:
    """Says lines to members, exactly once each.

    Args:
        editors: make the replies.
        work: keeps what is still to be said.
        running_replies: holds the end of the bot up until it is said.
    """

    def __init__(self, editors: ReplyEditors, work: WorkStore, running_replies: RunningReplies) -> None:
        self._editors = editors
        self._work = work
        self._running_replies = running_replies
        self._next: dict[tuple[int, str], _Notice] = {}  # those that take more members in
        self._latest: dict[tuple[int, str], _Notice] = {}  # those that Discord is to show
        self._said_at: dict[tuple[int, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def say(self, message: discord.Message, line: str) -> None:
        """Say a line to the author of a message; return when Discord shows it or refuses it for good."""
        await self._work.owe_notice(message.id, message.channel.id, message.author.id, line)
        key = (message.channel.id, line)
        notice = self._next.get(key)
        if notice is None:
            notice = self._next[key] = _Notice()
            task = create_shared_task(self._say_to_all(key, notice), name=f"notice in {message.channel.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        notice.messages.append(message)
        await notice.settled.wait()

    async def _say_to_all(self, key: tuple[int, str], notice: _Notice) -> None:
        with self._running_replies.delivering():
            try:
                if (earlier := self._latest.get(key)) is not None:
                    await earlier.settled.wait()  # in an outage that may be long, and many may gather
                await asyncio.sleep(self._gathering_ends_at(key) - time.monotonic())
                self._said_at[key] = time.monotonic()
                self._latest[key] = self._next.pop(key)
                first, is_shared = notice.messages[0], len(notice.messages) > 1
                editor = self._editors.editor(first, max_messages=_MOST_MESSAGES, is_shared=is_shared)
                await editor.finish(_addressed(notice.messages, key[1]), urgency=Urgency.NOTICE)
                for message in notice.messages:
                    await self._work.turn_away(message.id)
                ids = ",".join(str(message.id) for message in notice.messages)
                logger.info("Turned away: channel=%d messages=%s", key[0], ids)
            finally:
                notice.settled.set()
                if self._latest.get(key) is notice:
                    del self._latest[key]

    def _gathering_ends_at(self, key: tuple[int, str]) -> float:
        now = time.monotonic()
        self._said_at = {each: at for each, at in self._said_at.items() if now - at < _GATHER_SECONDS}
        return self._said_at.get(key, now - _GATHER_SECONDS) + _GATHER_SECONDS


def addresses(notice: discord.Message, member_id: int) -> bool:
    """Whether a message is a notice for several members, of whom this is one."""
    names = _NAMES.match(notice.content)
    return names is not None and f"<@{member_id}>" in names[0]


def _addressed(messages: list[discord.Message], line: str) -> str:
    """The line, for several members with their names. Nobody is pinged: the client allows no mention."""
    names = list(dict.fromkeys(message.author.mention for message in messages))
    return line if len(names) == 1 else f"{', '.join(names)}: {line}"
