"""Several answers to the same question, in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, false, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.turn import AnswerVersion as CoreVersion
from bot.conversation.turn import Turn as CoreTurn
from bot.engine.interface import FinishReason, Outcome
from bot.errors import DatabaseOutageError
from bot.storage.journal import Journal
from bot.storage.rows import all_rows, answer_of, erase_summaries, first_row, insert_once
from bot.storage.tables import AcceptedQuestion, AnswerVersion, Turn

_CONTENT = ("answer", "answer_ids", "tokenizer", "outcome")


class DatabaseAnswerVersions:
    """Implements `bot.conversation.store.AnswerVersionStore`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def versions(self, turn_id: int) -> Sequence[CoreVersion]:
        """All answers of a turn; see `AnswerVersionStore`."""
        if self._journal.outage is not None:
            raise DatabaseOutageError(self._journal.outage)

        async def query(connection: AsyncConnection) -> Sequence[CoreVersion]:
            shown = await first_row(connection, _shown(turn_id))
            if shown is None:
                return []
            others = await all_rows(
                connection,
                select(AnswerVersion.__table__).where(AnswerVersion.turn_id == turn_id).order_by(AnswerVersion.number),
            )
            return [_version(row) for row in others] or [_version(shown)]

        return await self._journal.read(query)

    async def add_version(self, turn: CoreTurn, outcome: Outcome) -> None:
        """Store a turn's new answer beside the others; see `AnswerVersionStore`."""
        new = _content(turn, outcome)

        async def change(connection: AsyncConnection) -> None:
            shown = await first_row(connection, _shown(turn.id))
            if shown is not None:  # else it was erased meanwhile
                await erase_summaries(connection, [turn.id])
                # The first answer is in the turn alone until there is a second.
                await _insert(connection, turn.id, shown.number, {name: getattr(shown, name) for name in _CONTENT})
                await _insert(connection, turn.id, turn.version, new)
                await connection.execute(update(Turn).where(Turn.id == turn.id).values(version=turn.version, **new))
            await _end(connection, turn.id, outcome, new["answer"])

        await self._journal.write(change)

    async def continue_answer(self, turn: CoreTurn, outcome: Outcome) -> None:
        """Store that a turn's shown answer has grown; see `AnswerVersionStore`."""
        longer = _content(turn, outcome)

        async def change(connection: AsyncConnection) -> None:
            await erase_summaries(connection, [turn.id])
            await connection.execute(update(Turn).where(Turn.id == turn.id, Turn.erased == false()).values(**longer))
            is_continued = AnswerVersion.turn_id == turn.id, AnswerVersion.number == turn.version
            await connection.execute(update(AnswerVersion).where(*is_continued).values(**longer))
            await _end(connection, turn.id, outcome, longer["answer"])

        await self._journal.write(change)

    async def show_version(self, turn_id: int, number: int) -> None:
        """Store which version of an answer is shown; see `AnswerVersionStore`."""
        columns = [getattr(AnswerVersion, name) for name in _CONTENT]
        chosen = select(*columns).where(AnswerVersion.turn_id == turn_id, AnswerVersion.number == number)

        async def change(connection: AsyncConnection) -> None:
            row = await first_row(connection, chosen)
            if row is not None:  # else it was erased meanwhile
                values = {name: getattr(row, name) for name in _CONTENT}
                await erase_summaries(connection, [turn_id])
                await connection.execute(update(Turn).where(Turn.id == turn_id).values(version=number, **values))

        await self._journal.write(change)


def _shown(turn_id: int) -> Select[Any]:
    """The shown answer of a turn that is not erased, as a version."""
    columns = [getattr(Turn, name) for name in _CONTENT]
    return select(Turn.version.label("number"), *columns).where(Turn.id == turn_id, Turn.erased == false())


def _version(row: Any) -> CoreVersion:
    return CoreVersion(row.number, answer_of(row), FinishReason(row.outcome or FinishReason.STOP))


def _content(turn: CoreTurn, outcome: Outcome) -> dict[str, Any]:
    assert turn.answer is not None  # it was answered just now
    answer = turn.answer
    return {
        "answer": answer.content,
        "answer_ids": answer.ids,
        "tokenizer": answer.tokenizer,
        "outcome": outcome.reason,
    }


async def _insert(connection: AsyncConnection, turn_id: int, number: int, content: dict[str, Any]) -> None:
    await insert_once(connection, AnswerVersion, {"turn_id": turn_id, "number": number, **content})


async def _end(connection: AsyncConnection, question_id: int, outcome: Outcome, answer: str) -> None:
    """Note what is to be delivered."""
    await connection.execute(
        update(AcceptedQuestion)
        .where(AcceptedQuestion.message_id == question_id)
        .values(outcome=outcome.reason, detail=outcome.detail, answer=answer)
    )
