"""The order in which accepted, missed and new questions come, with Discord played by a list of messages."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.answering.recovery import MessageGoneError, Recovery, UnreachableError
from bot.conversation.snowflake import snowflake_at
from bot.conversation.store import UnfinishedQuestion
from bot.conversation.turn import ConversationKey
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import Memory, open_memory, person

HERE, ELSEWHERE, NEW = 1, 2, 3
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Said:
    """A message for the bot."""

    id: int
    channel: int = HERE


@dataclass
class FakeInbox:
    """Notes what it is told to answer; messages and channels that it cannot read are in `unreadable` or `forbidden`."""

    messages: list[Said] = field(default_factory=list)
    unreadable: set[int] = field(default_factory=set)
    slow: set[int] = field(default_factory=set)  # questions that are read once their gate is open
    forbidden: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    answered: list[int] = field(default_factory=list)
    gates: defaultdict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    closed: bool = False

    async def resume(self, question: UnfinishedQuestion) -> None:
        if question.message_id in self.deleted:
            raise MessageGoneError
        self._check(question.message_id)
        if question.message_id in self.slow:
            await self.gates[question.message_id].wait()
        if question.message_id in self.answered:
            return
        self.answered.append(question.message_id)

    async def missed(self, channel_id: int, after_id: int) -> Sequence[Said]:
        await self.gates[channel_id].wait()
        self._check(channel_id)
        return [message for message in self.messages if message.channel == channel_id and message.id > after_id]

    def _check(self, message_or_channel_id: int) -> None:
        if message_or_channel_id in self.unreadable:
            raise UnreachableError("503", is_passing=True)
        if message_or_channel_id in self.forbidden:
            raise UnreachableError("no permission", is_passing=False)

    def answer(self, messages: Sequence[Said]) -> None:
        self.answered += [message.id for message in messages]

    def close(self) -> None:
        self.closed = True

    def open(self, *channels: int) -> None:
        for channel in channels:
            self.gates[channel].set()


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def work(memory: Memory) -> DatabaseWorkStore:
    return DatabaseWorkStore(memory.journal)


def message_of(age: timedelta, number: int = 0) -> int:
    return snowflake_at(datetime.now(UTC) - age) + number


async def accept(work: DatabaseWorkStore, *messages: Said) -> None:
    for message in messages:
        await work.accept(message.id, ConversationKey(message.channel), person("Ada"))


async def finish(work: DatabaseWorkStore, *messages: Said) -> None:
    await accept(work, *messages)
    for message in messages:
        await work.delivered(message.id)


async def ended(task_name: str) -> None:
    """Wait until a task has ended, if it still runs."""
    async with asyncio.timeout(10):
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == task_name))


async def test_accepted_questions_come_before_missed_ones_and_those_before_new_ones(work: DatabaseWorkStore) -> None:
    old, accepted, missed, new = (Said(message_of(HOUR, number)) for number in range(4))
    await finish(work, old)
    await accept(work, accepted)
    inbox = FakeInbox([old, accepted, missed])
    recovery = Recovery(inbox, work, 2 * HOUR)

    async def answer_new() -> None:
        await recovery.wait_for_turn(HERE)
        inbox.answer([new])

    answering = asyncio.create_task(answer_new())
    recovering = asyncio.create_task(recovery.run())
    await recovery.wait_for_turn(NEW)  # nothing was missed there
    for _ in range(1000):
        if inbox.answered:
            break
        await asyncio.sleep(0.01)
    assert inbox.answered == [accepted.id]
    inbox.open(HERE)
    await asyncio.gather(answering, recovering)
    assert inbox.answered == [accepted.id, missed.id, new.id]


async def test_a_channel_waits_for_its_own_search_only(work: DatabaseWorkStore) -> None:
    await finish(work, Said(message_of(HOUR, 1), HERE), Said(message_of(HOUR, 2), ELSEWHERE))
    inbox = FakeInbox([Said(message_of(HOUR, 3), ELSEWHERE), Said(message_of(HOUR, 4), HERE)])
    recovery = Recovery(inbox, work, 2 * HOUR)
    recovering = asyncio.create_task(recovery.run())
    inbox.open(ELSEWHERE)
    await recovery.wait_for_turn(ELSEWHERE)
    assert inbox.answered == [inbox.messages[0].id]
    waiting = asyncio.create_task(recovery.wait_for_turn(HERE))
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.open(HERE)
    await asyncio.gather(waiting, recovering)
    assert len(inbox.answered) == 2


async def test_seen_and_old_messages_are_not_answered(work: DatabaseWorkStore) -> None:
    first, turned_away, too_old, missed = (
        Said(message_of(age, number)) for number, age in enumerate((timedelta(days=3), HOUR, timedelta(days=2), HOUR))
    )
    await finish(work, first)
    await work.turn_away(turned_away.id)
    inbox = FakeInbox([first, turned_away, too_old, missed])
    inbox.open(HERE)
    await Recovery(inbox, work, timedelta(days=1)).run()
    assert inbox.answered == [missed.id]


async def test_a_start_that_looks_further_back_answers_nothing_again(work: DatabaseWorkStore) -> None:
    first, answered, missed = (Said(message_of(age)) for age in (4 * HOUR, 3 * HOUR, HOUR))
    await finish(work, first, answered)
    inbox = FakeInbox([first, answered])
    inbox.open(HERE)
    await Recovery(inbox, work, 2 * HOUR).run()
    inbox.messages.append(missed)
    await Recovery(inbox, work, 6 * HOUR).run()
    assert inbox.answered == [missed.id]


@pytest.mark.parametrize("missed_for", [timedelta(0), HOUR])
async def test_what_no_start_looks_for_is_not_kept(work: DatabaseWorkStore, missed_for: timedelta) -> None:
    old, recent = Said(message_of(timedelta(hours=337))), Said(message_of(timedelta(hours=335)))
    for each in (old, recent):
        await work.turn_away(each.id)
    await Recovery(FakeInbox(), work, missed_for).run()
    assert await work.unseen([old.id, recent.id]) == {old.id}


async def test_what_retention_has_forgotten_is_not_answered_again(memory: Memory, work: DatabaseWorkStore) -> None:
    first, old, new = (Said(message_of(age)) for age in (4 * HOUR, 3 * HOUR, HOUR))
    await finish(work, first, old, new)
    missed_too_long_ago, missed = Said(message_of(3 * HOUR, 1)), Said(message_of(HOUR, 1))
    inbox = FakeInbox([first, old, new, missed_too_long_ago, missed])
    inbox.open(HERE)
    await memory.conversations().forget_before(message_of(2 * HOUR))
    await Recovery(inbox, work, 6 * HOUR, kept_for=2 * HOUR).run()
    assert inbox.answered == [missed.id]


async def test_missed_messages_are_left_alone_if_so_configured(work: DatabaseWorkStore) -> None:
    accepted = Said(message_of(HOUR))
    await accept(work, accepted)
    inbox = FakeInbox([Said(message_of(HOUR, 1))])
    recovery = Recovery(inbox, work, timedelta(0))
    await recovery.run()
    await recovery.wait_for_turn(HERE)
    assert inbox.answered == [accepted.id]


@pytest.mark.parametrize("why", ["unreadable", "forbidden"])
async def test_what_cannot_be_read_is_retried_until_it_can(work: DatabaseWorkStore, why: str) -> None:
    accepted = Said(message_of(HOUR))
    await accept(work, accepted)
    inbox = FakeInbox()
    getattr(inbox, why).add(accepted.id)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 7:
            inbox.unreadable.clear()
            inbox.forbidden.clear()

    await Recovery(inbox, work, timedelta(0), pause).run()
    await ended(f"finish {accepted.id}")
    assert inbox.answered == [accepted.id]
    assert pauses == [5, 15, 60, 300, 900, 900, 900]


async def test_a_channel_that_cannot_be_searched_is_searched_later(work: DatabaseWorkStore) -> None:
    await finish(work, Said(message_of(HOUR, 1)))
    inbox = FakeInbox([Said(message_of(HOUR, 2))], unreadable={HERE})
    inbox.open(HERE)

    async def pause(_: float) -> None:
        inbox.unreadable.clear()

    await Recovery(inbox, work, 2 * HOUR, pause).run()
    await ended(f"search {HERE}")
    assert inbox.answered == [inbox.messages[0].id]


async def test_what_the_database_keeps_is_finished_after_its_outage(memory: Memory, work: DatabaseWorkStore) -> None:
    accepted = Said(message_of(HOUR))
    await accept(work, accepted)
    inbox = FakeInbox()
    is_back = asyncio.Event()
    recovery = Recovery(inbox, work, timedelta(0), lambda _: is_back.wait())
    await memory.close_connections()
    with memory.lost():
        await recovery.run()
    is_back.set()
    await ended("recovery")
    assert inbox.answered == [accepted.id]


async def test_a_deleted_question_is_given_up_at_once(work: DatabaseWorkStore) -> None:
    deleted = Said(message_of(HOUR))
    await accept(work, deleted)
    await Recovery(FakeInbox(deleted={deleted.id}), work, timedelta(0)).run()
    assert await work.unfinished() == []


async def test_an_unreadable_channel_holds_up_nobody(work: DatabaseWorkStore) -> None:
    await finish(work, Said(message_of(HOUR, 1), HERE), Said(message_of(HOUR, 2), ELSEWHERE))
    inbox = FakeInbox([Said(message_of(HOUR, 3), HERE), Said(message_of(HOUR, 4), ELSEWHERE)], forbidden={ELSEWHERE})
    inbox.open(HERE, ELSEWHERE)
    recovery = Recovery(inbox, work, 2 * HOUR)
    await recovery.run()
    assert inbox.answered == [inbox.messages[0].id]
    for channel in (HERE, ELSEWHERE, NEW):
        await recovery.wait_for_turn(channel)


async def test_without_the_database_new_questions_are_still_answered(memory: Memory, work: DatabaseWorkStore) -> None:
    recovery = Recovery(FakeInbox(), work, HOUR, lambda _: asyncio.Event().wait())
    await memory.close_connections()
    with memory.lost():
        await recovery.run()
    await recovery.wait_for_turn(HERE)
    recovery.close()


async def test_a_new_connection_recovers_what_was_missed_but_resumes_nothing_twice(work: DatabaseWorkStore) -> None:
    accepted = Said(message_of(HOUR, 1))
    await accept(work, accepted)
    inbox = FakeInbox()
    inbox.open(HERE)
    recovery = Recovery(inbox, work, 2 * HOUR)
    await recovery.run()
    inbox.messages.append(Said(message_of(HOUR, 2)))
    await recovery.run()
    assert inbox.answered == [accepted.id, inbox.messages[0].id]


async def test_closing_ends_the_retries(work: DatabaseWorkStore) -> None:
    accepted = Said(message_of(HOUR))
    await accept(work, accepted)
    inbox = FakeInbox(unreadable={accepted.id})
    retrying = asyncio.Event()

    async def pause(_: float) -> None:
        retrying.set()
        await asyncio.Event().wait()

    recovery = Recovery(inbox, work, timedelta(0), pause)
    await recovery.run()
    await retrying.wait()
    recovery.close()
    assert inbox.closed
    [retry] = [task for task in asyncio.all_tasks() if task.get_name() == f"finish {accepted.id}"]
    await asyncio.wait([retry], timeout=10)
    assert retry.cancelled()


async def test_an_accepted_question_that_is_slow_to_read_holds_up_only_its_channel(work: DatabaseWorkStore) -> None:
    here, later_here, elsewhere = (
        Said(message_of(HOUR, 1)),
        Said(message_of(HOUR, 2)),
        Said(message_of(HOUR, 3), ELSEWHERE),
    )
    await accept(work, here, later_here, elsewhere)
    inbox = FakeInbox(slow={here.id})
    recovery = Recovery(inbox, work, timedelta(0))
    recovering = asyncio.create_task(recovery.run())
    async with asyncio.timeout(5):
        await recovery.wait_for_turn(NEW)
        await recovery.wait_for_turn(ELSEWHERE)
    assert inbox.answered == [elsewhere.id]
    waiting = asyncio.create_task(recovery.wait_for_turn(HERE))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    inbox.open(here.id)
    await asyncio.gather(waiting, recovering)
    assert inbox.answered == [elsewhere.id, here.id, later_here.id]
