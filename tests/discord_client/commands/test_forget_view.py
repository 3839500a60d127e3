"""What somebody is told about what was deleted."""

from __future__ import annotations

import pytest

from bot.conversation.store import ForgottenCount
from bot.discord_client.commands.forget_view import forgotten_line


@pytest.mark.parametrize(
    ("turns", "quotes", "stopped", "line"),
    [
        (0, 0, 0, "There was nothing of yours to delete."),
        (1, 0, 0, "I have deleted 1 question of yours with its answer."),
        (0, 1, 0, "I have deleted 1 message of yours that others asked about."),
        (
            1200,
            2,
            0,
            "I have deleted 1,200 questions of yours with their answers, and 2 messages of yours that others asked "
            "about.",
        ),
        (1, 0, 2, "I have deleted 1 question of yours with its answer. I have stopped 2 answers to you."),
        (0, 0, 1, "I have stopped 1 answer to you."),
    ],
)
def test_it_says_how_much(turns: int, quotes: int, stopped: int, line: str) -> None:
    assert forgotten_line(ForgottenCount(turns, quotes), stopped) == line


def test_while_the_database_is_away_it_says_that_it_will_be_done() -> None:
    assert "as soon as the database is back" in forgotten_line(None, stopped=0)
