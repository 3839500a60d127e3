"""Several answers to the same question: memory and the store agree on the one that is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.conversation.open_conversations import OpenConversations
from bot.conversation.store import ConversationStore
from bot.conversation.tree import Continuation, OpenConversation
from bot.conversation.turn import AnswerVersion, Question, Turn
from bot.engine.interface import Outcome


class NothingToReviseError(Exception):
    """The question was deleted or forgotten, or there is no answer to it."""


@dataclass(frozen=True, slots=True)
class Revision:
    """An answered question whose answer is generated again, or goes on.

    Attributes:
        opened: its conversation with the branch that it continued, without its own turn.
        turn: as it was when the revision began.
        versions: all answers so far, the first one first.
    """

    opened: OpenConversation
    turn: Turn
    versions: tuple[AnswerVersion, ...]

    @property
    def shown(self) -> AnswerVersion:
        """The version that is shown and remembered."""
        return next(version for version in self.versions if version.number == self.turn.version)

    @property
    def next_number(self) -> int:
        """The number of another version."""
        return self.versions[-1].number + 1


class AnswerVersions:
    """Revises the answers of remembered turns. Nothing becomes the tip of its conversation by that.

    All its reads raise `DatabaseOutageError`, also while writes wait: a version that is not known could be lost.

    Args:
        store: keeps all versions for good.
        memory: the conversations in memory.
        changed: is told which turn has another answer now.
    """

    def __init__(self, store: ConversationStore, memory: OpenConversations, changed: Callable[[int], None]) -> None:
        self._store = store
        self._memory = memory
        self._changed = changed

    async def of(self, turn_id: int) -> tuple[AnswerVersion, ...]:
        """All answers of a turn, the first one first; none if it is erased."""
        return tuple(await self._store.versions(turn_id))

    async def messages_of(self, turn_id: int) -> list[int]:
        """The messages that show a turn's answer, in their order."""
        return sorted(await self._store.replies([turn_id]))

    async def begin(self, question: Question) -> Revision:
        """Open the conversation of a question that has an answer, and keep it in memory until `end`.

        Raises:
            NothingToReviseError: nothing of the question or its answers is left.
        """
        versions = await self.of(question.id)
        conversation = await self._memory.conversation(question.key)
        continuation = Continuation()
        conversation.continuations.append(continuation)
        try:
            opened = await self._memory.open_at(conversation, question.id, conversation.resets)
            turn = conversation.turns.get(question.id)
            if turn is None or turn.asked is None or not versions:
                raise NothingToReviseError(f"nothing is left of question {question.id}")
        except BaseException:  # a cancelled revision does not reach `end` either
            conversation.continuations.remove(continuation)
            raise
        opened = replace(opened, branch=opened.branch[:-1], continuation=continuation)
        return Revision(opened, turn, versions)

    async def end(self, revision: Revision, outcome: Outcome | None, version: AnswerVersion | None) -> None:
        """Remember how a revision ended.

        Args:
            revision: what `begin` returned.
            outcome: None if it will be done again after a restart.
            version: the new or the longer answer; None if everything stays as it was.
        """
        revision.opened.conversation.continuations.remove(revision.opened.continuation)
        if outcome is None:
            return
        if version is None:
            await self._store.remember(revision.turn.id, outcome, None, as_tip=False, past_known=True)
            return
        self._remember(revision.turn.id, version)
        turn = replace(revision.turn, answer=version.answer, version=version.number)
        if version.number == revision.turn.version:
            await self._store.continue_answer(turn, outcome)
        else:
            await self._store.add_version(turn, outcome)

    async def show(self, turn_id: int, number: int) -> AnswerVersion | None:
        """Remember another version from now on, and return it; None if there is none of this number."""
        version = next((each for each in await self.of(turn_id) if each.number == number), None)
        if version is not None:
            self._remember(turn_id, version)
            await self._store.show_version(turn_id, number)
        return version

    def _remember(self, turn_id: int, version: AnswerVersion) -> None:
        for conversation in self._memory.all():  # a thread holds the turn that it was started from
            turn = conversation.turns.get(turn_id)
            if turn is not None and turn.asked is not None:
                conversation.put(replace(turn, answer=version.answer, version=version.number))
                conversation.cached_by = None
        self._changed(turn_id)
