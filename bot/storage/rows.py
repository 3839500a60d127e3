"""Converts turns to rows and back, and runs the statements that several stores need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, delete, select, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.turn import ConversationKey, File, Quote, TextFile, UnreadFile, UserMessage
from bot.conversation.turn import Turn as CoreTurn
from bot.prompting.prompt import Message
from bot.storage.tables import AcceptedQuestion, AnswerVersion, Conversation, Reply, Table, Turn

# An erased turn keeps only its place in the tree.
ERASED_QUOTE = dict[str, Any](
    quote_message_id=None, quote_author_id=None, quote_author_name=None, quote_text=None, quote_files=[]
)
ERASED_TURN = dict[str, Any](
    erased=True,
    author_id=None,
    author_name=None,
    text="",
    files=[],
    answer="",
    answer_ids=None,
    version=1,
    outcome=None,
    **ERASED_QUOTE,
)


def table_of(row: type[Table]) -> SqlTable:
    """The SQL table of a mapped class."""
    assert isinstance(row.__table__, SqlTable)
    return row.__table__


async def insert_once(
    connection: AsyncConnection, row: type[Table], values: Mapping[str, Any], update: Collection[str] = ()
) -> None:
    """Insert a row. If its key exists, only update these columns of the existing row."""
    # Both databases have ON CONFLICT, but SQLAlchemy has a class for each.
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    table = table_of(row)
    statement = insert(table).values(**values)
    keys = list(table.primary_key.columns)
    if update:
        changes = {name: statement.excluded[name] for name in update}
        await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes))
    else:
        await connection.execute(statement.on_conflict_do_nothing(index_elements=keys))


def is_conversation(key: ConversationKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The WHERE clauses for a conversation's row."""
    return Conversation.channel_id == key.channel_id, Conversation.person_id == key.person_id


async def touch_conversation(connection: AsyncConnection, key: ConversationKey, used_id: int) -> None:
    """Create a conversation's row if it has none, and note a message of it, unless a later one is noted."""
    row = {
        "channel_id": key.channel_id,
        "person_id": key.person_id,
        "tip_id": None,
        "resets": 0,
        "began_id": used_id,
        "used_id": used_id,
    }
    await insert_once(connection, Conversation, row)
    is_earlier = Conversation.used_id < used_id
    await connection.execute(update(Conversation).where(*is_conversation(key), is_earlier).values(used_id=used_id))


async def first_row(connection: AsyncConnection, query: Executable) -> Row[Any] | None:
    """The first row of a query's result."""
    return (await connection.execute(query)).first()


async def all_rows(connection: AsyncConnection, query: Executable) -> Sequence[Row[Any]]:
    """All rows of a query's result."""
    return (await connection.execute(query)).all()


async def erase_turns(connection: AsyncConnection, turn_ids: Collection[int]) -> None:
    """Leave nothing of turns but their place in the tree."""
    await connection.execute(update(Turn).where(Turn.id.in_(turn_ids)).values(**ERASED_TURN))
    await connection.execute(delete(AnswerVersion).where(AnswerVersion.turn_id.in_(turn_ids)))
    await connection.execute(delete(Reply).where(Reply.question_id.in_(turn_ids)))
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id.in_(turn_ids)))


async def erase_quotes(connection: AsyncConnection, *where: ColumnElement[bool]) -> int:
    """Erase the quotes of some turns, and those turns that asked nothing else; return how many quotes."""
    query = select(Turn.id, Turn.files).where(*where, Turn.quote_message_id.is_not(None), Turn.text == "")
    alone = [row.id for row in await all_rows(connection, query) if not row.files]
    if alone:
        await erase_turns(connection, alone)
    others = await connection.execute(update(Turn).where(*where).values(**ERASED_QUOTE))
    return len(alone) + others.rowcount


def row_of(turn: CoreTurn) -> dict[str, Any]:
    """The row of a turn."""
    position = {
        "id": turn.id,
        "channel_id": turn.key.channel_id,
        "memory_person_id": turn.key.person_id,
        "parent_id": turn.parent_id,
        "first_id": turn.first_id,
        "depth": turn.depth,
    }
    asked, answer = turn.asked, turn.answer
    if asked is None or answer is None:
        return position | ERASED_TURN
    quote = (
        ERASED_QUOTE
        if asked.quote is None
        else {
            "quote_message_id": asked.quote.message_id,
            "quote_author_id": asked.quote.author_id,
            "quote_author_name": asked.quote.author_name,
            "quote_text": asked.quote.text,
            "quote_files": [_json_of(file) for file in asked.quote.files],
        }
    )
    return (
        position
        | quote
        | {
            "erased": False,
            "author_id": asked.author_id,
            "author_name": asked.author_name,
            "text": asked.text,
            "files": [_json_of(file) for file in asked.files],
            "answer": answer.content,
            "answer_ids": answer.ids,
            "tokenizer": answer.tokenizer,
            "version": turn.version,
        }
    )


def turn_of(row: Any) -> CoreTurn:
    """The turn in a row."""
    return CoreTurn(
        id=row.id,
        key=ConversationKey(row.channel_id, row.memory_person_id),
        parent_id=row.parent_id,
        first_id=row.first_id,
        depth=row.depth,
        asked=None if row.erased else _user_message_of(row),
        answer=None if row.erased else answer_of(row),
        version=row.version,
    )


def answer_of(row: Any) -> Message:
    """The answer in the row of a turn or of a version."""
    return Message("assistant", row.answer, row.answer_ids, row.tokenizer)


def _user_message_of(row: Any) -> UserMessage:
    quote = None
    if row.quote_message_id is not None:
        files = tuple(map(_file_of, row.quote_files))
        quote = Quote(row.quote_message_id, row.quote_author_id, row.quote_author_name, row.quote_text, files)
    return UserMessage(row.text, row.author_id, row.author_name, quote, tuple(map(_file_of, row.files)))


def _json_of(file: File) -> dict[str, Any]:
    content = {"text": file.text} if isinstance(file, TextFile) else {"kind": file.kind}
    return {"id": file.id, "name": file.name, **content}


def _file_of(file: Mapping[str, Any]) -> File:
    if "kind" in file:
        return UnreadFile(file["id"], file["name"], file["kind"])
    return TextFile(file["id"], file["name"], file["text"])
