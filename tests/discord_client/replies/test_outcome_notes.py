"""What people are told when an answer ends otherwise than by itself."""

from __future__ import annotations

import pytest

from bot.discord_client.replies.outcome_notes import note_for
from bot.engine.interface import FinishReason, Outcome


@pytest.mark.parametrize("reason", [reason for reason in FinishReason if reason is not FinishReason.STOP])
def test_every_other_end_is_told(reason: FinishReason) -> None:
    assert note_for(Outcome(reason), "Hi").endswith(".")


def test_a_proper_end_needs_no_words_and_an_empty_one_does() -> None:
    assert note_for(Outcome(FinishReason.STOP), "Hi") == ""
    assert note_for(Outcome(FinishReason.STOP), " \n") != ""


def test_a_failure_that_says_why_is_told_as_it_is() -> None:
    assert note_for(Outcome(FinishReason.FAILED, "That is too long."), "") == "That is too long."
