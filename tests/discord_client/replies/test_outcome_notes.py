"""Notes below answers that did not end by themselves."""

from __future__ import annotations

import pytest

from bot.discord_client.replies.outcome_notes import note_for
from bot.engine.interface import FinishReason, Outcome


@pytest.mark.parametrize("reason", [reason for reason in FinishReason if reason is not FinishReason.STOP])
def test_every_early_end_has_a_note(reason: FinishReason) -> None:
    assert note_for(Outcome(reason), "Hi").endswith(".")


def test_a_proper_end_has_no_note_unless_the_answer_is_empty() -> None:
    assert note_for(Outcome(FinishReason.STOP), "Hi") == ""
    assert note_for(Outcome(FinishReason.STOP), " \n") != ""


def test_the_detail_of_a_failure_is_its_note() -> None:
    assert note_for(Outcome(FinishReason.FAILED, "That is too long."), "") == "That is too long."
