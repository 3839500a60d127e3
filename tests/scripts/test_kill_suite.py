"""A short run of the kill suite, and proof that its verdict catches each mistake."""

from __future__ import annotations

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from kill_injection.exactness import compare_answers
from kill_injection.kills import Phase, plan_rounds
from kill_injection.members import Channel, Question
from kill_injection.report import Report
from kill_injection.suite import SETTINGS, KillSuite
from kill_injection.verdict import judge_rest
from separate_bot.replies import BotMessage, Replies
from separate_bot.stored_memory import StoredMemory, StoredTurn
from separate_bot.verdict import Mistake, judge_answer

ROUNDS = 3
CHANNEL, ADA, GRACE = 1, 11, 12
CHANNELS = [Channel(CHANNEL, (ADA, GRACE)), Channel(2, (ADA,), is_stable=False)]
QUESTIONS = [
    Question(100, CHANNEL, ADA, ["question 0", "question 0, edited"], is_missed=False),
    Question(200, CHANNEL, GRACE, ["question 1"], is_missed=True),
    Question(300, CHANNEL, ADA, ["question 2"], is_missed=False),
]
LONG = BotMessage(101, CHANNEL, 100, "one two\nthree", has_button=False)
REST = BotMessage(102, CHANNEL, None, "four\n-# Cut off here.", has_button=False)
SECOND = BotMessage(201, CHANNEL, 200, "five", has_button=False)
THIRD = BotMessage(301, CHANNEL, 300, "six", has_button=False)
MEMORY = StoredMemory(
    turns={
        200: StoredTurn(CHANNEL, None, GRACE, "question 1", "five"),
        100: StoredTurn(CHANNEL, 200, ADA, "question 0, edited", "one two three\nfour"),
        300: StoredTurn(CHANNEL, 100, ADA, "question 2", "six"),
    },
    tips={CHANNEL: 300},
    replies={100: [101, 102], 200: [201], 300: [301]},
    accepted=[],
    integrity="ok",
)


@pytest.mark.skipif(os.name != "posix", reason="the last stop is a SIGTERM")
async def test_kills_cost_no_answer(wordy_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bot"
    folder.mkdir()
    suite = KillSuite(wordy_model, folder, rounds=ROUNDS, seed=1, say=print)
    report = await suite.run()
    figures = "\n".join([*report.lines(), (folder / "log.txt").read_text()])
    assert report.passed, figures
    assert report.rounds == ROUNDS, figures
    assert report.questions >= 6, figures
    assert report.compared >= 1, figures
    await _check_other_tokens_are_found(wordy_model, folder / "data" / "conversations.sqlite3")


async def _check_other_tokens_are_found(model_dir: Path, database: Path) -> None:
    """Compare again after all questions have changed."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE turns SET text = 'another question'")
    comparison = await compare_answers(model_dir, database, SETTINGS, set(), random.Random(1))
    assert len(comparison.others) == comparison.compared >= 1


def replies_of(*messages: BotMessage) -> Replies:
    replies = Replies()
    for message in messages:
        replies.add(message)
    return replies


def mistakes(replies: Replies, memory: StoredMemory = MEMORY) -> list[Mistake]:
    """Return the mistakes of the questions, then all others."""
    found = [mistake for each in QUESTIONS if (mistake := judge_answer(each, replies, memory)) is not None]
    return found + [mistake for mistake, _ in judge_rest(QUESTIONS, CHANNELS, replies, memory)]


def with_turn(turn_id: int, **changes: object) -> StoredMemory:
    changed = replace(MEMORY.turns[turn_id], **changes)  # type: ignore[arg-type]
    return replace(MEMORY, turns={**MEMORY.turns, turn_id: changed})


def test_correct_answers_pass() -> None:
    assert mistakes(replies_of(LONG, REST, SECOND, THIRD)) == []
    growing = replace(LONG, content="one", has_button=True)
    assert mistakes(replies_of(growing, REST, SECOND, LONG, THIRD)) == []
    fenced = replace(LONG, content="one\n```\ntwo\n```"), replace(REST, content="```\nthree\n```\nfour")
    memory = with_turn(100, answer="one\n```\ntwo\nthree\n```\nfour")
    assert mistakes(replies_of(*fenced, SECOND, THIRD), memory) == []


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        pytest.param(replies_of(LONG, REST, THIRD), [Mistake.UNANSWERED], id="unanswered"),
        pytest.param(
            replies_of(LONG, REST, SECOND, THIRD, replace(SECOND, id=202)),
            [Mistake.ANSWERED_TWICE, Mistake.STRAY_MESSAGE],
            id="twice",
        ),
        pytest.param(replies_of(LONG, SECOND, THIRD), [Mistake.PART_MISSING], id="part missing"),
        pytest.param(
            replies_of(LONG, REST, SECOND, THIRD, replace(REST, id=103)), [Mistake.STRAY_MESSAGE], id="part sent twice"
        ),
        pytest.param(
            replies_of(LONG, replace(REST, has_button=True), SECOND, THIRD), [Mistake.BUTTON_LEFT], id="button left"
        ),
        pytest.param(
            replies_of(LONG, replace(REST, content="4"), SECOND, THIRD), [Mistake.OTHER_TEXT], id="other text"
        ),
        pytest.param(
            replies_of(LONG, REST, replace(SECOND, content="-# I am being restarted."), THIRD),
            [Mistake.OTHER_TEXT],
            id="says only that it restarts",
        ),
    ],
)
def test_mistakes_on_discord_are_found(replies: Replies, expected: list[Mistake]) -> None:
    assert mistakes(replies) == expected


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        pytest.param(with_turn(100, author_id=None), [Mistake.NOT_REMEMBERED], id="erased"),
        pytest.param(with_turn(100, text="question 7"), [Mistake.OTHER_QUESTION], id="other question"),
        pytest.param(with_turn(100, answer="one two three"), [Mistake.OTHER_TEXT], id="other answer"),
        pytest.param(with_turn(300, parent_id=200), [Mistake.WRONG_ORDER], id="two branches"),
        pytest.param(replace(MEMORY, tips={CHANNEL: 100}), [Mistake.WRONG_ORDER], id="tip too early"),
        pytest.param(replace(MEMORY, tips={}), [Mistake.WRONG_ORDER], id="no tip"),
        pytest.param(replace(MEMORY, accepted=[300]), [Mistake.UNFINISHED], id="unfinished"),
        pytest.param(replace(MEMORY, integrity="page 3 is lost"), [Mistake.DAMAGED], id="damaged"),
        pytest.param(
            replace(MEMORY, replies={**MEMORY.replies, 200: []}),
            [Mistake.PART_MISSING, Mistake.STRAY_MESSAGE],
            id="reply not kept",
        ),
    ],
)
def test_mistakes_in_memory_are_found(memory: StoredMemory, expected: list[Mistake]) -> None:
    assert mistakes(replies_of(LONG, REST, SECOND, THIRD), memory) == expected


def test_each_member_keeps_the_order_asked() -> None:
    turns = MEMORY.turns
    swapped = {200: turns[200], 300: replace(turns[300], parent_id=200), 100: replace(turns[100], parent_id=300)}
    memory = replace(MEMORY, turns=swapped, tips={CHANNEL: 100})
    assert mistakes(replies_of(LONG, REST, SECOND, THIRD), memory) == [Mistake.WRONG_ORDER]


def test_a_plan_is_repeatable_and_has_every_phase_equally_often() -> None:
    plan = plan_rounds(100, random.Random(5))
    assert plan == plan_rounds(100, random.Random(5))
    assert Counter(each.phase for each in plan) == dict.fromkeys(Phase, 20)


@pytest.mark.parametrize(
    "fail",
    [
        lambda report: report.kills.subtract({"starting": 1}),
        lambda report: report.mistakes.update([Mistake.UNANSWERED]),
        lambda report: report.process_errors.append("processes were left behind: [1]"),
    ],
    ids=["a missing round", "a mistake", "something left behind"],
)
def test_a_report_fails_for(fail: Callable[[Report], None]) -> None:
    report = Report(rounds_planned=2, kills=Counter({"starting": 1, "answering": 1}))
    assert report.passed
    assert report.lines()[-1] == "passed"
    fail(report)
    assert not report.passed
    assert report.lines()[-1] == "FAILED"
