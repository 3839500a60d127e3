"""Accepted questions in the database, until the last edit of their answers is in."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from bot.conversation.store import UnfinishedQuestion
from bot.conversation.turn import ConversationKey
from bot.engine.interface import FinishReason, Outcome
from bot.storage.journal import Journal
from bot.storage.rows import all_rows, insert_once, open_conversation
from bot.storage.tables import AcceptedQuestion, Conversation, Reply, SeenMessage


class DatabaseWorkStore:
    """Implements `bot.conversation.store.WorkStore`.

    Args:
        journal: the open database.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def accept(self, question_id: int, key: ConversationKey, author_id: int) -> None:
        """Keep that a question will be answered."""
        row = {"message_id": question_id, "channel_id": key.channel_id, "author_id": author_id}

        async def change(connection: AsyncConnection) -> None:
            await insert_once(connection, SeenMessage, {"id": question_id})
            await insert_once(connection, AcceptedQuestion, row)
            await open_conversation(connection, key, question_id)

        await self._journal.write(change)

    async def turn_away(self, question_id: int) -> None:
        """Keep that a message was seen, and needs no answer any more."""

        async def change(connection: AsyncConnection) -> None:
            await insert_once(connection, SeenMessage, {"id": question_id})
            await _end(connection, question_id)

        await self._journal.write(change)

    async def replied(self, question_id: int, position: int, message_id: int) -> None:
        """Keep which message shows a part of an answer."""
        row = {"message_id": message_id, "question_id": question_id, "position": position}
        await self._journal.write(lambda connection: insert_once(connection, Reply, row))

    async def reply_deleted(self, message_id: int) -> None:
        """A message that showed a part of an answer is gone."""

        async def change(connection: AsyncConnection) -> None:
            await connection.execute(delete(Reply).where(Reply.message_id == message_id))

        await self._journal.write(change)

    async def delivered(self, question_id: int) -> None:
        """The last edit of an answer is in."""
        await self._journal.write(lambda connection: _end(connection, question_id))

    async def unfinished(self) -> Sequence[UnfinishedQuestion]:
        """All accepted questions that are not delivered, the oldest first."""
        questions = select(AcceptedQuestion.__table__).order_by(AcceptedQuestion.message_id)
        # Not a join: SQLite would go through all replies that were ever sent.
        accepted = Reply.question_id.in_(select(AcceptedQuestion.message_id))
        replies = select(Reply.question_id, Reply.message_id).where(accepted).order_by(Reply.position)

        async def query(connection: AsyncConnection) -> Sequence[UnfinishedQuestion]:
            sent: dict[int, list[int]] = {}
            for row in await all_rows(connection, replies):
                sent.setdefault(row.question_id, []).append(row.message_id)
            return [
                UnfinishedQuestion(
                    message_id=row.message_id,
                    channel_id=row.channel_id,
                    outcome=None if row.outcome is None else Outcome(FinishReason(row.outcome), row.detail or ""),
                    answer=row.answer or "",
                    reply_ids=tuple(sent.get(row.message_id, ())),
                )
                for row in await all_rows(connection, questions)
            ]

        return await self._journal.read(query)

    async def unseen(self, message_ids: Collection[int]) -> set[int]:
        """Which of these messages were never accepted nor turned away."""
        query = select(SeenMessage.id).where(SeenMessage.id.in_(message_ids))
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return set(message_ids) - {row.id for row in rows}

    async def forget_seen_before(self, message_id: int) -> None:
        """Nobody will ask any more whether messages before this one were seen."""

        async def change(connection: AsyncConnection) -> None:
            await connection.execute(delete(SeenMessage).where(SeenMessage.id < message_id))

        await self._journal.write(change)

    async def channels(self, count: int) -> Sequence[tuple[int, int]]:
        """The channels used last, each with the first message that was ever asked there."""
        # Not grouped by channel: that would go through all conversations, however long ago they were used.
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


async def _end(connection: AsyncConnection, question_id: int) -> None:
    await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id == question_id))
