"""The rows that edits and deletions of messages change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Update, delete, false, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.changes import Contents, NewContent
from bot.storage.accepted_targets import erase_targets, targets_among
from bot.storage.past_erasures import next_erasure_id, record_erasure
from bot.storage.rows import all_rows, erase_quotes, erase_summaries, erase_turns
from bot.storage.tables import AcceptedQuestion, Quote, Reply, Turn


@dataclass(frozen=True, slots=True)
class Lookup:
    """What changes of messages change.

    Attributes:
        concerned: the messages whose change is one of a row, each with itself and the question that it answered.
        messages: the same messages, and the edited ones that no row holds.
        questions: those that deleted messages answered.
    """

    concerned: Mapping[int, Collection[int]]
    messages: Collection[int]
    questions: Collection[int]


async def look_up(connection: AsyncConnection, contents: Contents) -> Lookup:
    """Find out what changes of messages change."""
    deleted, edits = _divide(contents)
    concerned: dict[int, set[int]] = defaultdict(set)
    updates, held = await _outdated(connection, edits)
    for update_of in updates:
        concerned[update_of.message_id].add(update_of.message_id)
    questions: set[int] = set()
    if deleted:
        queries = (
            select(Turn.id, Turn.id).where(Turn.id.in_(deleted), Turn.erased == false()),
            select(Quote.message_id, Quote.message_id).where(Quote.message_id.in_(deleted)),
            select(Reply.message_id, Reply.question_id).where(Reply.message_id.in_(deleted)),
            select(AcceptedQuestion.message_id, AcceptedQuestion.message_id).where(
                AcceptedQuestion.message_id.in_(deleted)
            ),
        )
        for row in await all_rows(connection, union_all(*queries)):
            concerned[row[0]].update(row)
            questions.update(set(row) - {row[0]})
        for message_id in await targets_among(connection, deleted):
            concerned[message_id].add(message_id)
    return Lookup(concerned, (edits.keys() - held) | concerned.keys(), questions)


async def change_messages(connection: AsyncConnection, contents: Contents) -> None:
    """Edit or erase the turns of messages, and quotes of them; record what that concerns."""
    concerned = {each for known in (await look_up(connection, contents)).concerned.values() for each in known}
    if concerned:
        await record_erasure(connection, next_erasure_id(), message_ids=concerned)
    deleted, edits = _divide(contents)
    updates, _ = await _outdated(connection, edits)
    await erase_summaries(connection, {each.turn_id for each in updates})
    for each in updates:
        await connection.execute(each.statement)
    if deleted:
        await erase_messages(connection, deleted)


@dataclass(frozen=True, slots=True)
class _Update:
    """What an edit of a message changes in a turn or a quote."""

    message_id: int
    turn_id: int
    statement: Update


async def _outdated(connection: AsyncConnection, edits: Mapping[int, NewContent]) -> tuple[list[_Update], set[int]]:
    """The turns that do not say yet what edited messages say, and the messages that any turn holds."""
    updates: list[_Update] = []
    held: set[int] = set()
    if not edits:
        return updates, held
    asked = select(Turn.id, Turn.text, Turn.files).where(Turn.id.in_(edits), Turn.erased == false())
    for row in await all_rows(connection, asked):
        held.add(row.id)
        new = edits[row.id]
        files = [file for file in row.files if file["id"] in new.file_ids]
        if (row.text, row.files) != (new.text, files):
            statement = update(Turn).where(Turn.id == row.id).values(text=new.text, files=files)
            updates.append(_Update(row.id, row.id, statement))
    for row in await all_rows(connection, select(Quote.__table__).where(Quote.message_id.in_(edits))):
        held.add(row.message_id)
        new = edits[row.message_id]
        files = [file for file in row.files if file["id"] in new.file_ids]
        if (row.text, row.files) != (new.text, files):
            is_quote = Quote.turn_id == row.turn_id, Quote.position == row.position
            statement = update(Quote).where(*is_quote).values(text=new.text, files=files)
            updates.append(_Update(row.message_id, row.turn_id, statement))
    return updates, held


async def erase_messages(connection: AsyncConnection, message_ids: Collection[int]) -> None:
    """Erase the turns of messages, those that they answer, and quotes of them."""
    answered = select(Reply.question_id).where(Reply.message_id.in_(message_ids))
    turn_ids = {*message_ids, *(row.question_id for row in await all_rows(connection, answered))}
    await erase_turns(connection, turn_ids)
    await erase_quotes(connection, Quote.message_id.in_(message_ids))
    await connection.execute(delete(Reply).where(Reply.message_id.in_(message_ids)))
    await erase_targets(connection, message_ids)


def _divide(contents: Contents) -> tuple[list[int], dict[int, NewContent]]:
    """The deleted messages, and the new contents of the others."""
    deleted = [message_id for message_id, content in contents.items() if content is None]
    return deleted, {message_id: content for message_id, content in contents.items() if content is not None}
