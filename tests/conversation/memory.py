"""Conversations over a real file, and short ways to say something in them."""

from __future__ import annotations

import itertools
import sqlite3
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.conversation.conversations import Conversations
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question, Quote, TextFile, Turn, UserMessage
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message
from bot.storage.conversation_store import DatabaseConversationStore
from bot.storage.database import Database
from bot.storage.journal import Journal

HERE = ConversationKey(1)
ELSEWHERE = ConversationKey(2)
SYSTEM = "Be brief."
DONE = Outcome(FinishReason.STOP)

message_ids = itertools.count(1_000)
"""Discord's ids grow with time."""


def person(name: str) -> int:
    """The id of somebody with this name."""
    return zlib.crc32(name.encode())


def asked(text: str, by: str = "Ada", quote: Quote | None = None, files: Sequence[TextFile] = ()) -> UserMessage:
    return UserMessage(text, person(by), by, quote, tuple(files))


def ask(
    text: str,
    by: str = "Ada",
    *,
    key: ConversationKey = HERE,
    reply_to: int | None = None,
    quote: Quote | None = None,
    files: Sequence[TextFile] = (),
) -> Question:
    return Question(next(message_ids), key, asked(text, by, quote, files), reply_to)


def turn(what: UserMessage | None, answer: Message | str = "Hi") -> Turn:
    """A turn of its own; erased where nothing is asked."""
    message = answer if isinstance(answer, Message) else Message("assistant", answer)
    turn_id = next(message_ids)
    return Turn(turn_id, HERE, None, turn_id, 0, what, None if what is None else message)


def texts(branch: Sequence[Turn]) -> list[str]:
    """What was asked in a line of turns; erased ones are left out."""
    return [each.asked.text for each in branch if each.asked is not None]


async def answer(conversations: Conversations, question: Question, text: str = "Yes.") -> OpenConversation:
    """Have a question answered with everything that the conversation holds."""
    opened = await conversations.begin(question)
    await conversations.end(opened, question, DONE, opened.turn(question, opened.branch, Message("assistant", text)))
    return opened


async def say(
    conversations: Conversations,
    text: str,
    by: str = "Ada",
    *,
    key: ConversationKey = HERE,
    reply_to: int | None = None,
    quote: Quote | None = None,
    files: Sequence[TextFile] = (),
) -> int:
    """Ask and answer; return the id of the turn."""
    question = ask(text, by, key=key, reply_to=reply_to, quote=quote, files=files)
    await answer(conversations, question)
    return question.id


async def seen(conversations: Conversations, key: ConversationKey = HERE, reply_to: int | None = None) -> list[str]:
    """What a next question would be asked after."""
    question = ask("next", key=key, reply_to=reply_to)
    opened = await conversations.begin(question)
    await conversations.end(opened, question, None, None)
    return texts(opened.branch)


@dataclass(frozen=True)
class Memory:
    """An open file with conversations.

    Attributes:
        file: a SQLite database.
        database: open on it.
        journal: writes into it.
        store: keeps conversations in it.
    """

    file: Path
    database: Database
    journal: Journal
    store: DatabaseConversationStore

    def conversations(self, system_prompt: str = SYSTEM, most_open: int = 256) -> Conversations:
        """As after a start: nothing is in memory yet."""
        return Conversations(self.store, system_prompt, most_open=most_open)

    async def close_connections(self) -> None:
        """New ones are opened as they are needed."""
        await self.database.close()

    @contextmanager
    def lost(self) -> Iterator[None]:
        """For as long as the block lasts, neither read nor written. `close_connections` first."""
        away = self.file.with_suffix(".away")
        self.file.rename(away)
        self.file.mkdir()
        try:
            yield
        finally:
            self.file.rmdir()
            away.rename(self.file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For as long as the block lasts, read but not written."""
        other = sqlite3.connect(self.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()


@asynccontextmanager
async def open_memory(folder: Path) -> AsyncIterator[Memory]:
    """Open the file in a folder; it is made where there is none."""
    file = folder / "bot.sqlite3"
    database = await Database.open(f"sqlite:///{file.as_posix()}", lock_seconds=0.05)
    journal = Journal(database, lambda _: None, (0.01, 0.05))
    try:
        yield Memory(file, database, journal, DatabaseConversationStore(journal, database))
    finally:
        await journal.close(5.0)
        await database.close()
