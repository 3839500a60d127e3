"""Conversations in the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import delete, false, literal, or_, select, union, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from bot.conversation.changes import NewContent
from bot.conversation.store import ConversationHead, ForgottenCount
from bot.conversation.turn import ConversationKey
from bot.conversation.turn import Turn as CoreTurn
from bot.engine.interface import Outcome
from bot.errors import DatabaseOutageError
from bot.storage.answer_versions import DatabaseAnswerVersions
from bot.storage.forgetting import forget_person
from bot.storage.journal import Journal
from bot.storage.message_change_writer import MessageChangeWriter
from bot.storage.past_erasures import next_erasure_id, record_erasure
from bot.storage.retention import forget_before, ids_in_steps
from bot.storage.rows import (
    all_rows,
    erase_channel,
    first_row,
    insert_once,
    is_conversation,
    quote_rows_of,
    quotes_of,
    row_of,
    touch_conversation,
    turn_of,
)
from bot.storage.summary_rows import insert_summary, summaries_beside
from bot.storage.tables import (
    AcceptedQuestion,
    ChannelMode,
    Conversation,
    Persona,
    Quote,
    Reply,
    Turn,
)
from bot.storage.turns_of_member import turns_by

_LOOKUP_PAUSE_SECONDS = 0.1


class DatabaseConversationStore(DatabaseAnswerVersions):
    """Implements `bot.conversation.store.ConversationStore`.

    Args:
        journal: orders the writes.
        lookup_pause_seconds: how long edits and deletions of messages gather before they are looked up together.
    """

    def __init__(self, journal: Journal, lookup_pause_seconds: float = _LOOKUP_PAUSE_SECONDS) -> None:
        super().__init__(journal)
        self._message_changes = MessageChangeWriter(journal, lookup_pause_seconds)

    async def finish(self, time_limit_seconds: float) -> None:
        """Wait until everything is in the journal, at most for the limit."""
        await self._message_changes.finish(time_limit_seconds)

    def before_message_changes(self, report: Callable[[Collection[int], Collection[int]], Awaitable[None]]) -> None:
        """Have edits and deletions of messages reported before they are committed; see `ConversationStore`."""
        self._message_changes.report_to(report)

    @property
    def behind(self) -> bool:
        """Whether a write is not committed yet."""
        return self._journal.behind > 0

    async def head(self, key: ConversationKey) -> ConversationHead | None:
        """The head of a conversation; None if it has no questions yet."""
        query = select(Conversation.tip_id, Conversation.resets).where(*is_conversation(key))
        row = await self._journal.read(lambda connection: first_row(connection, query))
        return None if row is None else ConversationHead(row.tip_id, row.resets)

    async def branch(self, tip_id: int) -> Sequence[CoreTurn]:
        """The turns that the model saw when it answered a turn, and that turn; the oldest first, after summaries."""
        columns = Turn.id, Turn.parent_id, Turn.first_id, Turn.channel_id, Turn.memory_person_id
        tip = select(*columns, false().label("foreign"), literal(0).label("steps"))
        path = tip.where(Turn.id == tip_id).cte("path", recursive=True)
        parent = aliased(Turn)
        path = path.union_all(
            select(
                parent.id,
                parent.parent_id,
                path.c.first_id,
                path.c.channel_id,
                path.c.memory_person_id,
                or_(
                    parent.channel_id != path.c.channel_id,
                    parent.memory_person_id != path.c.memory_person_id,
                ),
                path.c.steps + 1,
            ).where(
                parent.id == path.c.parent_id,
                path.c.id != path.c.first_id,
                # A thread sees one turn of the conversation that it was started from.
                path.c.foreign == false(),
            )
        )
        query = select(Turn.__table__).join(path, path.c.id == Turn.id).order_by(path.c.steps.desc())

        async def read(connection: AsyncConnection) -> Sequence[CoreTurn]:
            rows = await all_rows(connection, query)
            quotes = await quotes_of(connection, [row.id for row in rows])
            turns = [turn_of(row, quotes.get(row.id, ())) for row in rows]
            return [*await summaries_beside(connection, turns), *turns]

        return await self._journal.read(read)

    async def turns_by(self, person_id: int, keys: Collection[ConversationKey]) -> Sequence[CoreTurn]:
        """All that a member asked in these conversations; see `ConversationStore`."""
        return await self._journal.read(partial(turns_by, person_id=person_id, keys=keys))

    async def turn_of(self, message_id: int) -> int | None:
        """The turn that a message belongs to, in any conversation."""
        asked = select(Turn.id).where(Turn.id == message_id, Turn.erased == false())
        answered = (
            select(Turn.id)
            .join(Reply, Reply.question_id == Turn.id)
            .where(Reply.message_id == message_id, Turn.erased == false())
        )
        row = await self._journal.read(lambda connection: first_row(connection, union_all(asked, answered)))
        return None if row is None else int(row[0])

    async def replies(self, question_ids: Collection[int]) -> Mapping[int, int]:
        """The messages that answer these questions, each with its question."""
        query = select(Reply.message_id, Reply.question_id).where(Reply.question_id.in_(question_ids))
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return {row.message_id: row.question_id for row in rows}

    async def recent(self, count: int) -> Sequence[ConversationKey]:
        """The most recently used conversations, the latest first."""
        query = select(Conversation.channel_id, Conversation.person_id).order_by(Conversation.used_id.desc())
        rows = await self._journal.read(lambda connection: all_rows(connection, query.limit(count)))
        return [ConversationKey(row.channel_id, row.person_id) for row in rows]

    async def personas(self, scopes: Sequence[int]) -> Mapping[int, str]:
        """The personas of these scopes, without scopes that have none."""
        query = select(Persona.place_id, Persona.text).where(Persona.place_id.in_(scopes))
        rows = await self._journal.read(lambda connection: all_rows(connection, query))
        return {row.place_id: row.text for row in rows}

    async def remember(
        self, question_id: int, outcome: Outcome, turn: CoreTurn | None, *, as_tip: bool, past_known: bool
    ) -> None:
        """Store how a question ended; see `ConversationStore`."""

        async def change(connection: AsyncConnection) -> None:
            if turn is not None:
                stored = turn if past_known else await _after_stored_past(connection, turn)
                await insert_once(connection, Turn, row_of(stored) | {"outcome": outcome.reason})
                for row in quote_rows_of(stored):
                    await insert_once(connection, Quote, row)
                if as_tip:
                    await touch_conversation(connection, stored.key, question_id)
                    in_conversation = is_conversation(stored.key)
                    await connection.execute(update(Conversation).where(*in_conversation).values(tip_id=stored.id))
            await connection.execute(
                update(AcceptedQuestion)
                .where(AcceptedQuestion.message_id == question_id)
                .values(
                    outcome=outcome.reason,
                    detail=outcome.detail,
                    answer=turn.answer.content if turn and turn.answer else "",
                )
            )

        await self._journal.write(change)

    async def summarize(self, summary: CoreTurn) -> None:
        """Store a summary."""
        await self._journal.write(partial(insert_summary, summary=summary))

    async def edit(self, message_id: int, text: str, file_ids: Collection[int]) -> Collection[int]:
        """Update the question or the quotes that a message is to its new text; see `ConversationStore`."""
        return await self._message_changes.write({message_id: NewContent(text, frozenset(file_ids))})

    async def erase(self, message_ids: Collection[int]) -> Collection[int]:
        """Forget the turns of these messages, and quotes of them; see `ConversationStore`."""
        return await self._message_changes.write(dict.fromkeys(message_ids))

    async def erase_channels(self, channel_ids: Collection[int]) -> None:
        """Forget everything in these channels."""
        for channel_id in await self._with_rows(channel_ids):
            change = partial(_erase_channel, channel_id=channel_id, erasure_id=next_erasure_id())
            await self._journal.write(change, deletes=True)

    async def forget(self, person_id: int, channel_ids: Collection[int] | None) -> ForgottenCount | None:
        """Forget everything that a member wrote, in some channels or everywhere; None if that happens later."""
        forgotten: list[ForgottenCount] = []
        erasure_id = next_erasure_id()

        async def change(connection: AsyncConnection) -> None:
            forgotten[:] = [await forget_person(connection, person_id, channel_ids)]
            await record_erasure(connection, erasure_id, author_id=person_id, channel_ids=channel_ids)

        await self._journal.write(change, deletes=True)
        if not forgotten or self._journal.outage is not None:  # a full disk shows at the commit
            return None
        await self._journal.remove_leftovers()
        return forgotten[0]

    async def forget_before(self, message_id: int) -> None:
        """Forget the turns and quotes that are older than a message."""
        try:
            steps = await self._journal.read(partial(ids_in_steps, before=message_id))
        except DatabaseOutageError:
            steps = []
        for each in (*steps, message_id):
            await self._journal.write(partial(forget_before, message_id=each), deletes=True)
        await self._journal.remove_leftovers()

    async def reset(self, key: ConversationKey, at_id: int) -> None:
        """Start a conversation over: the next question continues nothing."""

        async def change(connection: AsyncConnection) -> None:
            await touch_conversation(connection, key, at_id)
            # Idempotent, as the journal requires: a second time in a row does not count.
            is_open = or_(Conversation.tip_id.is_not(None), Conversation.resets == 0)
            values = {"tip_id": None, "resets": Conversation.resets + 1}
            await connection.execute(update(Conversation).where(*is_conversation(key), is_open).values(**values))

        await self._journal.write(change)

    async def set_persona(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""

        async def change(connection: AsyncConnection) -> None:
            if text is None:
                await connection.execute(delete(Persona).where(Persona.place_id == scope))
            else:
                await insert_once(connection, Persona, {"place_id": scope, "text": text}, update=["text"])

        await self._journal.write(change, deletes=True)

    async def _with_rows(self, channel_ids: Collection[int]) -> Collection[int]:
        """Those of the channels that have rows, or may have some after an outage; most channels have none."""
        columns = *(t.channel_id for t in (Turn, Conversation, AcceptedQuestion, ChannelMode)), Persona.place_id
        query = union(*(select(column).where(column.in_(channel_ids)) for column in columns))
        try:
            rows = await self._journal.read(lambda connection: all_rows(connection, query))
        except DatabaseOutageError:
            return channel_ids
        return channel_ids if self._journal.outage is not None else [row[0] for row in rows]


async def _erase_channel(connection: AsyncConnection, channel_id: int, erasure_id: int) -> None:
    await erase_channel(connection, channel_id)
    await record_erasure(connection, erasure_id, channel_ids=[channel_id])


async def _after_stored_past(connection: AsyncConnection, turn: CoreTurn) -> CoreTurn:
    """The turn with the stored tip as its parent: that could not be read when the turn was answered."""
    query = select(Turn.id, Turn.first_id, Turn.summary_id, Turn.depth)
    if turn.parent_id is not None:
        query = query.where(Turn.id == turn.parent_id)
    else:
        query = query.join(Conversation, Conversation.tip_id == Turn.id).where(*is_conversation(turn.key))
    row = await first_row(connection, query)
    if row is None:
        return turn
    seen = {"first_id": row.first_id, "summary_id": row.summary_id}
    return replace(turn, parent_id=row.id, depth=row.depth + 1, **seen)
