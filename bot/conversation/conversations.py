"""What was said, kept in memory as long as it is used and in the store for good."""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from bot.conversation.changes import TurnChange, edited, emptied, erased, without_older, without_person
from bot.conversation.personas import Personas
from bot.conversation.store import ConversationStore, ForgottenCount
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn
from bot.engine.interface import Outcome
from bot.errors import DatabaseOutageError

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

# What is not here is read from the store in a few milliseconds.
_MOST_OPEN = 256
_MOST_TURNS = 256
_MOST_REPLIES = 10_000


class Conversations:
    """All conversations.

    Args:
        store: keeps them for good.
        system_prompt: what the model is told where no persona is set.
        scopes_of: the scopes whose personas hold in a channel, the nearest first, such as a thread, its channel, and
            the server.
        most_open: how many are kept in memory.

    Attributes:
        personas: what the model is told before them.
    """

    def __init__(
        self,
        store: ConversationStore,
        system_prompt: str,
        scopes_of: Callable[[int], Sequence[int]] = lambda channel_id: (channel_id,),
        most_open: int = _MOST_OPEN,
    ) -> None:
        self._store = store
        self.personas = Personas(store, system_prompt, scopes_of)
        self._most_open = most_open
        self._open: OrderedDict[ConversationKey, Conversation] = OrderedDict()
        self._recent_loaded = False
        self._turns_by_reply: OrderedDict[int, int] = OrderedDict()
        self._answered_meanwhile: dict[int, set[int]] = {}  # for each change that the store is being told of
        self._unkept: list[TurnChange] = []  # what the store has not done yet to the turns that are read from it
        self._listeners: list[Callable[[TurnChange], None]] = []
        self._changes = 0  # of what was kept already: whatever was read meanwhile has to be read again

    def listen(self, listener: Callable[[TurnChange], None]) -> None:
        """Be told of every change of turns, for questions that are not turns yet."""
        self._listeners.append(listener)

    async def begin(self, question: Question) -> OpenConversation:
        """Open a question's conversation, and keep it in memory until `end`."""
        conversation = await self._conversation(question.key)
        conversation.answering += 1
        self._open.move_to_end(question.key)
        try:
            while True:
                resets = conversation.resets
                tip_id = await self._continued(conversation, question.reply_to)
                opened = await self._opened(conversation, tip_id, resets)
                if resets == conversation.resets:
                    return opened
        except BaseException:
            conversation.answering -= 1
            raise

    async def end(
        self, opened: OpenConversation, question: Question, outcome: Outcome | None, turn: Turn | None
    ) -> None:
        """Keep how a question ended.

        Args:
            opened: what `begin` returned.
            question: the question.
            outcome: how it ended; None if it is to be answered anew.
            turn: the question and its answer; None if there is no answer.
        """
        conversation = opened.conversation
        conversation.answering -= 1
        as_tip = turn is not None and conversation.resets == opened.resets
        if turn is not None:
            conversation.turns[turn.id] = turn
            for meanwhile in self._answered_meanwhile.values():
                meanwhile.add(turn.id)
            if as_tip:
                conversation.tip_id = turn.id
            self._leave_out_old_turns(conversation)
        if outcome is not None:
            await self._store.remember(question.id, outcome, turn, as_tip=as_tip, past_known=conversation.past_known)

    async def peek(self, key: ConversationKey) -> OpenConversation:
        """How a conversation stands now, before the next question."""
        conversation = await self._conversation(key, to_stay=False)
        return await self._opened(conversation, await self._continued(conversation, None), conversation.resets)

    async def recent(self, count: int) -> list[Conversation]:
        """The conversations used last, the latest first."""
        if not self._recent_loaded:
            with suppress(DatabaseOutageError):
                used = await self._store.recent(count)
                self._recent_loaded = True
                for key in used:
                    if key not in self._open:
                        await self._conversation(key)
                        self._open.move_to_end(key, last=False)
        return list(itertools.islice(reversed(self._open.values()), count))

    def find(self, key: ConversationKey) -> Conversation | None:
        """The conversation under this key if it is in memory."""
        return self._open.get(key)

    async def reset(self, key: ConversationKey, at_id: int) -> None:
        """Start a conversation afresh: the next question continues nothing.

        Args:
            key: the conversation.
            at_id: what tells when, such as the id of the interaction that asked for it.
        """
        conversation = await self._conversation(key)
        conversation.tip_id = None
        conversation.resets += 1
        conversation.cached_by = None
        self._changes += 1
        await self._store.reset(key, at_id)

    def replied(self, question_id: int, message_id: int) -> None:
        """A message shows a part of the answer to a question."""
        self._turns_by_reply[message_id] = question_id
        if len(self._turns_by_reply) > _MOST_REPLIES:
            self._turns_by_reply.popitem(last=False)

    def reply_deleted(self, message_id: int) -> None:
        """The bot took back a message that showed a part of an answer, which now stands elsewhere."""
        self._turns_by_reply.pop(message_id, None)

    def question_of(self, message_id: int) -> int:
        """The question that a message answers as far as that is in memory, otherwise the message itself."""
        return self._turns_by_reply.get(message_id, message_id)

    async def knows(self, message_id: int) -> bool:
        """Whether a message asked or answered something that is remembered."""
        return await self._turn_of(message_id) is not None

    async def edit(self, message_id: int, text: str, file_ids: Collection[int]) -> None:
        """Change a question, or a quote, to what its message says now.

        Args:
            message_id: the message.
            text: its new text.
            file_ids: the attachments that it still has.
        """
        await self._apply(
            lambda turn: edited(turn, message_id, text, file_ids), self._store.edit(message_id, text, file_ids)
        )

    async def erase(self, message_ids: Collection[int]) -> None:
        """Forget the turns that these messages asked or answered, and what was quoted from them."""
        # A question whose answer is on its way is known by its replies only.
        turn_ids = {self.question_of(message_id) for message_id in message_ids}
        turn_ids |= {turn_id for message_id in message_ids if (turn_id := await self._turn_of(message_id))}
        await self._apply(
            lambda turn: emptied(turn) if turn.id in turn_ids else erased(turn, message_ids),
            self._store.erase(message_ids),
        )

    async def erase_channel(self, channel_id: int) -> None:
        """Forget everything in a channel."""
        await self._apply(
            lambda turn: emptied(turn) if turn.key.channel_id == channel_id else turn,
            self._store.erase_channel(channel_id),
        )

    async def forget(self, person_id: int, channel_id: int | None) -> ForgottenCount | None:
        """Forget everything that a person wrote, with the answers.

        Args:
            person_id: the person.
            channel_id: in this channel; None is everywhere.

        Returns:
            how much that was; None if the store will do it later.
        """
        change = partial(without_person, person_id=person_id, channel_id=channel_id)
        return await self._apply(change, self._store.forget(person_id, channel_id))

    async def forget_before(self, message_id: int) -> None:
        """Forget what was asked before a message."""
        await self._apply(partial(without_older, message_id=message_id), self._store.forget_before(message_id))

    async def set_persona(self, scope: int, text: str | None) -> None:
        """Set the system prompt of a scope, or clear it."""
        for conversation in self._open.values():
            if self.personas.holds(scope, conversation.key.channel_id):
                conversation.cached_by = None
        await self.personas.set(scope, text)

    async def _conversation(self, key: ConversationKey, *, to_stay: bool = True) -> Conversation:
        """A conversation, kept in memory if it is to stay there or anything was ever said in it."""
        present = self._open.get(key)
        if present is not None and (present.past_known or present.answering or self._store.behind):
            return present
        read = await self._read(partial(self._head, key))
        conversation = self._open.get(key)
        if conversation is not None and (conversation is not present or not read.past_known):
            return conversation
        if to_stay or read.tip_id is not None:
            self._make_room()
            self._open[key] = read
        return read

    async def _head(self, key: ConversationKey) -> Conversation:
        try:
            head = await self._store.head(key)
        except DatabaseOutageError as error:
            logger.warning("A conversation cannot be read, and begins without its past: %s", error)
            return Conversation(key, past_known=False)
        return Conversation(key, head.tip_id, head.resets) if head else Conversation(key)

    async def _opened(self, conversation: Conversation, tip_id: int | None, resets: int) -> OpenConversation:
        while (missing := conversation.missing(tip_id)) is not None:
            try:
                present = self._in_memory(missing)
                loaded = [present] if present is not None else await self._read_branch(missing)
            except DatabaseOutageError as error:
                logger.warning("The past of a conversation cannot be read: %s", error)
                conversation.past_known = False
                break
            if not loaded:
                break  # retention has taken the rest
            conversation.turns = {turn.id: turn for turn in loaded} | conversation.turns
        system_prompt = await self.personas.system_prompt(conversation.key.channel_id)
        return OpenConversation(conversation, resets, conversation.branch(tip_id), system_prompt)

    async def _continued(self, conversation: Conversation, reply_to: int | None) -> int | None:
        """The turn that a next question continues."""
        replied = None if reply_to is None else await self._turn_of(reply_to)
        if replied is not None or conversation.tip_id is not None:
            return replied or conversation.tip_id
        # A thread has the id of the message that it grew from; that may have asked something.
        return None if conversation.resets else await self._turn_of(conversation.key.channel_id)

    async def _turn_of(self, message_id: int) -> int | None:
        turn = self._in_memory(self.question_of(message_id))
        try:
            if turn is None and (turn_id := await self._store.turn_of(message_id)) is not None:
                turn = next(reversed(await self._read_branch(turn_id)), None)
        except DatabaseOutageError as error:
            logger.warning("It cannot be found out what message %d belongs to: %s", message_id, error)
        return None if turn is None or turn.asked is None else turn.id

    def _in_memory(self, turn_id: int) -> Turn | None:
        return next((each.turns[turn_id] for each in self._open.values() if turn_id in each.turns), None)

    async def _read_branch(self, tip_id: int) -> list[Turn]:
        """A branch from the store, as it will be when the store has caught up."""
        if not self._store.behind:
            self._unkept.clear()
        branch = list(await self._read(partial(self._store.branch, tip_id)))
        for change in self._unkept:
            branch = [change(turn) for turn in branch]
        return branch

    async def _read(self, read: Callable[[], Awaitable[Result]]) -> Result:
        while True:
            changes = self._changes
            result = await read()
            if changes == self._changes:
                return result

    async def _apply(self, change: TurnChange, kept: Awaitable[Result]) -> Result:
        meanwhile: set[int] = set()
        self._answered_meanwhile[id(meanwhile)] = meanwhile
        for listener in self._listeners:
            listener(change)
        try:
            self._change(change)
            result = await kept
            # Once more for what was read just before the store had it, but not for what has been said since.
            again: TurnChange = lambda turn: turn if turn.id in meanwhile else change(turn)  # noqa: E731
            self._change(again)
            if self._store.behind:
                self._unkept.append(again)
        finally:
            del self._answered_meanwhile[id(meanwhile)]
        return result

    def _change(self, change: TurnChange) -> None:
        self._changes += 1
        for conversation in self._open.values():
            for turn in list(conversation.turns.values()):
                changed = change(turn)
                if changed != turn:
                    conversation.turns[turn.id] = changed
                    conversation.cached_by = None

    def _make_room(self) -> None:
        if self._store.behind:
            return  # what is not kept yet is nowhere else
        unused = [key for key, conversation in self._open.items() if not conversation.answering]
        for key in unused[: max(0, len(self._open) + 1 - self._most_open)]:
            del self._open[key]

    def _leave_out_old_turns(self, conversation: Conversation) -> None:
        if len(conversation.turns) > _MOST_TURNS and not self._store.behind:
            conversation.turns = {turn.id: turn for turn in conversation.branch(conversation.tip_id)}
