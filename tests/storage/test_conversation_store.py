"""Conversations in either database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.conversation.changes import emptied, erased
from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.conversation.store import ConversationHead, ForgottenCount
from bot.conversation.turn import ConversationKey, Relation, TextFile, UnreadFile, UserMessage
from bot.prompting.prompt import Message
from bot.storage.storage import Storage
from tests.storage.stored import (
    ADA,
    DONE,
    ELSEWHERE,
    GRACE,
    HERE,
    accept,
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

THREAD = ConversationKey(12)
ODD = "NUL \0, halves \ud800 and \udfff, a pair \U0001f999, e\u0301, \u202eback"
SAFE = "NUL \ufffd, halves ? and ?, a pair \U0001f999, e\u0301, \u202eback"


async def test_a_turn_comes_back_as_it_was(storage: Storage) -> None:
    files = TextFile(5, "a.py", "print('🦙')\n"), TextFile(6, "b.md", ""), UnreadFile(7, "c.png", "picture")
    answer = Message("assistant", "Yes\n```\n", (0, 1, 32_000, 2**32 - 1), "fingerprint")
    kept = turn(10, "What?", quotes=[quote(3, files=files[::-1])], files=files, answer=answer)
    bare = turn(20, after=kept, key=HERE)
    await keep(storage, kept, bare)
    assert await storage.conversations.branch(20) == [kept, bare]


async def test_characters_that_no_database_takes_are_replaced(storage: Storage) -> None:
    files = (TextFile(5, "a.txt", "half a llama: \U0001f999"),)
    odd = turn(10, ODD, quotes=[replace(quote(3, ODD), author_name=ODD)], files=files, answer=Message("assistant", ODD))
    assert odd.asked is not None
    odd = replace(odd, asked=replace(odd.asked, author_name=ODD))
    await keep(storage, odd)
    await storage.conversations.set_persona(1, ODD)
    [found] = await storage.conversations.branch(10)
    assert found.asked is not None
    (found_quote,) = found.asked.quotes
    assert found.answer == Message("assistant", SAFE)
    texts = found.asked.text, found.asked.author_name, found_quote.text, found_quote.author_name
    assert texts == (SAFE,) * 4
    assert found.asked.files == files
    assert await storage.conversations.personas([1]) == {1: SAFE}
    [left] = await storage.work.unfinished()
    assert left.answer == SAFE
    await storage.conversations.edit(10, "now " + ODD, [])
    [found] = await storage.conversations.branch(10)
    assert found.asked is not None
    assert found.asked.text == "now " + SAFE


async def test_the_largest_ids_fit(storage: Storage) -> None:
    top = 2**63 - 1
    key = ConversationKey(top - 1, top - 2)
    kept = turn(top - 1003, by=top - 4, key=key, quotes=[quote(top - 5, by=top - 6)])
    await keep(storage, kept)
    assert await storage.conversations.branch(kept.id) == [kept]
    assert await storage.conversations.head(key) == ConversationHead(kept.id, 0)
    assert await storage.conversations.turn_of(reply_id(kept)) == kept.id
    await storage.conversations.reset(key, top)
    await storage.conversations.set_persona(top, "Be brief.")
    assert await storage.conversations.personas([top]) == {top: "Be brief."}
    assert await storage.conversations.forget(top - 6, [top - 1]) == ForgottenCount(0, 1)
    assert await storage.conversations.forget(top - 4, None) == ForgottenCount(1, 0)


async def test_a_branch_begins_where_the_model_began_to_see(storage: Storage) -> None:
    one = turn(10)
    two = turn(20, after=one)
    three = turn(30, after=two, first_id=20)
    four = turn(40, after=three)
    five = turn(50, after=four, first_id=50)
    branch = turn(60, after=two)
    await keep(storage, one, two, three, four, five, branch)
    branch_to = storage.conversations.branch
    assert await branch_to(10) == [one]
    assert await branch_to(20) == [one, two]
    assert await branch_to(30) == await branch_to(30) == [two, three]
    assert await branch_to(40) == [two, three, four]
    assert await branch_to(50) == [five]
    assert await branch_to(60) == [one, two, branch]
    assert await branch_to(70) == []


async def test_a_thread_sees_one_turn_of_the_channel_that_it_started_in(storage: Storage) -> None:
    one = turn(11)
    starter = turn(12, after=one)
    first = turn(20, after=starter, key=THREAD, first_id=12)
    second = turn(30, after=first, key=THREAD)
    own = turn(40, after=second, key=THREAD, first_id=20)
    person = turn(50, after=second, key=ConversationKey(12, ADA), first_id=20)
    await keep(storage, one, starter, first, second, own, person)
    assert await storage.conversations.branch(12) == [one, starter]
    assert await storage.conversations.branch(20) == [starter, first]
    assert await storage.conversations.branch(30) == [starter, first, second]
    assert await storage.conversations.branch(40) == [first, second, own]
    assert await storage.conversations.branch(50) == [second, person]


async def test_the_head_follows_answers_and_resets(storage: Storage) -> None:
    one = turn(10)
    store = storage.conversations
    assert await store.head(HERE) is None
    await accept(storage, one)
    assert await store.head(HERE) == ConversationHead(None, 0)
    await keep(storage, one)
    assert await store.head(HERE) == ConversationHead(10, 0)
    assert await store.head(ConversationKey(1, ADA)) is None
    await store.remember(20, DONE, None, as_tip=False, past_known=True)
    await store.remember(30, DONE, turn(30, after=one), as_tip=False, past_known=True)
    assert await store.head(HERE) == ConversationHead(10, 0)
    assert len(await store.branch(30)) == 2
    await store.reset(HERE, 40)
    assert await store.head(HERE) == ConversationHead(None, 1)
    await store.reset(ELSEWHERE, 50)
    assert await store.head(ELSEWHERE) == ConversationHead(None, 1)
    await keep(storage, turn(60))
    await store.reset(HERE, 70)
    assert await store.head(HERE) == ConversationHead(None, 2)


async def test_a_turn_with_unknown_past_continues_the_stored_tip(storage: Storage) -> None:
    one, two = turn(10), turn(20, after=turn(10))
    await keep(storage, one, two)
    store = storage.conversations
    await store.remember(30, DONE, turn(30), as_tip=True, past_known=False)
    await store.remember(40, DONE, turn(40, after=turn(30)), as_tip=True, past_known=False)
    assert [each.id for each in await store.branch(30)] == [10, 20, 30]
    assert [each.depth for each in await store.branch(30)] == [0, 1, 2]
    [last] = (await store.branch(40))[-1:]
    assert last.parent_id == 30
    await store.remember(50, DONE, turn(50, key=ELSEWHERE), as_tip=True, past_known=False)
    assert await store.branch(50) == [turn(50, key=ELSEWHERE)]


async def test_a_message_leads_to_its_turn(storage: Storage) -> None:
    kept = turn(10, quotes=[quote(3)])
    await keep(storage, kept)
    await storage.work.replied(10, 1, 1011)
    for message_id in (10, 1010, 1011):
        assert await storage.conversations.turn_of(message_id) == 10
    assert await storage.conversations.turn_of(3) is None
    await storage.conversations.erase([10])
    for message_id in (10, 1010, 1011):
        assert await storage.conversations.turn_of(message_id) is None


async def test_the_most_recently_used_conversations(storage: Storage) -> None:
    keys = [ConversationKey(5), ConversationKey(3, ADA), ConversationKey(4)]
    for message_id, key in zip((10, 20, 30), keys, strict=True):
        await accept(storage, turn(message_id, key=key))
    assert await storage.conversations.recent(9) == keys[::-1]
    await keep(storage, turn(40, key=keys[0]))
    await storage.conversations.reset(keys[1], 50)
    assert await storage.conversations.recent(2) == [keys[1], keys[0]]


async def test_personas(storage: Storage) -> None:
    store = storage.conversations
    await store.set_persona(1, "One")
    await store.set_persona(2, "Two")
    await store.set_persona(1, "Une")
    assert await store.personas([1, 2, 3]) == {1: "Une", 2: "Two"}
    await store.set_persona(1, None)
    assert await store.personas([1, 2]) == {2: "Two"}
    assert await store.personas([]) == {}


async def test_an_edit_changes_questions_and_quotes(storage: Storage) -> None:
    files = TextFile(5, "a.txt", "a"), TextFile(6, "b.txt", "b")
    one = turn(10, files=files)
    two = turn(20, after=one, quotes=[quote(10, "Question 10", files=files)])
    await keep(storage, one, two)
    await storage.conversations.edit(10, "Edited", [6])
    await storage.conversations.edit(99, "Nobody's", [])
    first, second = await storage.conversations.branch(20)
    assert one.asked is not None
    assert first == replace(one, asked=replace(one.asked, text="Edited", files=(TextFile(6, "b.txt", "b"),)))
    assert second == turn(20, after=one, quotes=[quote(10, "Edited", files=[TextFile(6, "b.txt", "b")])])
    await storage.conversations.erase([10])
    await storage.conversations.edit(10, "Back again", [])
    assert (await storage.conversations.branch(20))[0] == emptied(one)


@pytest.mark.parametrize(("gone", "reply", "quoted"), [(20, False, True), (1020, True, False)], ids=["asked", "answer"])
async def test_an_erased_turn_keeps_its_place(storage: Storage, gone: int, reply: bool, quoted: bool) -> None:
    one = turn(10)
    two = turn(20, "Secret", after=one, quotes=[quote(3, "Secret")], files=[TextFile(5, "Secret", "Secret")])
    three = turn(30, after=two, quotes=[quote(20)])
    await keep(storage, one, two, three)
    await storage.conversations.erase([gone, 99])
    bare = turn(30, after=two, quotes=[] if quoted else [quote(20)])
    assert await storage.conversations.branch(30) == [one, emptied(two), bare]
    assert [left.message_id for left in await storage.work.unfinished()] == [10, 30]
    assert await storage.conversations.head(HERE) == ConversationHead(30, 0)


async def test_all_quotes_of_a_question_come_back_in_their_order(storage: Storage) -> None:
    chain = [quote(number, relation=relation) for number, relation in zip((5, 3, 4, 6), Relation, strict=True)]
    turns = [turn(10, quotes=chain)]
    for number in range(20, 60, 10):
        turns.append(turn(number, after=turns[-1], quotes=chain[: number // 20]))
    await keep(storage, *turns)
    assert await storage.conversations.branch(50) == turns


@pytest.mark.parametrize("relation", Relation)
async def test_a_question_without_words_stays_as_long_as_something_is_asked(
    storage: Storage, relation: Relation
) -> None:
    quotes = (quote(3, relation=relation), quote(4, by=ADA))
    asked = replace(turn(10), asked=UserMessage("", GRACE, f"Person {GRACE}", quotes))
    await keep(storage, asked)
    await storage.conversations.erase([4])
    expected = erased(asked, {4})
    assert (expected.asked is None) is (relation is Relation.EARLIER), "nobody asks it"
    assert await storage.conversations.branch(10) == [expected]


async def test_an_erased_quote_leaves_the_question(storage: Storage) -> None:
    await keep(storage, turn(10, quotes=[quote(3)]), turn(20, quotes=[quote(4)]), turn(30, quotes=[quote(5)]))
    await storage.conversations.erase([3, 4])
    for turn_id, kept in ((10, []), (20, []), (30, [quote(5)])):
        assert await storage.conversations.branch(turn_id) == [turn(turn_id, quotes=kept)]


async def test_erasing_a_channel_deletes_everything_in_it(storage: Storage, database_url: str) -> None:
    quotes = [quote(3)]
    await keep(storage, turn(10, quotes=quotes), turn(20, key=ConversationKey(1, ADA)))
    await keep(storage, turn(30, key=ELSEWHERE, quotes=quotes))
    for each in (turn(10, quotes=quotes), turn(30, key=ELSEWHERE, quotes=quotes)):
        await storage.conversations.add_version(answered(each, 2, "Second"), DONE)
        await storage.conversations.summarize(summary(each.id + 1, each))
    await storage.conversations.set_persona(1, "Here")
    await storage.conversations.set_persona(2, "Elsewhere")
    for channel in (1, 2):
        await storage.modes.set_mode(ModeSetting(channel, ChannelMode.FREE, 10))
    await storage.conversations.erase_channels([1])
    assert await storage.conversations.recent(9) == [ELSEWHERE]
    rows = await everything(database_url)
    counts = {name: len(found) for name, found in rows.items()}
    assert counts == dict.fromkeys(rows, 1) | {"answer_versions": 2, "seen_messages": 3, "turns": 2}


async def test_forgetting_a_member_in_one_channel(storage: Storage) -> None:
    one = turn(10)
    two = turn(20, after=one, by=GRACE, quotes=[quote(3, by=ADA)])
    three = turn(30, key=ELSEWHERE, quotes=[quote(4, by=ADA)])
    await keep(storage, one, two, three)
    assert await storage.conversations.forget(ADA, frozenset({1})) == ForgottenCount(turns=1, quotes=1)
    assert await storage.conversations.branch(20) == [emptied(one), turn(20, after=one, by=GRACE)]
    assert await storage.conversations.branch(30) == [three]
    assert await storage.conversations.turn_of(1010) is None
    assert [left.message_id for left in await storage.work.unfinished()] == [20, 30]
    assert await storage.conversations.forget(ADA, frozenset({1})) == ForgottenCount(0, 0)


async def test_forgetting_a_member_everywhere(storage: Storage) -> None:
    await keep(storage, turn(10), turn(20, key=ELSEWHERE, by=GRACE), turn(30, key=ELSEWHERE), turn(40, by=GRACE))
    await accept(storage, turn(50), turn(60, by=GRACE))
    assert await storage.conversations.forget(ADA, None) == ForgottenCount(turns=2, quotes=0)
    assert [left.message_id for left in await storage.work.unfinished()] == [20, 40, 60]
    assert await storage.conversations.branch(10) == [emptied(turn(10))]
    assert await storage.conversations.branch(20) == [turn(20, key=ELSEWHERE, by=GRACE)]


async def test_a_question_that_only_repeated_a_forgotten_message_goes_with_it(storage: Storage) -> None:
    asked = UserMessage("", GRACE, f"Person {GRACE}", (quote(3, by=ADA),))
    alone, with_file = (
        replace(turn(10), asked=asked),
        replace(turn(20), asked=replace(asked, files=(UnreadFile(1, "a.png", "picture"),))),
    )
    await keep(storage, alone, with_file)
    assert await storage.conversations.forget(ADA, None) == ForgottenCount(turns=0, quotes=2)
    assert await storage.conversations.branch(10) == [emptied(alone)]
    [left] = await storage.conversations.branch(20)
    assert left.answer == with_file.answer
    assert await storage.conversations.turn_of(1010) is None
    assert [left.message_id for left in await storage.work.unfinished()] == [20]


async def test_forgetting_what_is_too_old(storage: Storage) -> None:
    one, two = turn(10), turn(20, after=turn(10))
    three = turn(30, after=two, quotes=[quote(10)])
    await keep(storage, one, two, three, turn(11, key=ELSEWHERE))
    await storage.work.turn_away(12)
    await storage.conversations.forget_before(20)
    assert await storage.conversations.branch(30) == [two, turn(30, after=two)]
    assert await storage.conversations.recent(9) == [HERE]
    assert await storage.conversations.turn_of(1010) is None
    assert await storage.conversations.turn_of(1020) == 20
    assert [left.message_id for left in await storage.work.unfinished()] == [20, 30]
    assert await storage.work.unseen([10, 11, 12, 20, 30]) == {10, 11, 12}
