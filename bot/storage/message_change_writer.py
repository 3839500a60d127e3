"""Edits and deletions of messages, as they come from Discord: of many messages, most of which the database has not.

They are looked up together, outside the journal, and only what changes something is written. So a busy server costs
a query now and then, and none of it holds the journal up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.changes import Contents, MessageChanges
from bot.errors import DatabaseOutageError
from bot.log_context import create_shared_task
from bot.storage.journal import Journal
from bot.storage.message_rows import change_messages, look_up

Report: TypeAlias = Callable[[Collection[int], Collection[int]], Awaitable[None]]

_MOST_READ = 500
_MOST_WRITTEN = 50
"""Upper bound in messages for one transaction, so that other writes need not wait long."""


@dataclass(eq=False, slots=True)
class _Group:
    """Changes that are looked up together.

    Attributes:
        concerned: the messages that change something, each with itself and the question that it answered.
        settled: set when their callers need not wait any longer.
        error: why the database will never accept them.
    """

    changes: MessageChanges = field(default_factory=MessageChanges)
    concerned: dict[int, Collection[int]] = field(default_factory=dict)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


@dataclass(eq=False, slots=True)
class _Postponed:
    """Changes that wait in the journal for the end of an outage, without having been looked up.

    Attributes:
        report: called with the messages of each part before it is changed.
        begun: the transaction has read `changes`.
    """

    report: Report
    changes: MessageChanges = field(default_factory=MessageChanges)
    begun: bool = False

    async def write(self, connection: AsyncConnection) -> None:
        """Make them; many of them concern nothing."""
        self.begun = True
        for part in _parts(self.changes.contents, _MOST_READ):
            lookup = await look_up(connection, part)
            await self.report(lookup.messages, lookup.questions)
            await change_messages(connection, part)


async def _to_nobody(_message_ids: Collection[int], _question_ids: Collection[int]) -> None:
    """Nobody has asked for reports."""


class MessageChangeWriter:
    """Writes edits and deletions of messages, in their order.

    The first is looked up at once; those that come meanwhile gather, and are looked up together after a pause.

    Args:
        journal: takes what changes something, or, during an outage, everything.
        pause_seconds: after a lookup that found nothing, so that a busy server costs only a few.
    """

    def __init__(self, journal: Journal, pause_seconds: float) -> None:
        self._journal = journal
        self._pause_seconds = pause_seconds
        self._next_lookup = 0.0
        self._gathering = _Group()
        self._report: Report = _to_nobody
        self._postponed = _Postponed(self._report)
        self._task: asyncio.Task[None] | None = None

    def report_to(self, report: Report) -> None:
        """Report messages before their changes are committed; see `ConversationStore.before_message_changes`."""
        self._report = report

    async def write(self, contents: Contents) -> set[int]:
        """Write changes; during an outage, return without waiting for its end.

        Returns:
            the messages that they concern, or may concern, and the questions that these answered.
        """
        if not contents:
            return set()
        group = self._gathering
        group.changes.add(contents)
        if self._task is None:
            self._task = create_shared_task(self._run())
        await group.settled.wait()
        if group.error is not None:
            raise group.error
        return {each for message_id in contents for each in group.concerned.get(message_id, ())}

    async def finish(self, time_limit_seconds: float) -> None:
        """Wait until everything is in the journal, at most for the limit."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=time_limit_seconds)

    async def _run(self) -> None:
        while self._gathering.changes.contents:
            await asyncio.sleep(self._next_lookup - time.monotonic())
            group, self._gathering = self._gathering, _Group()
            try:
                await self._settle(group)
            except Exception as error:  # noqa: BLE001 - its callers raise it
                group.error = error
            group.settled.set()
            if not group.concerned:
                self._next_lookup = time.monotonic() + self._pause_seconds
        self._task = None

    async def _settle(self, group: _Group) -> None:
        contents = group.changes.contents
        messages: set[int] = set()
        questions: set[int] = set()
        try:
            for part in _parts(contents, _MOST_READ):
                lookup = await self._journal.read(partial(look_up, contents=part))
                group.concerned.update(lookup.concerned)
                messages.update(lookup.messages)
                questions.update(lookup.questions)
            complete = self._journal.outage is None
        except DatabaseOutageError:
            complete = False
        await self._report(messages if complete else contents.keys(), questions)
        if not complete:
            group.concerned = {message_id: (message_id,) for message_id in contents} | group.concerned
            await self._postpone(contents)
            return
        for part in _parts({each: contents[each] for each in group.concerned}, _MOST_WRITTEN):
            await self._journal.write(partial(change_messages, contents=part), deletes=True)

    async def _postpone(self, contents: Contents) -> None:
        # They join those that wait, unless something was written since: that may be a turn that they concern.
        if not self._postponed.begun and self._journal.ends_with(self._postponed.write):
            self._postponed.changes.add(contents)
            return
        self._postponed = _Postponed(self._report)
        self._postponed.changes.add(contents)
        await self._journal.write(self._postponed.write, deletes=True)


def _parts(contents: Contents, most: int) -> Iterator[Contents]:
    message_ids = list(contents)
    for start in range(0, len(message_ids), most):
        yield {message_id: contents[message_id] for message_id in message_ids[start : start + most]}
