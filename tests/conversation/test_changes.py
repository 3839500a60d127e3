"""Turns after edits, deletions and forgetting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.conversation.changes import (
    MessageChanges,
    NewContent,
    edited,
    emptied,
    erased,
    without_older,
    without_person,
)
from bot.conversation.turn import Quote, Relation, TextFile, Turn, UnreadFile
from tests.conversation.memory import ELSEWHERE, HERE, asked, person, turn

QUOTE = Quote(7, person("Grace"), "Grace", "Fish fly.")
FILES = TextFile(1, "a.txt", "first"), TextFile(2, "b.txt", "second")
TURN = turn(asked("Is that so?", quotes=[QUOTE], files=FILES))
EMPTY = replace(TURN, asked=None, answer=None)
UNQUOTED = replace(TURN, asked=asked("Is that so?", files=FILES))


@pytest.mark.parametrize("unchanged", [edited(TURN, 99, "new", []), erased(TURN, {99, 98}), erased(TURN, ())])
def test_other_messages_change_nothing(unchanged: Turn) -> None:
    assert unchanged is TURN


def test_a_question_is_edited_and_keeps_the_files_that_it_still_has() -> None:
    assert edited(TURN, TURN.id, "new", [2, 3]) == replace(TURN, asked=asked("new", quotes=[QUOTE], files=FILES[1:]))


def test_a_quote_is_edited() -> None:
    expected = asked("Is that so?", quotes=[replace(QUOTE, text="Birds do.")], files=FILES)
    assert edited(TURN, 7, "Birds do.", []) == replace(TURN, asked=expected)


def test_a_quote_keeps_the_files_that_its_message_still_has() -> None:
    files = TextFile(3, "c.txt", "third"), UnreadFile(4, "d.png", "picture")
    quoting = turn(asked("Is that so?", quotes=[replace(QUOTE, files=files)]))
    now = edited(quoting, 7, "Birds do.", [1, 4]).asked
    assert now == asked("Is that so?", quotes=[replace(QUOTE, text="Birds do.", files=files[1:])])


def test_several_changes_are_one_and_a_deletion_is_final() -> None:
    changes = MessageChanges({TURN.id: NewContent("old", frozenset())})
    changes.add({TURN.id: NewContent("new", frozenset([2])), 7: NewContent("Birds do.", frozenset())})
    assert changes(TURN).asked == asked("new", quotes=[replace(QUOTE, text="Birds do.")], files=FILES[1:])
    changes.add({7: None})
    changes.add({7: NewContent("Back again", frozenset())})
    assert changes(TURN).asked == asked("new", files=FILES[1:])
    changes.add({}, emptied=[TURN.id])
    assert changes(TURN) == EMPTY


@pytest.mark.parametrize(
    ("changes", "concern"),
    [
        (MessageChanges({TURN.id: None}), True),
        (MessageChanges({7: None}), True),
        (MessageChanges({99: None}, {TURN.id}), True),
        (MessageChanges({99: None}, {98, 7}), False),
    ],
)
def test_changes_concern_only_turns_of_their_messages(changes: MessageChanges, concern: bool) -> None:
    assert changes.concern(TURN.id, TURN.asked) is concern
    assert (changes(TURN) is not TURN) is concern


def test_an_erased_turn_keeps_its_place() -> None:
    assert erased(TURN, {99, TURN.id}) == emptied(TURN) == EMPTY
    assert erased(TURN, {7}) == UNQUOTED
    assert erased(TURN, {7, TURN.id}) == EMPTY


def test_each_message_of_a_question_is_edited_and_erased_alone() -> None:
    earlier = Quote(5, person("Linus"), "Linus", "Look up.", (), Relation.EARLIER)
    part = Quote(8, person("Ada"), "Ada", "Well,", FILES[:1], Relation.PART)
    whole = turn(asked("", quotes=[earlier, QUOTE, part]))
    changes = MessageChanges({5: NewContent("Look down.", frozenset()), 7: None, 8: NewContent("Now,", frozenset())})
    now = replace(earlier, text="Look down."), replace(part, text="Now,", files=())
    assert changes(whole) == replace(whole, asked=asked("", quotes=now))
    assert without_person(whole, person("Linus"), None) == replace(whole, asked=asked("", quotes=[QUOTE, part]))
    assert without_older(whole, 8) == replace(whole, asked=asked("", quotes=[part]))
    assert erased(whole, {7, 8}) == emptied(whole), "nobody asks what is left"


def test_an_erased_turn_stays_erased() -> None:
    assert edited(EMPTY, TURN.id, "new", [1]) == edited(EMPTY, 7, "new", []) == EMPTY
    assert erased(EMPTY, {7, TURN.id}) == EMPTY
    assert without_person(EMPTY, person("Ada"), None) == EMPTY


@pytest.mark.parametrize("channel_ids", [None, {HERE.channel_id}, {HERE.channel_id, ELSEWHERE.channel_id}])
def test_forgetting_a_member_erases_questions_and_quotes(channel_ids: set[int] | None) -> None:
    assert without_person(TURN, person("Ada"), channel_ids) == EMPTY
    assert without_person(TURN, person("Grace"), channel_ids) == UNQUOTED
    assert without_person(TURN, person("Linus"), channel_ids) is TURN


def test_forgetting_in_one_channel_leaves_the_others() -> None:
    assert without_person(TURN, person("Ada"), {ELSEWHERE.channel_id}) is TURN
    assert without_person(TURN, person("Grace"), {ELSEWHERE.channel_id}) is TURN


def test_forgetting_what_is_older() -> None:
    assert without_older(TURN, 7) is TURN
    assert without_older(TURN, 8) == without_older(TURN, TURN.id) == UNQUOTED
    assert without_older(TURN, TURN.id + 1) == EMPTY
