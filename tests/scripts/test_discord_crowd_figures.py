"""The figures of a crowd on Discord, from made-up sights and log lines."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime

import pytest
from benchmarking.discord_crowd_figures import (
    Generation,
    Sight,
    is_note,
    lateness,
    read_generations,
    shown_answers,
    waits,
)
from separate_bot.replies import BotMessage

QUESTION = 100
ANSWER = "The capital of France is Paris."
FIRST = BotMessage(101, 1, QUESTION, ANSWER, has_button=True)
PLACE = replace(FIRST, content="I am answering other questions right now. Yours is next.")
REST = BotMessage(102, 1, None, "It has been since 987.", has_button=False)


def test_generations_are_read_from_the_log() -> None:
    log = (
        "2026-11-28 14:37:36,500 INFO bot.answering.answer: Generated: message_id=100 outcome=stop tokens=24 "
        "waited_seconds=0.10 seconds=2.50\n"
        "2026-11-28 14:37:36,563 INFO bot.discord_client.replies.delivery: Delivered: message_id=100 characters=3\n"
    )
    ended_at = time.mktime((2026, 11, 28, 14, 37, 36, 0, 0, -1)) + 0.5
    assert datetime.fromtimestamp(ended_at).second == 36
    assert read_generations(log) == {QUESTION: Generation(ended_at - 2.5, ended_at)}


@pytest.mark.parametrize(
    ("message", "expected"),
    [(FIRST, False), (replace(FIRST, content="The cap"), False), (PLACE, True), (REST, False)],
    ids=["all of the text", "its beginning", "a place in the queue", "a later message"],
)
def test_a_note_is_told_from_a_text(message: BotMessage, expected: bool) -> None:
    assert is_note(message, ANSWER) is expected


def test_lateness_counts_from_the_first_and_the_last_token_to_texts() -> None:
    sights = [
        Sight(1.0, PLACE, is_new=True),
        Sight(5.5, FIRST, is_new=False),
        Sight(9.0, REST, is_new=True),
        Sight(11.0, replace(REST, id=999), is_new=True),  # of another question
    ]
    shown = shown_answers(sights, {QUESTION: ANSWER}, {QUESTION: [101, 102]}, {QUESTION: Generation(5.0, 7.0)})
    assert [each.shown_at for each in shown] == [[5.5, 9.0]]
    assert lateness(shown) == {
        "first_text_median_seconds": 0.5,
        "first_text_worst_seconds": 0.5,
        "last_text_median_seconds": 2.0,
        "last_text_worst_seconds": 2.0,
        "still_worst_seconds": 3.5,
    }
    assert waits({QUESTION: 4.0}, shown) == {
        "first_token_median_seconds": 1.0,
        "first_token_worst_seconds": 1.0,
        "first_text_median_seconds": 1.5,
        "first_text_worst_seconds": 1.5,
    }


def test_without_a_log_there_is_no_lateness() -> None:
    shown = shown_answers([Sight(5.5, FIRST, is_new=True)], {QUESTION: ANSWER}, {QUESTION: [101]}, {})
    assert lateness(shown) == waits({QUESTION: 4.0}, shown) == {}
