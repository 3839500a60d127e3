"""Accepted questions in the database, until their replies are delivered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from bot.conversation.store import UnfinishedQuestion
from bot.conversation.turn import ConversationKey, Task
from bot.engine.interface import FinishReason, Outcome
from bot.errors import DatabaseOutageError
from bot.storage.journal import Journal
from bot.storage.rows import all_rows, first_row, insert_once, touch_conversation
from bot.storage.tables import NOTICE, AcceptedQuestion, Conversation, Reply, SeenMessage


class DatabaseWorkStore:
    """Implements `bot.conversation.store.WorkStore`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def accept(
        self,
        question_id: int,
        key: ConversationKey,
        author_id: int,
        *,
        task: Task = Task.ANSWER,
        interaction: Mapping[str, Any] | None = None,
        parts: Collection[int] = (),
    ) -> None:
        """Record that the bot will answer a question; see `WorkStore`."""
        row = {
            "message_id": question_id,
            "channel_id": key.channel_id,
            "author_id": author_id,
            "task": task,
            "interaction": interaction,
        }

        async def change(connection: AsyncConnection) -> None:
            await _note_parts(connection, question_id, parts)
            await insert_once(connection, AcceptedQuestion, row)
            await touch_conversation(connection, key, question_id)

        await self._journal.write(change)

    async def note_parts(self, question_id: int, parts: Collection[int]) -> None:
        """Record earlier messages that are one question with another."""
        await self._journal.write(lambda connection: _note_parts(connection, question_id, parts))

    async def is_part(self, message_id: int) -> bool:
        """Whether a message is part of a later one's question; also said while the store cannot be read."""
        query = select(SeenMessage.question_id).where(SeenMessage.id == message_id)
        try:
            row = await self._journal.read(lambda connection: first_row(connection, query))
        except DatabaseOutageError:
            return True
        return row is not None and row.question_id is not None

    async def owe_notice(self, question_id: int, channel_id: int, author_id: int, notice: str) -> None:
        """Record what will be said instead of an answer."""
        row = {
            "message_id": question_id,
            "channel_id": channel_id,
            "author_id": author_id,
            "task": Task.ANSWER,
            "outcome": NOTICE,
            "answer": notice,
        }

        async def change(connection: AsyncConnection) -> None:
            await insert_once(connection, SeenMessage, {"id": question_id})
            await _finish(connection, question_id)  # it may have been accepted before
            await insert_once(connection, AcceptedQuestion, row)

        await self._journal.write(change)

    async def turn_away(self, question_id: int) -> None:
        """Record that a message needs no answer."""

        async def change(connection: AsyncConnection) -> None:
            await insert_once(connection, SeenMessage, {"id": question_id})
            await _finish(connection, question_id)

        await self._journal.write(change)

    async def replied(self, question_id: int, position: int, message_id: int) -> None:
        """Record a message of a reply."""
        row = {"message_id": message_id, "question_id": question_id, "position": position}
        await self._journal.write(lambda connection: insert_once(connection, Reply, row))

    async def reply_deleted(self, message_id: int) -> None:
        """Remove a message of a reply."""

        async def change(connection: AsyncConnection) -> None:
            await connection.execute(delete(Reply).where(Reply.message_id == message_id))

        await self._journal.write(change)

    async def delivered(self, question_id: int) -> None:
        """Record that a reply is complete."""
        await self._journal.write(lambda connection: _finish(connection, question_id))

    async def unfinished(self) -> Sequence[UnfinishedQuestion]:
        """All accepted questions without a complete reply, the oldest first."""
        questions = select(AcceptedQuestion.__table__).order_by(AcceptedQuestion.message_id)
        # Not a join: SQLite would scan all replies that were ever sent.
        accepted = Reply.question_id.in_(select(AcceptedQuestion.message_id))
        replies = select(Reply.question_id, Reply.message_id).where(accepted).order_by(Reply.position)
        in_question = SeenMessage.question_id.in_(select(AcceptedQuestion.message_id))
        parts = select(SeenMessage.question_id, SeenMessage.id).where(in_question).order_by(SeenMessage.id)

        async def query(connection: AsyncConnection) -> Sequence[UnfinishedQuestion]:
            sent, earlier = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
            for row in await all_rows(connection, replies):
                sent[row.question_id].append(row.message_id)
            for row in await all_rows(connection, parts):
                earlier[row.question_id].append(row.id)
            rows = await all_rows(connection, questions)
            return [_unfinished(row, tuple(sent[row.message_id]), tuple(earlier[row.message_id])) for row in rows]

        return await self._journal.read(query)

    async def unseen(self, message_ids: Collection[int]) -> set[int]:
        """Those of these messages that were neither accepted nor turned away."""
        query = select(SeenMessage.id).where(SeenMessage.id.in_(message_ids))
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return set(message_ids) - {row.id for row in rows}

    async def forget_seen_before(self, message_id: int) -> None:
        """Delete the record of messages before this one: recovery does not ask for them any more."""

        async def change(connection: AsyncConnection) -> None:
            accepted = select(AcceptedQuestion.message_id)  # another start may have to read its parts again
            is_part_of_one = SeenMessage.question_id.is_not(None) & SeenMessage.question_id.in_(accepted)
            await connection.execute(delete(SeenMessage).where(SeenMessage.id < message_id, ~is_part_of_one))

        await self._journal.write(change)

    async def channels(self, count: int) -> Sequence[tuple[int, int]]:
        """The most recently used channels, each with its first question."""
        # Not grouped by channel: that would scan all conversations, even those unused for years.
        other = aliased(Conversation)
        in_channel = other.channel_id == Conversation.channel_id
        used_later = select(other.channel_id).where(in_channel, other.used_id > Conversation.used_id).exists()
        began = select(func.min(other.began_id)).where(in_channel).scalar_subquery()
        query = (
            select(Conversation.channel_id, began.label("began_id"))
            .where(~used_later)
            .order_by(Conversation.used_id.desc())
            .limit(count)
        )
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return [(row.channel_id, row.began_id) for row in rows]


def _unfinished(row: Row[Any], reply_ids: tuple[int, ...], parts: tuple[int, ...]) -> UnfinishedQuestion:
    where, who = (row.message_id, row.channel_id), row.author_id
    if row.outcome == NOTICE:
        return UnfinishedQuestion(*where, None, "", reply_ids, who, notice=row.answer)
    outcome = None if row.outcome is None else Outcome(FinishReason(row.outcome), row.detail or "")
    return UnfinishedQuestion(
        *where,
        outcome,
        row.answer or "",
        reply_ids,
        who,
        task=Task(row.task),
        interaction=row.interaction,
        parts=parts,
    )


async def _note_parts(connection: AsyncConnection, question_id: int, parts: Collection[int]) -> None:
    """Record a question as seen, with its parts, which may have been another question's before that was deleted."""
    await insert_once(connection, SeenMessage, {"id": question_id, "question_id": None}, update=["question_id"])
    for part in parts:
        row = {"id": part, "question_id": question_id}
        await insert_once(connection, SeenMessage, row, update=["question_id"])


async def _finish(connection: AsyncConnection, question_id: int) -> None:
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id == question_id))
