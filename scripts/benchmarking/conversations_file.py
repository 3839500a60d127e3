"""Writes a database with many conversations, as the bot would leave it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarking.prompts import Prompts
from benchmarking.text import SYSTEM_PROMPT
from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn, UserMessage
from bot.storage import tables
from bot.storage.database import Database
from bot.storage.rows import row_of, table_of

DIFFERENT = 10
"""The number of distinct conversations; the others are copies of these."""

LONGEST_ANSWER = 1024
"""The bot's default reserve for an answer, in tokens."""

_FIRST_MESSAGE = 1_400_000_000_000_000_000  # ids as long as Discord's
_FIRST_CHANNEL = 1_300_000_000_000_000_000
_FIRST_MEMBER = 1_200_000_000_000_000_000
_MEMBERS = 3
_NAMES = "Ada", "Grace", "Linus"


def key_of(conversation: int) -> ConversationKey:
    """Return the key of one of the file's conversations, by its number from 0."""
    return ConversationKey(_FIRST_CHANNEL + conversation)


def asked_in(conversation: int, number: int, text: str) -> UserMessage:
    """Return a question by one of the three members of a conversation, in turn."""
    member = number % _MEMBERS
    return UserMessage(text, _FIRST_MEMBER + _MEMBERS * conversation + member, _NAMES[member])


def first_unused_id(conversations: int, turns: int) -> int:
    """Return a message id later than all in a file of this size."""
    return _FIRST_MESSAGE + 2 * conversations * turns


def made_up_conversations(prompts: Prompts, context_length: int, turns: int) -> list[list[Turn]]:
    """Return ten conversations. The id of each turn is its position in its conversation, from 1.

    Args:
        context_length: the model's; the oldest turns are trimmed where it is full.
        turns: the length of each conversation.
    """
    window = ContextWindow(prompts.builder, Budget(context_length, LONGEST_ANSWER))
    return [_conversation(prompts, window, number, turns) for number in range(DIFFERENT)]


async def write_conversations(file: Path, distinct: Sequence[Sequence[Turn]], conversations: int) -> None:
    """Write a SQLite file in which all conversations progress together, so that their turns are interleaved.

    Args:
        distinct: the conversations to copy, in turn.
        conversations: how many to write.
    """
    turns = len(distinct[0])
    async with _open(file) as database:
        for position in range(turns):
            rows = [
                _copy(distinct[number % DIFFERENT][position], number, conversations) for number in range(conversations)
            ]
            replies = [{"message_id": row["id"] + 1, "question_id": row["id"], "position": 0} for row in rows]
            await _insert(database, tables.Turn, rows)
            await _insert(database, tables.Reply, replies)
        heads = [_head(number, conversations, turns) for number in range(conversations)]
        await _insert(database, tables.Conversation, heads)
        await database.purge_leftovers()  # then the one file holds everything and can be copied


@asynccontextmanager
async def _open(file: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{file.as_posix()}")
    try:
        yield database
    finally:
        await database.close()


async def _insert(database: Database, table: type[tables.Table], rows: Sequence[dict[str, Any]]) -> None:
    async with database.begin() as connection:
        await connection.execute(insert(table_of(table)), rows)


def _conversation(prompts: Prompts, window: ContextWindow, number: int, turns: int) -> list[Turn]:
    conversation = Conversation(key_of(number))
    for position in range(turns):
        name = f"idle {number} {position}"
        asked = asked_in(number, position, prompts.made_up_question(name))
        branch = conversation.branch(conversation.tip_id)
        opened = OpenConversation(conversation, 0, branch, SYSTEM_PROMPT)
        fitted = window.fit(SYSTEM_PROMPT, branch, asked)
        question = Question(position + 1, conversation.key, asked)
        turn = opened.turn(question, fitted.branch, prompts.made_up_answer(name))
        conversation.turns[turn.id] = turn
        conversation.tip_id = turn.id
    return list(conversation.turns.values())


def _copy(turn: Turn, number: int, conversations: int) -> dict[str, Any]:
    """Return a made-up turn as the row of a copy."""
    assert turn.asked is not None  # nothing made up is erased
    return row_of(turn) | {
        "id": _message_id(turn.id, number, conversations),
        "channel_id": key_of(number).channel_id,
        "parent_id": None if turn.parent_id is None else _message_id(turn.parent_id, number, conversations),
        "first_id": _message_id(turn.first_id, number, conversations),
        "author_id": asked_in(number, turn.depth, turn.asked.text).author_id,
    }


def _head(number: int, conversations: int, turns: int) -> dict[str, Any]:
    key, tip_id = key_of(number), _message_id(turns, number, conversations)
    return {
        "channel_id": key.channel_id,
        "person_id": key.person_id,
        "tip_id": tip_id,
        "resets": 0,
        "began_id": _message_id(1, number, conversations),
        "used_id": tip_id,
    }


def _message_id(position: int, number: int, conversations: int) -> int:
    """Return the id of a turn's question; the reply's is the next."""
    return _FIRST_MESSAGE + 2 * ((position - 1) * conversations + number)
