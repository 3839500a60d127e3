"""Several answers to the same question are all kept, and one of them is the turn's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.conversation.turn import Turn, UserMessage
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message
from bot.storage.storage import Storage
from bot.storage.tables import AnswerVersion
from tests.storage.stored import ADA, DONE, HERE, answered, everything, keep, open_storage, quote, storage, turn

__all__ = ["storage"]

CUT = Outcome(FinishReason.LENGTH)


async def texts(storage: Storage, turn_id: int) -> list[str]:
    return [version.answer.content for version in await storage.conversations.versions(turn_id)]


async def remembered(storage: Storage, turn_id: int) -> Turn:
    *_, last = await storage.conversations.branch(turn_id)
    return last


async def test_a_turn_that_was_answered_once_has_one_version(storage: Storage) -> None:
    first = turn(10, answer=Message("assistant", "One", (1, 2), "fingerprint"))
    await storage.conversations.remember(10, CUT, first, as_tip=True, past_known=True)
    [version] = await storage.conversations.versions(10)
    assert version.number == 1
    assert version.answer == Message("assistant", "One", (1, 2), "fingerprint")
    assert version.reason is FinishReason.LENGTH
    assert await storage.conversations.versions(11) == []


async def test_every_version_is_kept_and_the_shown_one_is_remembered(storage: Storage) -> None:
    first = turn(10)
    await keep(storage, first)
    second = answered(first, 2, Message("assistant", "Two", (7, 8), "fingerprint"))
    await storage.conversations.add_version(second, CUT)
    assert await texts(storage, 10) == ["Answer 10", "Two"]
    assert await remembered(storage, 10) == second

    await storage.conversations.show_version(10, 1)
    assert await remembered(storage, 10) == first
    await storage.conversations.add_version(answered(first, 3, "Three"), DONE)
    assert await texts(storage, 10) == ["Answer 10", "Two", "Three"]
    reasons = [version.reason for version in await storage.conversations.versions(10)]
    assert reasons == [FinishReason.STOP, FinishReason.LENGTH, FinishReason.STOP]
    await storage.conversations.show_version(10, 2)
    assert await remembered(storage, 10) == second
    await storage.conversations.show_version(10, 9)
    assert await remembered(storage, 10) == second, "there is no such version"


async def test_a_continued_answer_replaces_the_version_that_it_continues(storage: Storage) -> None:
    first = turn(10)
    await storage.conversations.remember(10, CUT, first, as_tip=True, past_known=True)
    await storage.conversations.continue_answer(answered(first, 1, "Answer 10 goes on"), CUT)
    assert await texts(storage, 10) == ["Answer 10 goes on"]
    await storage.conversations.add_version(answered(first, 2, "Other"), CUT)
    await storage.conversations.continue_answer(answered(first, 2, "Other, too"), DONE)
    assert await texts(storage, 10) == ["Answer 10 goes on", "Other, too"]
    [_, second] = await storage.conversations.versions(10)
    assert second.reason is FinishReason.STOP
    assert (await remembered(storage, 10)).version == 2


async def test_a_restart_finds_what_is_to_be_delivered(storage: Storage) -> None:
    first = turn(10)
    await keep(storage, first)
    await storage.conversations.add_version(answered(first, 2, "Two"), CUT)
    [unfinished] = await storage.work.unfinished()
    assert (unfinished.answer, unfinished.outcome) == ("Two", CUT)


ERASURES: dict[str, Callable[[Storage], Awaitable[object]]] = {
    "deleted": lambda storage: storage.conversations.erase([10]),
    "reply deleted": lambda storage: storage.conversations.erase([1010]),
    "forgotten": lambda storage: storage.conversations.forget(ADA, None),
    "forgotten here": lambda storage: storage.conversations.forget(ADA, frozenset({HERE.channel_id})),
    "too old": lambda storage: storage.conversations.forget_before(15),
    "channel deleted": lambda storage: storage.conversations.erase_channels([HERE.channel_id]),
    "quote deleted": lambda storage: storage.conversations.erase([3]),
}


@pytest.mark.parametrize("name", ERASURES)
async def test_all_versions_go_with_their_turn(database_url: str, name: str) -> None:
    async with open_storage(database_url) as storage:
        asked = UserMessage("", ADA, "Ada", (quote(3),))
        first = Turn(10, HERE, None, 10, 0, asked, Message("assistant", "One"))
        await keep(storage, first)
        await storage.conversations.add_version(answered(first, 2, "Two"), DONE)
        await ERASURES[name](storage)
        assert await storage.conversations.versions(10) == []
        # What ends afterwards comes too late.
        await storage.conversations.add_version(answered(first, 3, "Three"), DONE)
        await storage.conversations.continue_answer(answered(first, 2, "Two, too"), DONE)
        await storage.conversations.show_version(10, 2)
        assert await storage.conversations.versions(10) == []
    assert (await everything(database_url))[AnswerVersion.__tablename__] == []
