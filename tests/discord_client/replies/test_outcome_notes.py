"""Notes below answers that did not end by themselves."""

from __future__ import annotations

import pytest

from bot.answering.queue import WaitsFor
from bot.discord_client.replies.outcome_notes import about, note_for, position_note, prefill_note, thinking_note
from bot.engine.interface import FinishReason, Outcome


@pytest.mark.parametrize("reason", [reason for reason in FinishReason if reason is not FinishReason.STOP])
def test_every_early_end_has_a_note(reason: FinishReason) -> None:
    assert note_for(Outcome(reason), "Hi").endswith(".")


def test_a_proper_end_has_no_note_unless_the_answer_is_empty() -> None:
    assert note_for(Outcome(FinishReason.STOP), "Hi") == ""
    assert note_for(Outcome(FinishReason.STOP), " \n") != ""


@pytest.mark.parametrize("reason", [FinishReason.FAILED, FinishReason.NO_ROOM])
def test_the_detail_of_a_failure_is_not_for_members(reason: FinishReason) -> None:
    assert note_for(Outcome(reason, "Exception from /srv/bot/model: 0x7f"), "Hi") == note_for(Outcome(reason), "Hi")


def test_a_note_of_its_own_comes_first() -> None:
    assert note_for(Outcome(FinishReason.FAILED, "exit code -11", "Ask in other words."), "") == "Ask in other words."


@pytest.mark.parametrize("reason", FinishReason)
def test_an_answer_that_ends_in_its_thought_says_so(reason: FinishReason) -> None:
    note = note_for(Outcome(reason), "", is_thinking=True)
    assert note.endswith(".")
    if reason not in (FinishReason.FAILED, FinishReason.NO_ROOM):
        assert "thinking" in note or "thoughts" in note


@pytest.mark.parametrize("reason", [FinishReason.LENGTH, FinishReason.REPEATED])
def test_a_thought_without_an_answer_is_told_after_a_restart_too(reason: FinishReason) -> None:
    assert note_for(Outcome(reason), "") == note_for(Outcome(reason), "", is_thinking=True)
    assert note_for(Outcome(reason), "Hi") != note_for(Outcome(reason), "")


def test_the_line_while_thinking_counts_the_seconds() -> None:
    assert thinking_note(0.3) == "-# Thinking …"
    assert thinking_note(31.4) == "-# Thinking … 31 s"


@pytest.mark.parametrize(
    ("position", "waits_for", "expected"),
    [
        (1, WaitsFor.OTHERS, "I am answering other questions right now. Yours is next."),
        (2, WaitsFor.OTHERS, "I am answering other questions right now. 1 question comes before yours."),
        (1001, WaitsFor.OTHERS, "I am answering other questions right now. 1,000 questions come before yours."),
        (1, WaitsFor.OWN, "I am still answering your other question. This one is next."),
        (2, WaitsFor.OWN_QUESTIONS, "I am still answering your other questions. This one comes after them."),
        (1, WaitsFor.RESUMPTION, "I answer again in a moment. Yours is next."),
    ],
)
def test_who_waits_is_told_for_what(position: int, waits_for: WaitsFor, expected: str) -> None:
    assert position_note(position, waits_for) == expected


@pytest.mark.parametrize(
    ("position", "waits_for", "expected"),
    [
        (1, WaitsFor.OTHERS, "I am answering other questions right now. Yours is next (about 20 s)."),
        (3, WaitsFor.OTHERS, "I am answering other questions right now. 2 questions come before yours (about 20 s)."),
        (1, WaitsFor.OWN, "I am still answering your other question. This one is next (about 20 s)."),
        (
            2,
            WaitsFor.OWN_QUESTIONS,
            "I am still answering your other questions. This one comes after them (about 20 s).",
        ),
        (1, WaitsFor.RESUMPTION, "I answer again in a moment. Yours is next."),
    ],
)
def test_who_waits_is_told_about_how_long(position: int, waits_for: WaitsFor, expected: str) -> None:
    assert position_note(position, waits_for, 21.7) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "about 5 s"),
        (6.0, "about 5 s"),
        (9.0, "about 10 s"),
        (33.0, "about 30 s"),
        (50.0, "about 1 min"),
        (100.0, "about 2 min"),
        (170.0, "about 3 min"),
        (3500.0, "about 50 min"),
        (3700.0, "about 1 h"),
        (20_000.0, "about 6 h"),
    ],
)
def test_times_are_as_exact_as_estimates(seconds: float, expected: str) -> None:
    assert about(seconds) == expected


def test_a_long_prefill_is_announced() -> None:
    assert prefill_note(3012, 43.0) == "I have 3,012 tokens to read before I can answer (about 40 s)."
    assert prefill_note(251, None) == "I have 251 tokens to read before I can answer."
