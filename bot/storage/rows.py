"""Converts turns to rows and back, and runs the statements that several stores need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Executable, Row, Select, delete, select, update
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.turn import ConversationKey, Covered, File, Relation, TextFile, UnreadFile, UserMessage
from bot.conversation.turn import Quote as CoreQuote
from bot.conversation.turn import Turn as CoreTurn
from bot.prompting.prompt import Message
from bot.storage.tables import (
    AcceptedQuestion,
    AnswerVersion,
    ChannelMode,
    Conversation,
    Persona,
    Quote,
    Reply,
    SummarizedTurn,
    Table,
    Turn,
)

# An erased turn keeps only its place in the tree.
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
    await erase_summaries(connection, turn_ids)
    await connection.execute(update(Turn).where(Turn.id.in_(turn_ids)).values(**ERASED_TURN))
    await connection.execute(delete(AnswerVersion).where(AnswerVersion.turn_id.in_(turn_ids)))
    await connection.execute(delete(Quote).where(Quote.turn_id.in_(turn_ids)))
    await connection.execute(delete(Reply).where(Reply.question_id.in_(turn_ids)))
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id.in_(turn_ids)))


async def erase_summaries(connection: AsyncConnection, turn_ids: Collection[int] | Select[Any]) -> None:
    """Erase the summaries of turns that change in the same transaction.

    Args:
        turn_ids: of all that change. A query must find them, so call this before they change.
    """
    covering = select(SummarizedTurn.summary_id).where(SummarizedTurn.turn_id.in_(turn_ids)).distinct()
    summary_ids = [row.summary_id for row in await all_rows(connection, covering)]
    if summary_ids:
        await connection.execute(update(Turn).where(Turn.id.in_(summary_ids)).values(**ERASED_TURN))
        await connection.execute(delete(SummarizedTurn).where(SummarizedTurn.summary_id.in_(summary_ids)))


async def erase_channel(connection: AsyncConnection, channel_id: int) -> None:
    """Delete everything in a channel."""
    turns = select(Turn.id).where(Turn.channel_id == channel_id)
    await connection.execute(delete(Reply).where(Reply.question_id.in_(turns)))
    await erase_summaries(connection, turns)
    await connection.execute(delete(SummarizedTurn).where(SummarizedTurn.summary_id.in_(turns)))
    await connection.execute(delete(AnswerVersion).where(AnswerVersion.turn_id.in_(turns)))
    await connection.execute(delete(Quote).where(Quote.turn_id.in_(turns)))
    await connection.execute(delete(Turn).where(Turn.channel_id == channel_id))
    await connection.execute(delete(Conversation).where(Conversation.channel_id == channel_id))
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.channel_id == channel_id))
    await connection.execute(delete(Persona).where(Persona.place_id == channel_id))
    await connection.execute(delete(ChannelMode).where(ChannelMode.channel_id == channel_id))


async def erase_quotes(connection: AsyncConnection, *where: ColumnElement[bool]) -> int:
    """Erase some quotes, and those turns that asked nothing else; return how many quotes."""
    await erase_summaries(connection, select(Quote.turn_id).where(*where))
    query = select(Turn.id, Turn.files).join(Quote, Quote.turn_id == Turn.id).where(*where, Turn.text == "")
    wordless = {row.id for row in await all_rows(connection, query) if not row.files}
    erased = await connection.execute(delete(Quote).where(*where))
    if wordless:
        is_asked = Quote.turn_id.in_(wordless), Quote.relation != Relation.EARLIER.value
        asking = {row.turn_id for row in await all_rows(connection, select(Quote.turn_id).where(*is_asked))}
        await erase_turns(connection, wordless - asking)
    return erased.rowcount


async def quotes_of(
    connection: AsyncConnection, turn_ids: Collection[int] | Select[Any]
) -> Mapping[int, Sequence[CoreQuote]]:
    """The quotes of these turns, without turns that have none."""
    quotes: dict[int, list[CoreQuote]] = defaultdict(list)
    query = select(Quote.__table__).where(Quote.turn_id.in_(turn_ids)).order_by(Quote.turn_id, Quote.position)
    for row in await all_rows(connection, query):
        quotes[row.turn_id].append(_quote_of(row))
    return quotes


def row_of(turn: CoreTurn) -> dict[str, Any]:
    """The row of a turn."""
    position = {
        "id": turn.id,
        "channel_id": turn.key.channel_id,
        "memory_person_id": turn.key.person_id,
        "parent_id": turn.parent_id,
        "first_id": turn.first_id,
        "summary_id": turn.summary_id,
        "depth": turn.depth,
    }
    asked, answer = turn.asked, turn.answer
    if asked is None or answer is None:
        return position | ERASED_TURN
    return position | {
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


def quote_rows_of(turn: CoreTurn) -> list[dict[str, Any]]:
    """The rows of a turn's quotes."""
    return [
        {
            "turn_id": turn.id,
            "position": position,
            "message_id": quote.message_id,
            "author_id": quote.author_id,
            "author_name": quote.author_name,
            "text": quote.text,
            "files": [_json_of(file) for file in quote.files],
            "relation": quote.relation.value,
        }
        for position, quote in enumerate(turn.asked.quotes if turn.asked is not None else ())
    ]


def turn_of(row: Any, quotes: Sequence[CoreQuote], covers: Sequence[Covered] = ()) -> CoreTurn:
    """The turn in a row, with its quotes; a summary if it covers messages."""
    return CoreTurn(
        id=row.id,
        key=ConversationKey(row.channel_id, row.memory_person_id),
        parent_id=row.parent_id,
        first_id=row.first_id,
        depth=row.depth,
        asked=None if row.erased else _user_message_of(row, quotes),
        answer=None if row.erased else answer_of(row),
        version=row.version,
        summary_id=row.summary_id,
        covers=tuple(covers),
    )


def answer_of(row: Any) -> Message:
    """The answer in the row of a turn or of a version."""
    return Message("assistant", row.answer, row.answer_ids, row.tokenizer)


def _user_message_of(row: Any, quotes: Sequence[CoreQuote]) -> UserMessage:
    return UserMessage(row.text, row.author_id, row.author_name, tuple(quotes), tuple(map(_file_of, row.files)))


def _quote_of(row: Any) -> CoreQuote:
    files = tuple(map(_file_of, row.files))
    return CoreQuote(row.message_id, row.author_id, row.author_name, row.text, files, Relation(row.relation))


def _json_of(file: File) -> dict[str, Any]:
    content = {"text": file.text} if isinstance(file, TextFile) else {"kind": file.kind}
    return {"id": file.id, "name": file.name, **content}


def _file_of(file: Mapping[str, Any]) -> File:
    if "kind" in file:
        return UnreadFile(file["id"], file["name"], file["kind"])
    return TextFile(file["id"], file["name"], file["text"])
