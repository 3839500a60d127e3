"""What the present database knows better than the backup that replaces it.

- What was deleted, edited or forgotten since the backup stays gone.
- What was answered since is not answered again, and what is being answered goes on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.forgetting import forget_person
from bot.storage.message_rows import erase_messages
from bot.storage.rows import all_rows, erase_channel, table_of
from bot.storage.tables import AcceptedQuestion, PastErasure, Reply, SeenMessage, Table

_MOST_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """Rows of the present database. Use `CarriedOver.read`."""

    erasures: Sequence[Row[Any]]
    seen: Sequence[Row[Any]]
    accepted: Sequence[Row[Any]]
    replies: Sequence[Row[Any]]

    @classmethod
    async def read(cls, connection: AsyncConnection) -> CarriedOver:
        """Read them, before they are replaced."""
        to_accepted = Reply.question_id.in_(select(AcceptedQuestion.message_id))
        return cls(
            await all_rows(connection, select(PastErasure.__table__).order_by(PastErasure.id)),
            await all_rows(connection, select(SeenMessage.__table__)),
            await all_rows(connection, select(AcceptedQuestion.__table__)),
            await all_rows(connection, select(Reply.__table__).where(to_accepted)),
        )

    async def add(self, connection: AsyncConnection, oldest_answered: int) -> None:
        """Change the rows of a backup accordingly.

        Args:
            oldest_answered: accepted questions of the backup that are older than this message are not answered.
        """
        in_backup = {row.id for row in await all_rows(connection, select(PastErasure.id))}
        await _erase_again(connection, [each for each in self.erasures if each.id not in in_backup])
        await self._drop_answered(connection, oldest_answered)
        await _insert(connection, PastErasure, self.erasures)
        await _insert(connection, SeenMessage, self.seen)
        await _insert(connection, AcceptedQuestion, self.accepted)
        await _insert(connection, Reply, self.replies)

    async def _drop_answered(self, connection: AsyncConnection, oldest_answered: int) -> None:
        """Leave no accepted question that was answered since, or that is too old to be answered."""
        handled = {row.id for row in self.seen}
        accepted = [row.message_id for row in await all_rows(connection, select(AcceptedQuestion.message_id))]
        dropped = [each for each in accepted if each in handled or each < oldest_answered]
        for part in _parts(dropped):
            await connection.execute(delete(AcceptedQuestion).where(AcceptedQuestion.message_id.in_(part)))


async def _erase_again(connection: AsyncConnection, erasures: Sequence[Row[Any]]) -> None:
    message_ids = {message_id for each in erasures for message_id in each.message_ids or ()}
    for part in _parts(sorted(message_ids)):
        await erase_messages(connection, part)
    for each in erasures:
        if each.author_id is not None:
            await forget_person(connection, each.author_id, each.channel_ids)
        elif each.message_ids is None:
            for channel_id in each.channel_ids or ():
                await erase_channel(connection, channel_id)


async def _insert(connection: AsyncConnection, row: type[Table], rows: Collection[Row[Any]]) -> None:
    """Insert those rows whose key does not exist."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table_of(row)).on_conflict_do_nothing()
    for part in _parts([dict(each._mapping) for each in rows]):
        await connection.execute(statement, part)


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _MOST_TOGETHER):
        yield items[start : start + _MOST_TOGETHER]
