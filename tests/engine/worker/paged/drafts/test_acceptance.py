"""The estimate of a draft's acceptance."""

from __future__ import annotations

import pytest

from bot.engine.worker.paged.drafts.acceptance import Acceptance, UsualAcceptance


@pytest.mark.parametrize("accepted", [0, 4])
def test_an_answer_soon_knows_its_own_acceptance(accepted: int) -> None:
    acceptance = Acceptance(UsualAcceptance())
    assert acceptance.share == 0.5
    for _ in range(12):
        acceptance.learn(4, accepted)
    assert acceptance.share == pytest.approx(accepted / 4, abs=0.2)


def test_half_of_a_draft_counts_one_wrong_token() -> None:
    acceptance = Acceptance(UsualAcceptance(2 / 3))
    for _ in range(50):
        acceptance.learn(8, 2)  # the five tokens after the wrong one tell nothing
    assert acceptance.share == pytest.approx(2 / 3, abs=0.02)


def test_an_answer_begins_with_what_is_usual_and_follows_its_own_turns() -> None:
    usual = UsualAcceptance()
    first = Acceptance(usual)
    for _ in range(100):
        first.learn(4, 0)
    second = Acceptance(usual)
    assert second.share < 0.15
    for _ in range(10):
        second.learn(4, 4)
    assert second.share > 0.7


def test_steps_without_a_draft_are_counted_until_the_next() -> None:
    acceptance = Acceptance(UsualAcceptance())
    acceptance.skipped += 5
    acceptance.learn(1, 1)
    assert acceptance.skipped == 0
