"""Rows with awkward values for every table, and where a backup's bot has its data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from bot.conversation.snowflake import snowflake_at
from bot.storage.address import Address
from bot.storage.backup.manifest import ModelRecord, Origin
from bot.storage.backup.place import Place
from bot.storage.database import Database
from bot.storage.rows import table_of
from bot.storage.tables import (
    AcceptedQuestion,
    AnswerVersion,
    ChannelMode,
    Conversation,
    PastErasure,
    Persona,
    Quote,
    Reply,
    SeenMessage,
    SummarizedTurn,
    Table,
    Turn,
)

LEAST, MOST = -(2**63), 2**63 - 1
ODD = "\U0001f980 \u202e line\nbreak\r\n\t\"'\\ \x7f \ufeff \u2028 e\u0301 {}[]"
FILES = [{"id": MOST, "name": ODD, "text": ""}, {"id": 2, "name": "", "kind": "\ud83e"}]
ORIGIN = Origin(
    bot_version="1.2.3",
    settings=("DISCORD_TOKEN", "MODEL_DIR"),
    model=ModelRecord(version="2026-11-28-101500-sample", manifest_sha256="ab" * 32),
)

TURN: dict[str, Any] = {
    "channel_id": 1,
    "memory_person_id": 0,
    "parent_id": None,
    "first_id": 1,
    "summary_id": None,
    "depth": 0,
    "author_id": None,
    "author_name": None,
    "text": "",
    "files": [],
    "answer": "",
    "answer_ids": None,
    "tokenizer": None,
    "version": 1,
    "outcome": None,
    "erased": False,
}


def now_id() -> int:
    """The id of a message that is a minute old."""
    return snowflake_at(datetime.now(UTC) - timedelta(minutes=1))


def awkward_rows() -> dict[type[Table], list[dict[str, Any]]]:
    """Rows with empty, odd and extreme values, and NULL wherever it may be."""
    return {
        Conversation: [
            {"channel_id": MOST, "person_id": LEAST, "tip_id": None, "resets": 0, "began_id": 1, "used_id": MOST},
            {"channel_id": 1, "person_id": 0, "tip_id": 7, "resets": 3, "began_id": 1, "used_id": 2},
        ],
        Turn: [
            {**TURN, "id": LEAST, "erased": True},
            {
                **TURN,
                "id": MOST,
                "parent_id": LEAST,
                "summary_id": 5,
                "author_id": MOST,
                "author_name": ODD,
                "text": ODD,
                "files": FILES,
                "answer": ODD * 1000,
                "answer_ids": (0, 2**32 - 1, 32007),
                "tokenizer": "",
                "outcome": "stop",
            },
            {**TURN, "id": 3, "answer_ids": ()},
        ],
        Quote: [
            {
                "turn_id": MOST,
                "position": 0,
                "message_id": 8,
                "author_id": 9,
                "author_name": "",
                "text": ODD,
                "files": FILES,
                "relation": "replied_to",
            }
        ],
        AnswerVersion: [
            {"turn_id": MOST, "number": 1, "answer": ODD, "answer_ids": (7,), "tokenizer": "t", "outcome": None},
            {"turn_id": MOST, "number": 2, "answer": "", "answer_ids": None, "tokenizer": None, "outcome": "length"},
        ],
        SummarizedTurn: [{"summary_id": 5, "turn_id": 3}],
        AcceptedQuestion: [
            {
                "message_id": now_id(),
                "channel_id": 1,
                "author_id": 2,
                "task": "answer",
                "interaction": None,
                "outcome": None,
                "detail": None,
                "answer": ODD,
            }
        ],
        Reply: [{"message_id": 1, "question_id": MOST, "position": 0}],
        SeenMessage: [{"id": MOST, "question_id": None}, {"id": 4, "question_id": MOST}],
        Persona: [{"place_id": 6, "text": ODD}, {"place_id": 7, "text": ""}],
        ChannelMode: [{"channel_id": 1, "mode": "free", "since_id": MOST}],
        PastErasure: [
            {"id": 1, "message_ids": [MOST, LEAST], "author_id": None, "channel_ids": None},
            {"id": 2, "message_ids": None, "author_id": 8, "channel_ids": [3]},
        ],
    }


async def insert_rows(url: str, rows: dict[type[Table], list[dict[str, Any]]]) -> None:
    """Insert rows into a database, which is created if it is missing."""
    database = await Database.open(url)
    async with database.begin() as connection:
        for table, values in rows.items():
            await connection.execute(insert(table_of(table)), values)
    await database.close()


def place_of(url: str, folder: Path, *, missed_for: timedelta = timedelta(hours=24)) -> Place:
    """Where a bot with this database and this data folder has its things."""
    return Place(Address.parse(url), folder, missed_for, timedelta(days=14), ORIGIN)


def names_in(folder: Path) -> list[str]:
    """What a folder holds."""
    return [each.name for each in folder.iterdir()]
