"""Branches in a tree of turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, Turn
from bot.prompting.prompt import Message
from tests.conversation.memory import ELSEWHERE, HERE, ask, asked


def turn(turn_id: int, parent_id: int | None, first_id: int, key: ConversationKey = HERE) -> Turn:
    return Turn(turn_id, key, parent_id, first_id, turn_id - 1, asked(str(turn_id)), Message("assistant", "Hi"))


GROWN = turn(100, 99, 90, ELSEWHERE)
TREE = Conversation(
    HERE,
    turns={
        each.id: each
        for each in (
            GROWN,
            turn(1, None, 1),
            turn(2, 1, 1),
            turn(3, 2, 1),
            turn(4, 2, 1),  # a reply to an older answer
            turn(5, 4, 4),  # the model saw no more after a trim
            turn(6, 5, 4),
            turn(7, 6, 7),
            turn(8, 100, 100),  # a thread's first turn
            turn(9, 8, 100),
            turn(11, 10, 1),
            turn(13, 12, 13),
        )
    },
)


@pytest.mark.parametrize(
    ("tip_id", "branch", "missing"),
    [
        (None, [], None),
        (1, [1], None),
        (3, [1, 2, 3], None),
        (4, [1, 2, 4], None),
        (5, [4, 5], None),
        (6, [4, 5, 6], None),
        (7, [7], None),
        (8, [100, 8], None),
        (9, [100, 8, 9], None),
        (100, [100], None),
        (11, [11], 10),
        (13, [13], None),
        (77, [], 77),
    ],
)
def test_a_branch_is_what_the_model_saw(tip_id: int | None, branch: list[int], missing: int | None) -> None:
    assert [each.id for each in TREE.branch(tip_id)] == branch
    assert TREE.missing(tip_id) == missing


def test_a_turn_continues_the_branch_of_its_question() -> None:
    question, answer = ask("Hello"), Message("assistant", "Hi")

    def made(branch: tuple[Turn, ...], seen: tuple[Turn, ...]) -> tuple[int | None, int, int]:
        turn = OpenConversation(TREE, 0, branch, "").turn(question, seen, answer)
        assert (turn.id, turn.key, turn.asked, turn.answer) == (question.id, HERE, question.asked, answer)
        return turn.parent_id, turn.first_id, turn.depth

    branch = TREE.branch(3)
    assert made((), ()) == (None, question.id, 0)
    assert made(branch, branch) == (3, 1, 3)
    assert made(branch, branch[1:]) == (3, 2, 3)
    assert made(branch, ()) == (3, question.id, 3)
    assert made((GROWN,), (GROWN,)) == (100, 100, 0)
    assert made((replace(branch[0], asked=None, answer=None),), (branch[0],)) == (1, 1, 1)
