"""The bot's memory, read from its database file after the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A question and its answer; `author_id` is None if the turn is erased."""

    channel_id: int
    parent_id: int | None
    author_id: int | None
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class StoredMemory:
    """Everything that the bot remembers.

    Attributes:
        turns: by the id of the question's message.
        tips: the latest turn of each channel.
        replies: the message ids of each answer, in order.
        accepted: the questions that are not finished.
        integrity: SQLite's verdict on its file; `ok` if it is intact.
    """

    turns: Mapping[int, StoredTurn]
    tips: Mapping[int, int | None]
    replies: Mapping[int, Sequence[int]]
    accepted: Sequence[int]
    integrity: str

    @classmethod
    def read(cls, file: Path) -> StoredMemory:
        """Read the file; a running bot may write later what it shows already."""
        with closing(sqlite3.connect(file)) as connection:
            turns = connection.execute("SELECT id, channel_id, parent_id, author_id, text, answer FROM turns")
            replies: dict[int, list[int]] = {}
            for question_id, message_id in connection.execute(
                "SELECT question_id, message_id FROM replies ORDER BY question_id, position"
            ):
                replies.setdefault(question_id, []).append(message_id)
            return cls(
                turns={row[0]: StoredTurn(*row[1:]) for row in turns},
                tips=dict(connection.execute("SELECT channel_id, tip_id FROM conversations")),
                replies=replies,
                accepted=[row[0] for row in connection.execute("SELECT message_id FROM accepted_questions")],
                integrity=connection.execute("PRAGMA integrity_check").fetchone()[0],
            )

    def branch(self, channel_id: int) -> list[int]:
        """Return the branch of a channel's latest turn, oldest turn first."""
        branch: list[int] = []
        turn_id = self.tips.get(channel_id)
        while turn_id is not None and turn_id in self.turns and self.turns[turn_id].channel_id == channel_id:
            branch.insert(0, turn_id)
            turn_id = self.turns[turn_id].parent_id
        return branch


def unfinished_questions(file: Path) -> set[int]:
    """Return the questions that a bot has accepted and not finished; it may be running."""
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT message_id FROM accepted_questions")}
