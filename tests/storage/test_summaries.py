"""Summaries in either database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.storage.storage import Storage
from bot.storage.tables import SummarizedTurn
from tests.storage.stored import (
    ADA,
    DONE,
    ELSEWHERE,
    GRACE,
    HERE,
    answered,
    everything,
    keep,
    quote,
    reply_id,
    storage,
    summary,
    turn,
)

__all__ = ["storage"]

Change = Callable[[Storage], Awaitable[object]]

ONE = turn(10)
TWO = turn(20, after=ONE, by=GRACE, quotes=[quote(3, by=33)])
THREE = turn(30, after=TWO)
BOTH = summary(25, ONE, TWO, text="Secret")


async def test_a_summary_is_read_with_the_branch_that_it_is_in(storage: Storage) -> None:
    reply_to_one = turn(40, after=ONE)
    await keep(storage, ONE, TWO, THREE, reply_to_one)
    await storage.conversations.summarize(BOTH)
    assert await storage.conversations.branch(30) == [BOTH, ONE, TWO, THREE]
    assert await storage.conversations.branch(40) == [ONE, reply_to_one], "its branch does not hold all of it"


async def test_the_tip_names_the_summary_that_the_model_saw(storage: Storage) -> None:
    after_trim = replace(turn(40, after=THREE, first_id=30), summary_id=BOTH.id)
    await keep(storage, ONE, TWO, THREE)
    await storage.conversations.summarize(BOTH)
    await keep(storage, after_trim)
    assert await storage.conversations.branch(40) == [BOTH, THREE, after_trim]


CHANGES: dict[str, Change] = {
    "edit": lambda storage: storage.conversations.edit(20, "Edited", []),
    "edit a quote": lambda storage: storage.conversations.edit(3, "Edited", []),
    "erase": lambda storage: storage.conversations.erase([10]),
    "erase the answer": lambda storage: storage.conversations.erase([reply_id(TWO)]),
    "erase a quote": lambda storage: storage.conversations.erase([3]),
    "forget": lambda storage: storage.conversations.forget(GRACE, None),
    "forget here": lambda storage: storage.conversations.forget(ADA, frozenset({HERE.channel_id})),
    "forget the quoted": lambda storage: storage.conversations.forget(33, None),
    "forget old turns": lambda storage: storage.conversations.forget_before(15),
    "forget old quotes": lambda storage: storage.conversations.forget_before(5),
    "another answer": lambda storage: storage.conversations.add_version(answered(TWO, 2, "Other"), DONE),
    "a longer answer": lambda storage: storage.conversations.continue_answer(answered(TWO, 1, "Longer"), DONE),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_of_what_it_covers_leaves_nothing_of_it(storage: Storage, database_url: str, name: str) -> None:
    await keep(storage, ONE, TWO, THREE)
    await storage.conversations.summarize(BOTH)
    await CHANGES[name](storage)
    assert BOTH.id not in [each.id for each in await storage.conversations.branch(30)]
    rows = await everything(database_url)
    assert "Secret" not in str(rows)
    assert rows[SummarizedTurn.__tablename__] == []


async def test_showing_another_version_of_what_it_covers_erases_it(storage: Storage, database_url: str) -> None:
    await keep(storage, ONE, TWO, THREE)
    await storage.conversations.add_version(answered(TWO, 2, "Other"), DONE)
    await storage.conversations.summarize(BOTH)
    await storage.conversations.show_version(20, 1)
    assert "Secret" not in str(await everything(database_url))


async def test_a_channel_that_a_threads_summary_covers_takes_it_along(storage: Storage, database_url: str) -> None:
    grown = replace(turn(50, after=ONE, key=ELSEWHERE), first_id=10)
    await keep(storage, ONE, grown, turn(60, after=grown, key=ELSEWHERE))
    await storage.conversations.summarize(summary(55, ONE, grown, text="Secret"))
    await storage.conversations.erase_channels([HERE.channel_id])
    assert "Secret" not in str(await everything(database_url))


async def test_changes_of_other_turns_leave_it(storage: Storage) -> None:
    await keep(storage, ONE, TWO, THREE)
    await storage.conversations.summarize(BOTH)
    await storage.conversations.edit(30, "Edited", [])
    await storage.conversations.edit(20, "Question 20", [])
    await storage.conversations.forget(99, None)
    await storage.conversations.forget(GRACE, frozenset({ELSEWHERE.channel_id}))
    assert (await storage.conversations.branch(30))[0] == BOTH
