"""Real conversations over a real file, for synchronous tests."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.conversation.changes import TurnChange
from bot.conversation.tree import OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn
from bot.errors import ConfigurationError
from bot.prompting.prompt import Message
from bot.storage.rows import all_rows, table_of
from bot.storage.tables import AcceptedQuestion
from bot.storage.tables import Turn as TurnRow
from bot.storage.work_store import DatabaseWorkStore
from tests.conversation.memory import DONE, Memory, open_memory

Result = TypeVar("Result")


class Asking:
    """A question that is being answered, as `Answer` keeps it."""

    def __init__(self, opened: OpenConversation, question: Question) -> None:
        self.opened = opened
        self.question = question
        self.taken_back = False

    def follow(self, change: TurnChange) -> None:
        question = self.question
        turn = change(Turn(question.id, question.key, None, question.id, 0, question.asked, Message("assistant", "")))
        if turn.asked is None:
            self.taken_back = True
        else:
            self.question = replace(question, asked=turn.asked)

    def turn(self, answer: str, hidden: int) -> Turn | None:
        """The turn to remember."""
        if self.taken_back:
            return None
        branch = self.opened.branch
        # Counted among the turns that are left, because retention may have deleted the erased ones or not.
        left = [index for index, turn in enumerate(branch) if turn.asked is not None]
        start = 0 if hidden == 0 else (left[hidden:] or [len(branch)])[0]
        return self.opened.turn(self.question, branch[start:], Message("assistant", answer))


class RememberingBot:
    """The part of the bot that remembers.

    Args:
        most_open: how many conversations stay in memory.
    """

    def __init__(self, most_open: int) -> None:
        self._most_open = most_open
        self._loop = asyncio.new_event_loop()
        self._folder = tempfile.TemporaryDirectory()
        self._closing = AsyncExitStack()
        self._lock = ExitStack()
        self.asking: dict[int, Asking] = {}
        self.locked = False
        self.open_file()

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end."""
        return self._loop.run_until_complete(asyncio.wait_for(work, 10))

    def close(self) -> None:
        self.unlock()
        self.do(self._closing.aclose())
        self._loop.close()
        self._folder.cleanup()

    # ------------------------------------------------------------ starts and outages

    def open_file(self) -> None:
        """Start in a new process. The old one still has the file open, and may be removing deleted text from it."""
        self.memory = self.do(self._open_unlocked_file())
        self.work = DatabaseWorkStore(self.memory.journal)
        self.open_conversations()

    def open_conversations(self) -> None:
        """Start with an empty memory."""
        self.conversations = self.memory.conversations(most_open=self._most_open)
        self.conversations.listen(self._follow)
        self.asking = {}

    def lock(self) -> None:
        """Lock the file from elsewhere, so that it is read-only."""
        self._lock.enter_context(self.memory.locked())
        self.locked = True

    def unlock(self) -> None:
        """Unlock the file, and wait until the journal is empty."""
        self._lock.close()
        self.locked = False
        self.do(self._until_written())

    # ------------------------------------------------------------ answers

    def begin(self, question: Question) -> Sequence[Turn]:
        """Accept a question; return its branch."""
        self.do(self.work.accept(question.id, question.key, question.asked.author_id))
        opened = self.do(self.conversations.begin(question))
        self.asking[question.id] = Asking(opened, question)
        return opened.branch

    def reply(self, question_id: int, reply_id: int, position: int) -> None:
        """Send a message of the reply."""
        self.conversations.replied(question_id, reply_id)
        self.do(self.work.replied(question_id, position, reply_id))

    def end(self, question_id: int, answer: str | None, *, hidden: int = 0, is_delivered: bool = True) -> None:
        """End a question. The oldest turns were hidden from the model; None means no answer."""
        asking = self.asking.pop(question_id)
        turn = None if answer is None else asking.turn(answer, hidden)
        self.do(self.conversations.end(asking.opened, asking.question, DONE, turn))
        if is_delivered:
            self.do(self.work.delivered(question_id))

    # ------------------------------------------------------------ memory

    def branch(self, key: ConversationKey) -> Sequence[Turn]:
        """The branch that the next question continues."""
        return self.do(self.conversations.peek(key)).branch

    def held(self, key: ConversationKey) -> str:
        """Everything in memory of a conversation, including what no branch shows."""
        conversation = self.conversations.find(key)
        return "" if conversation is None else repr(conversation.turns)

    def stored(self) -> str:
        """All texts in the file."""

        async def read(connection: AsyncConnection) -> str:
            return repr([await all_rows(connection, select(table_of(each))) for each in (TurnRow, AcceptedQuestion)])

        return self.do(self.memory.journal.read(read))

    def _follow(self, change: TurnChange) -> bool:
        for asking in self.asking.values():
            asking.follow(change)
        return True

    async def _open_unlocked_file(self) -> Memory:
        while True:
            try:
                return await self._closing.enter_async_context(open_memory(Path(self._folder.name)))
            except ConfigurationError:
                await asyncio.sleep(0.02)

    async def _until_written(self) -> None:
        while self.memory.store.behind:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)
