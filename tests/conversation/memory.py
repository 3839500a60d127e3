"""Conversations over a real SQLite file, and helpers to ask and answer in them."""

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
from bot.conversation.turn import ConversationKey, File, Question, Quote, Turn, UserMessage
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
    """The id of the member with this name."""
    return zlib.crc32(name.encode())


def asked(text: str, by: str = "Ada", quotes: Sequence[Quote] = (), files: Sequence[File] = ()) -> UserMessage:
    return UserMessage(text, person(by), by, tuple(quotes), tuple(files))


def ask(
    text: str,
    by: str = "Ada",
    *,
    key: ConversationKey = HERE,
    reply_to: int | None = None,
    quotes: Sequence[Quote] = (),
    files: Sequence[File] = (),
) -> Question:
    return Question(next(message_ids), key, asked(text, by, quotes, files), reply_to)


def turn(what: UserMessage | None, answer: Message | str = "Hi") -> Turn:
    """A turn without a parent; erased if nothing is asked."""
    message = answer if isinstance(answer, Message) else Message("assistant", answer)
    turn_id = next(message_ids)
    return Turn(turn_id, HERE, None, turn_id, 0, what, None if what is None else message)


def texts(branch: Sequence[Turn]) -> list[str]:
    """The questions of a branch, without erased ones."""
    return [each.asked.text for each in branch if each.asked is not None]


async def answer(conversations: Conversations, question: Question, text: str = "Yes.") -> OpenConversation:
    """Answer a question with its whole branch in view."""
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
    quotes: Sequence[Quote] = (),
    files: Sequence[File] = (),
) -> int:
    """Ask and answer a question; return the id of its turn."""
    question = ask(text, by, key=key, reply_to=reply_to, quotes=quotes, files=files)
    await answer(conversations, question)
    return question.id


async def seen(conversations: Conversations, key: ConversationKey = HERE, reply_to: int | None = None) -> list[str]:
    """The branch that a next question would continue."""
    question = ask("next", key=key, reply_to=reply_to)
    opened = await conversations.begin(question)
    await conversations.end(opened, question, None, None)
    return texts(opened.branch)


@dataclass(frozen=True)
class Memory:
    """An open database with conversations."""

    file: Path
    database: Database
    journal: Journal
    store: DatabaseConversationStore

    def conversations(self, system_prompt: str = SYSTEM, most_open: int = 256) -> Conversations:
        """Conversations as after a restart: none is in memory."""
        return Conversations(self.store, system_prompt, most_open=most_open)

    async def close_connections(self) -> None:
        """Close idle connections; the next use opens new ones."""
        await self.database.close()

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Make the file unreadable during the block. Call `close_connections` first."""
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
        """Make the file read-only during the block."""
        other = sqlite3.connect(self.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()


@asynccontextmanager
async def open_memory(folder: Path) -> AsyncIterator[Memory]:
    """Open or create the file in a folder."""
    file = folder / "bot.sqlite3"
    database = await Database.open(f"sqlite:///{file.as_posix()}", lock_seconds=0.05)
    journal = Journal(database, lambda _: None, (0.01, 0.05))
    try:
        yield Memory(file, database, journal, DatabaseConversationStore(journal, lookup_pause_seconds=0.0))
    finally:
        await journal.close(5.0)
        await database.close()
