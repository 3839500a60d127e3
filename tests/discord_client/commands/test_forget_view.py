"""What `/forget` says after the deletion."""

from __future__ import annotations

import pytest

from bot.conversation.store import ForgottenCount
from bot.discord_client.commands.forget_view import forgotten_line


@pytest.mark.parametrize(
    ("turns", "quotes", "stopped", "line"),
    [
        (0, 0, 0, "There was nothing to delete."),
        (1, 0, 0, "Deleted 1 question with its answer."),
        (0, 1, 0, "Deleted 1 message that others asked about."),
        (
            1200,
            2,
            0,
            "Deleted 1,200 questions with their answers and 2 messages that others asked about.",
        ),
        (1, 0, 2, "Deleted 1 question with its answer. Stopped 2 answers."),
        (0, 0, 1, "Stopped 1 answer."),
    ],
)
def test_it_says_how_much(turns: int, quotes: int, stopped: int, line: str) -> None:
    assert forgotten_line(ForgottenCount(turns, quotes), stopped) == line


def test_an_outage_postpones_the_deletion() -> None:
    assert "as soon as the database is back" in forgotten_line(None, stopped=0)
