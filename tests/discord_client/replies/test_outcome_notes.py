"""Notes below answers that did not end by themselves."""

from __future__ import annotations

import pytest

from bot.answering.queue import WaitsFor
from bot.discord_client.replies.outcome_notes import note_for, position_note
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


@pytest.mark.parametrize(
    ("position", "waits_for", "expected"),
    [
        (1, WaitsFor.OTHERS, "I am answering other questions right now. Yours is next."),
        (2, WaitsFor.OTHERS, "I am answering other questions right now. 1 question comes before yours."),
        (1001, WaitsFor.OTHERS, "I am answering other questions right now. 1,000 questions come before yours."),
        (1, WaitsFor.OWN, "I am still answering your other question. This one is next."),
        (2, WaitsFor.OWN, "I am still answering your other questions. This one comes after them."),
        (1, WaitsFor.RESUMPTION, "I answer again in a moment. Yours is next."),
    ],
)
def test_who_waits_is_told_for_what(position: int, waits_for: WaitsFor, expected: str) -> None:
    assert position_note(position, waits_for) == expected
