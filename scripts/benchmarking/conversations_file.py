"""Writes a database with many conversations, as the bot would have left it."""

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
"""So many conversations differ in what is said."""

LONGEST_ANSWER = 1024
"""The room that the bot keeps free for an answer, in tokens, where nothing else is set."""

_FIRST_MESSAGE = 1_400_000_000_000_000_000  # ids as long as Discord's
_FIRST_CHANNEL = 1_300_000_000_000_000_000
_FIRST_PERSON = 1_200_000_000_000_000_000
_PEOPLE = 3
_NAMES = "Ada", "Grace", "Linus"


def key_of(conversation: int) -> ConversationKey:
    """The key of one of the file's conversations, by its number from 0."""
    return ConversationKey(_FIRST_CHANNEL + conversation)


def asked_in(conversation: int, number: int, text: str) -> UserMessage:
    """A question by one of the three people who talk in a conversation, in turn."""
    person = number % _PEOPLE
    return UserMessage(text, _FIRST_PERSON + _PEOPLE * conversation + person, _NAMES[person])


def first_unused_id(conversations: int, turns: int) -> int:
    """A message id that is later than all in a file of this size."""
    return _FIRST_MESSAGE + 2 * conversations * turns


def made_up_talks(prompts: Prompts, context_length: int, turns: int) -> list[list[Turn]]:
    """Ten conversations. The id of each turn is its position in its conversation, from 1.

    Args:
        prompts: where texts and token ids come from.
        context_length: the model's; where it was full, the oldest turns were left out.
        turns: in each of them.
    """
    window = ContextWindow(prompts.builder, Budget(context_length, LONGEST_ANSWER))
    return [_talk(prompts, window, number, turns) for number in range(DIFFERENT)]


async def write_conversations(file: Path, talks: Sequence[Sequence[Turn]], conversations: int) -> None:
    """Write a SQLite file. All conversations go on beside each other, so that their turns lie mixed in it.

    Args:
        file: where to write.
        talks: what is said.
        conversations: how many there are; they are copies of these, in turn.
    """
    turns = len(talks[0])
    async with _open(file) as database:
        for position in range(turns):
            rows = [
                _copy(talks[number % DIFFERENT][position], number, conversations) for number in range(conversations)
            ]
            replies = [{"message_id": row["id"] + 1, "question_id": row["id"], "position": 0} for row in rows]
            await _insert(database, tables.Turn, rows)
            await _insert(database, tables.Reply, replies)
        standings = [_head(number, conversations, turns) for number in range(conversations)]
        await _insert(database, tables.Conversation, standings)
        await database.purge_leftovers()  # everything is in the one file then, which may be copied


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


def _talk(prompts: Prompts, window: ContextWindow, number: int, turns: int) -> list[Turn]:
    conversation = Conversation(key_of(number))
    for position in range(turns):
        name = f"idle {number} {position}"
        asked = asked_in(number, position, prompts.made_up_question(name))
        line = conversation.branch(conversation.tip_id)
        opened = OpenConversation(conversation, 0, line, SYSTEM_PROMPT)
        fitted = window.fit(SYSTEM_PROMPT, line, asked)
        question = Question(position + 1, conversation.key, asked)
        turn = opened.turn(question, fitted.branch, prompts.made_up_answer(name))
        conversation.turns[turn.id] = turn
        conversation.tip_id = turn.id
    return list(conversation.turns.values())


def _copy(turn: Turn, number: int, conversations: int) -> dict[str, Any]:
    """A made-up turn as the row of a conversation."""
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
    """The id of the message that asked; the answer's is the next."""
    return _FIRST_MESSAGE + 2 * ((position - 1) * conversations + number)
