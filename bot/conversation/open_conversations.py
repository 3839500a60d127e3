"""The conversations in memory, which are read from the store as soon as somebody needs them."""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterable
from functools import partial

from bot.conversation.change_applier import ChangeApplier
from bot.conversation.personas import Personas
from bot.conversation.store import ConversationStore
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, Turn
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)

# Reading one from the store again takes a few milliseconds.
MOST_OPEN = 256
_MOST_TURNS = 256
_MOST_REPLIES = 10_000


class OpenConversations:
    """Recently used conversations, and the messages that show their answers.

    Args:
        store: keeps all conversations for good.
        changes: make reads begin again that a change overtook.
        personas: the system prompts.
        most_open: how many conversations stay in memory.
    """

    def __init__(self, store: ConversationStore, changes: ChangeApplier, personas: Personas, most_open: int) -> None:
        self._store = store
        self._changes = changes
        self._personas = personas
        self._most_open = most_open
        self._open: OrderedDict[ConversationKey, Conversation] = OrderedDict()  # the latest used last
        self._turns_by_reply: OrderedDict[int, int] = OrderedDict()

    def all(self) -> Collection[Conversation]:
        """Those in memory."""
        return self._open.values()

    def find(self, key: ConversationKey) -> Conversation | None:
        """A conversation if it is in memory."""
        return self._open.get(key)

    def used(self, key: ConversationKey) -> None:
        """Note that a conversation in memory is the latest that was used."""
        self._open.move_to_end(key)

    def latest(self, count: int) -> list[Conversation]:
        """The most recently used ones, the latest first."""
        return list(itertools.islice(reversed(self._open.values()), count))

    async def read(self, keys: Iterable[ConversationKey]) -> None:
        """Read conversations that were used before those in memory, the latest first."""
        for key in keys:
            if key not in self._open:
                await self.conversation(key)
                self._open.move_to_end(key, last=False)

    def replied(self, question_id: int, message_id: int) -> None:
        """Note that a message shows part of the answer to a question."""
        self._turns_by_reply[message_id] = question_id
        if len(self._turns_by_reply) > _MOST_REPLIES:
            self._turns_by_reply.popitem(last=False)

    def reply_deleted(self, message_id: int) -> None:
        """Note that a message shows no answer any more."""
        self._turns_by_reply.pop(message_id, None)

    def question_of(self, message_id: int) -> int:
        """The question that a message answers, if that is in memory; otherwise the message's own id."""
        return self._turns_by_reply.get(message_id, message_id)

    async def conversation(self, key: ConversationKey, *, to_stay: bool = True) -> Conversation:
        """A conversation from memory or the store. It stays in memory if `to_stay`, or if it is not empty."""
        present = self._open.get(key)
        if present is not None:
            await self._find_past(present)
            return self._open.setdefault(key, present)
        read = await self._changes.read(partial(self._load, key))
        if (conversation := self._open.get(key)) is not None:
            return conversation
        if to_stay or read.tip_id is not None:
            self._make_room()
            self._open[key] = read
        return read

    async def _find_past(self, conversation: Conversation) -> None:
        """Read again what an outage hid, as soon as the store has everything that memory has."""
        if conversation.past_known or self._store.behind:
            return
        head = conversation.resets, conversation.tip_id
        read = await self._changes.read(partial(self._load, conversation.key))
        is_unchanged = head == (conversation.resets, conversation.tip_id)
        if read.past_known and is_unchanged and not conversation.past_known:
            conversation.find_past(read)

    async def _load(self, key: ConversationKey) -> Conversation:
        try:
            head = await self._store.head(key)
        except DatabaseOutageError as error:
            logger.warning(
                "Conversation cannot be read, starts without its past channel=%d reason=%s", key.channel_id, error
            )
            return Conversation(key, past_known=False)
        return Conversation(key, head.tip_id, head.resets) if head else Conversation(key)

    async def open_at(self, conversation: Conversation, tip_id: int | None, resets: int) -> OpenConversation:
        """A conversation with the branch that ends at a turn, of which the missing part is read."""
        erasures = self._changes.erasures.latest
        while (missing := conversation.missing(tip_id)) is not None:
            try:
                present = self.turn(missing)
                loaded = [present] if present is not None else await self.read_branch(missing)
            except DatabaseOutageError as error:
                logger.warning(
                    "Conversation's past cannot be read channel=%d reason=%s", conversation.key.channel_id, error
                )
                conversation.past_known = False
                break
            if not loaded:
                break  # retention has deleted the rest
            conversation.load(loaded)
        system = await self._personas.system_prompt(conversation.key.channel_id)
        branch = conversation.branch(tip_id)
        return OpenConversation(conversation, resets, branch, system.text, erasures, system.sources)

    async def read_branch(self, tip_id: int) -> list[Turn]:
        """The stored branch that ends at a turn."""
        branch, replies = await self._changes.read_branch(tip_id)
        # So that deleting one takes its turn out of memory even while the store cannot be read.
        for message_id, question_id in replies.items():
            self.replied(question_id, message_id)
        return branch

    async def turn_of(self, message_id: int) -> int | None:
        """The turn that a message asked or answers; None if there is none that is not erased."""
        turn = self.turn(self.question_of(message_id))
        try:
            if turn is None and (turn_id := await self._store.turn_of(message_id)) is not None:
                turn = next(reversed(await self.read_branch(turn_id)), None)
        except DatabaseOutageError as error:
            logger.warning("Turn of a message cannot be read message_id=%d reason=%s", message_id, error)
        return None if turn is None or turn.asked is None else turn.id

    def turn(self, turn_id: int) -> Turn | None:
        """A turn if it is in memory."""
        conversations = self._open.values()
        return next((found for each in conversations if (found := each.turns.get(turn_id)) is not None), None)

    def _make_room(self) -> None:
        if self._store.behind:
            return  # some of it is nowhere else
        unused = [key for key, conversation in self._open.items() if not conversation.answering]
        for key in unused[: max(0, len(self._open) + 1 - self._most_open)]:
            del self._open[key]

    def drop_unused_turns(self, conversation: Conversation) -> None:
        """Keep no more turns of a conversation than the next question continues, if there are many."""
        if len(conversation.turns) > _MOST_TURNS and not self._store.behind:
            conversation.keep(conversation.branch(conversation.tip_id))
