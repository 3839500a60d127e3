"""Accepted questions in either database."""

from __future__ import annotations

from bot.conversation.store import UnfinishedQuestion
from bot.conversation.turn import ConversationKey
from bot.engine.interface import FinishReason, Outcome
from bot.storage.storage import Storage
from tests.storage.stored import ADA, DONE, ELSEWHERE, GRACE, HERE, accept, keep, open_storage, storage, turn

__all__ = ["storage"]


async def test_an_accepted_question_is_unfinished_until_delivered(storage: Storage) -> None:
    work = storage.work
    assert await work.unfinished() == []
    await accept(storage, turn(20, key=ELSEWHERE), turn(10, key=ConversationKey(1, GRACE), by=GRACE))
    new = UnfinishedQuestion(10, 1, None, "", (), GRACE), UnfinishedQuestion(20, 2, None, "", (), ADA)
    assert await work.unfinished() == list(new)
    failed = Outcome(FinishReason.FAILED, "Out of paper \0")
    await storage.conversations.remember(20, failed, None, as_tip=False, past_known=True)
    assert (await work.unfinished())[1] == UnfinishedQuestion(
        20, 2, Outcome(FinishReason.FAILED, "Out of paper \ufffd"), "", (), ADA
    )
    await storage.conversations.remember(10, DONE, turn(10), as_tip=True, past_known=True)
    assert (await work.unfinished())[0] == UnfinishedQuestion(10, 1, DONE, "Answer 10", (), GRACE)
    await work.delivered(20)
    assert [left.message_id for left in await work.unfinished()] == [10]
    await work.delivered(10)
    await work.delivered(99)
    assert await work.unfinished() == []


async def test_every_finish_reason_is_stored(storage: Storage) -> None:
    for number, reason in enumerate(FinishReason, 1):
        await accept(storage, turn(number))
        await storage.conversations.remember(number, Outcome(reason), None, as_tip=False, past_known=True)
    assert [left.outcome for left in await storage.work.unfinished()] == [Outcome(reason) for reason in FinishReason]


async def test_the_messages_of_a_reply_are_in_order(storage: Storage) -> None:
    await accept(storage, turn(10), turn(20))
    for position, message_id in ((1, 101), (0, 105), (2, 103)):
        await storage.work.replied(10, position, message_id)
    await storage.work.replied(20, 0, 107)
    assert [left.reply_ids for left in await storage.work.unfinished()] == [(105, 101, 103), (107,)]
    await storage.work.reply_deleted(101)
    assert (await storage.work.unfinished())[0].reply_ids == (105, 103)
    assert await storage.conversations.turn_of(101) is None


async def test_replies_stay_after_delivery(storage: Storage) -> None:
    await keep(storage, turn(10))
    await storage.work.delivered(10)
    assert await storage.conversations.turn_of(1010) == 10


async def test_a_message_is_unseen_until_it_is_accepted_or_turned_away(storage: Storage) -> None:
    work, top = storage.work, 2**63 - 1
    await accept(storage, turn(10), turn(top))
    await work.turn_away(20)
    await work.turn_away(10)
    assert await work.unseen([10, 20, 30, top, top - 1]) == {30, top - 1}
    assert await work.unseen([]) == set()
    assert [left.message_id for left in await work.unfinished()] == [top]
    await work.forget_seen_before(20)
    assert await work.unseen([10, 20, top]) == {10}


async def test_an_old_question_keeps_its_parts_until_it_is_delivered(storage: Storage) -> None:
    work = storage.work
    await work.accept(12, HERE, ADA, parts=[10, 11])
    await work.forget_seen_before(20)
    assert [left.parts for left in await work.unfinished()] == [(10, 11)]
    await work.delivered(12)
    await work.forget_seen_before(20)
    assert await work.unseen([10, 11, 12]) == {10, 11, 12}


async def test_the_most_recently_used_channels_with_their_first_question(storage: Storage) -> None:
    own = ConversationKey(1, ADA), ConversationKey(1, GRACE)
    await accept(storage, turn(10, key=own[0]), turn(20, key=ELSEWHERE), turn(30, key=own[1]))
    assert await storage.work.channels(9) == [(1, 10), (2, 20)]
    await accept(storage, turn(40, key=ELSEWHERE))
    assert await storage.work.channels(9) == [(2, 20), (1, 10)]
    assert await storage.work.channels(1) == [(2, 20)]
    await storage.conversations.reset(HERE, 50)
    assert await storage.work.channels(1) == [(1, 10)]


async def test_everything_survives_a_restart(database_url: str) -> None:
    async with open_storage(database_url) as storage:
        await keep(storage, turn(10))
        await accept(storage, turn(20))
        before = await storage.work.unfinished(), await storage.work.channels(9), await storage.conversations.branch(10)
    async with open_storage(database_url) as storage:
        after = await storage.work.unfinished(), await storage.work.channels(9), await storage.conversations.branch(10)
        assert after == before
        assert await storage.work.unseen([10, 20]) == set()
