"""The line of an answer's end says what became of it, once."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from bot.answering.answer_figures import AnswerFigures
from bot.discord_client.replies.answer_report import AnswerReport
from bot.engine.interface import FinishReason, Outcome
from bot.log_context import current_message_id

STOP = Outcome(FinishReason.STOP)


def editor(**state: Any) -> Any:
    """The part of an editor that a report looks at."""
    usual = {"is_taken_back": False, "takes_more": True, "is_out_of_time": False, "messages": ["a", "b"]}
    return SimpleNamespace(**(usual | {"timing": SimpleNamespace(first_text_at=None)} | state))


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot.discord_client.replies.answer_report")


@pytest.mark.parametrize(
    ("state", "outcome", "suspended", "shown"),
    [
        ({}, STOP, False, "stop"),
        ({}, Outcome(FinishReason.NO_ROOM), False, "no_room"),
        ({}, STOP, True, "suspended"),
        ({"is_taken_back": True, "takes_more": False}, STOP, False, "taken_back"),
        ({"takes_more": False}, Outcome(FinishReason.CANCELLED), False, "refused"),
        ({"takes_more": False, "is_out_of_time": True}, Outcome(FinishReason.CANCELLED), False, "cancelled"),
        ({"takes_more": False}, STOP, True, "suspended"),
    ],
)
def test_outcomes(
    caplog: pytest.LogCaptureFixture, state: dict[str, bool], outcome: Outcome, suspended: bool, shown: str
) -> None:
    with AnswerReport(7, editor(**state)) as report:
        report.ends(outcome, suspended=suspended)
        assert current_message_id() == 7
    assert caplog.messages == [f"Answered: message_id=7 outcome={shown} messages=2"]
    assert current_message_id() is None


@pytest.mark.parametrize(("error", "shown"), [(ValueError("x"), "failed"), (asyncio.CancelledError(), "suspended")])
def test_what_is_broken_off_is_suspended_and_what_fails_has_failed(
    caplog: pytest.LogCaptureFixture, error: BaseException, shown: str
) -> None:
    def fail() -> None:
        with AnswerReport(7, editor()) as report:
            report.ends(STOP)
            raise error

    with pytest.raises(type(error)):
        fail()
    assert caplog.messages == [f"Answered: message_id=7 outcome={shown} messages=2"]


def test_figures_are_numbers(caplog: pytest.LogCaptureFixture) -> None:
    figures = AnswerFigures(0.0, started_at=1.25)
    with AnswerReport(7, editor(), figures) as report:
        report.ends(STOP)
    assert caplog.messages == ["Answered: message_id=7 outcome=stop waited_seconds=1.25 messages=2"]
    assert caplog.records[0].args == (7, "stop", 1.25, 2)
