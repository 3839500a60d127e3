"""Conversation memory: recent conversations in memory, all of them in the store."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from bot.conversation.answer_versions import AnswerVersions
from bot.conversation.change_applier import ChangeApplier, Listener
from bot.conversation.changes import NewContent, without_channels, without_older, without_person
from bot.conversation.open_conversations import MOST_OPEN, OpenConversations
from bot.conversation.personas import Personas
from bot.conversation.store import ConversationStore, ForgottenCount
from bot.conversation.summaries import Summaries
from bot.conversation.tree import Continuation, Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, Question, Turn
from bot.engine.interface import Erasure, Outcome
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)


class Conversations:
    """All conversations of the bot.

    A question goes through `begin`, which opens its conversation and returns the branch that it continues, and `end`,
    which remembers the turn that came of it, after those of other members' questions that ended meanwhile. Between the
    two the conversation stays in memory.

    Args:
        store: keeps all conversations for good.
        system_prompt: for channels without a persona.
        scopes_of: the scopes whose personas apply in a channel, the nearest first: a thread, its channel, the guild.
        most_open: how many conversations stay in memory.

    Attributes:
        personas: the system prompts.
        versions: several answers to the same question.
        summaries: stand for what is trimmed.
    """

    def __init__(
        self,
        store: ConversationStore,
        system_prompt: str,
        scopes_of: Callable[[int], Sequence[int]] = lambda channel_id: (channel_id,),
        most_open: int = MOST_OPEN,
    ) -> None:
        self._store = store
        self._changes = ChangeApplier(store, self._in_change)
        self.personas = Personas(store, system_prompt, scopes_of, self._changes.erasures)
        self._memory = OpenConversations(store, self._changes, self.personas, most_open)
        self._recent_loaded = False
        self.versions = AnswerVersions(store, self._memory, self._changes.answer_changed)
        self.summaries = Summaries(store, self._changes, self._memory.find)

    def listen(self, listener: Listener) -> None:
        """Pass every change of turns to a listener, for questions that are not turns yet."""
        self._changes.listen(listener)

    def pass_erasures_to(self, erase: Callable[[Erasure], Awaitable[None]]) -> None:
        """Pass what must leave the engine's caches to their owner, who returns when even a crash cannot undo it."""
        self._changes.erasures.pass_to(erase)

    @property
    def erasures(self) -> int:
        """The number of the latest erasure. Read before a conversation, only later ones concern what that holds."""
        return self._changes.erasures.latest

    async def begin(self, question: Question) -> OpenConversation:
        """Open a question's conversation and keep it in memory until `end`."""
        conversation = await self._memory.conversation(question.key)
        continuation = Continuation()
        conversation.continuations.append(continuation)
        self._memory.used(question.key)
        try:
            while True:
                resets, tip_id = conversation.resets, conversation.tip_id
                replied_id = await self._replied(question.reply_to)
                parent_id = replied_id or await self._parent_of_next(conversation)
                opened = await self._memory.open_at(conversation, parent_id, resets)
                if (resets, tip_id) == (conversation.resets, conversation.tip_id):
                    break
        except BaseException:  # a cancelled question does not reach `end` either
            conversation.continuations.remove(continuation)
            raise
        continuation.was_reset = False
        continuation.past_known = bool(opened.branch) or (parent_id is None and conversation.past_known)
        continuation.sees_past = conversation.past_known
        if replied_id is None:
            continuation.turn_ids.add(opened.parent_id)
        return replace(opened, continuation=continuation)

    async def end(
        self, opened: OpenConversation, question: Question, outcome: Outcome | None, turn: Turn | None
    ) -> None:
        """Remember how a question ended.

        Args:
            opened: what `begin` returned.
            question: the one that `begin` got.
            outcome: None if the question will be answered again after a restart.
            turn: None if there is no answer to remember.
        """
        conversation, continuation = opened.conversation, opened.continuation
        conversation.continuations.remove(continuation)
        as_tip = turn is not None and not continuation.was_reset
        if turn is not None:
            turn = opened.after_others(turn)
            hides_past = not continuation.sees_past or (turn.parent_id is None and not continuation.past_known)
            if as_tip and hides_past:  # else it would look like a trim
                conversation.past_known = False
            conversation.add(turn, as_tip=as_tip)
            self._changes.answered(turn.id)
            self._memory.drop_unused_turns(conversation)
        if outcome is not None:
            past_known = conversation.past_known or continuation.was_reset
            await self._store.remember(question.id, outcome, turn, as_tip=as_tip, past_known=past_known)

    async def peek(self, key: ConversationKey) -> OpenConversation:
        """A conversation as the next question would continue it, without opening it for one."""
        conversation = await self._memory.conversation(key, to_stay=False)
        parent_id = await self._parent_of_next(conversation)
        return await self._memory.open_at(conversation, parent_id, conversation.resets)

    async def turns_by(self, person_id: int, keys: Collection[ConversationKey]) -> tuple[list[Turn], bool]:
        """All that a member asked in conversations, and where these began, in the order of asking.

        Returns:
            turns that are not erased, and whether these are all: without the store, only memory is known.
        """
        found: dict[int, Turn] = {}
        all_known = True
        try:
            found = {turn.id: turn for turn in await self._changes.read_turns_by(person_id, keys)}
        except DatabaseOutageError:
            all_known = False
        for key in keys:
            opened = await self.peek(key)
            all_known = all_known and opened.conversation.past_known
            found |= opened.conversation.turns | {turn.id: turn for turn in opened.branch}
        own = [turn for turn in found.values() if turn.asked is not None and turn.asked.author_id == person_id]
        return sorted(own, key=lambda turn: turn.id), all_known

    async def recent(self, count: int) -> list[Conversation]:
        """The most recently used conversations, the latest first."""
        if not self._recent_loaded:
            with suppress(DatabaseOutageError):
                recent_keys = await self._store.recent(count)
                self._recent_loaded = True
                await self._memory.read(recent_keys)
        return self._memory.latest(count)

    def find(self, key: ConversationKey) -> Conversation | None:
        """A conversation if it is in memory."""
        return self._memory.find(key)

    async def reset(self, key: ConversationKey, at_id: int) -> None:
        """Start a conversation over: the next question continues nothing.

        Args:
            key: whose next question that is.
            at_id: the time of the reset, as a Discord id: usually that of the interaction.
        """
        conversation = await self._memory.conversation(key)
        conversation.start_over()
        self._changes.invalidate_reads()
        await self._store.reset(key, at_id)

    def replied(self, question_id: int, message_id: int) -> None:
        """Note that a message shows part of the answer to a question."""
        self._memory.replied(question_id, message_id)

    def reply_deleted(self, message_id: int) -> None:
        """Note that the bot deleted a message whose part of the answer is in another message now."""
        self._memory.reply_deleted(message_id)
        self._changes.invalidate_reads()

    def question_of(self, message_id: int) -> int:
        """The question that a message answers, if that is in memory; otherwise the message's own id."""
        return self._memory.question_of(message_id)

    async def turn(self, turn_id: int) -> Turn | None:
        """A turn, which may be erased; None if there is none."""
        return self._memory.turn(turn_id) or next(reversed(await self._memory.read_branch(turn_id)), None)

    async def tip_of(self, key: ConversationKey) -> int | None:
        """The latest turn of a conversation; None at the beginning and after a reset."""
        return (await self._memory.conversation(key, to_stay=False)).tip_id

    async def has_turn(self, message_id: int) -> bool:
        """Whether a message asked a turn, even one that is erased since; also said while the store cannot be read."""
        try:
            return self._memory.turn(message_id) is not None or bool(await self._store.branch(message_id))
        except DatabaseOutageError:
            return True

    async def edit(self, message_id: int, text: str, file_ids: Collection[int]) -> None:
        """Update the question or the quotes that a message is to the message's new text.

        Args:
            message_id: of the edited message.
            text: its new text.
            file_ids: the attachments that it still has.
        """
        contents = {message_id: NewContent(text, frozenset(file_ids))}
        await self._changes.apply_to_messages(contents, self._store.edit(message_id, text, file_ids))

    async def erase(self, message_ids: Collection[int]) -> None:
        """Forget the turns that these messages asked or answered, and quotes of these messages."""
        # A question that is being answered is no turn yet; only `question_of` knows the messages of its reply.
        question_ids = {self.question_of(message_id) for message_id in message_ids}
        await self._changes.apply_to_messages(dict.fromkeys(message_ids), self._store.erase(message_ids), question_ids)

    async def erase_channels(self, channel_ids: Collection[int]) -> None:
        """Forget everything in these channels."""
        self.personas.drop(channel_ids)
        change = partial(without_channels, channel_ids=channel_ids)
        erasure = partial(Erasure, channel_ids=frozenset(channel_ids))
        await self._changes.apply(change, erasure, self._store.erase_channels(channel_ids))

    async def forget(self, person_id: int, channel_ids: frozenset[int] | None) -> ForgottenCount | None:
        """Forget everything that a member wrote, with the answers.

        Args:
            person_id: of the member.
            channel_ids: None forgets the member in all channels.

        Returns:
            how much there was; None during an outage, when the store does it later.
        """
        change = partial(without_person, person_id=person_id, channel_ids=channel_ids)
        erasure = partial(Erasure, author_id=person_id, channel_ids=channel_ids)
        return await self._changes.apply(change, erasure, self._store.forget(person_id, channel_ids))

    async def forget_before(self, message_id: int) -> None:
        """Forget the turns and quotes that are older than a message."""
        change, erasure = partial(without_older, message_id=message_id), partial(Erasure, before_id=message_id)
        await self._changes.apply(change, erasure, self._store.forget_before(message_id))

    async def set_persona(self, scope: int, text: str | None) -> None:
        """Set the persona of a scope, or clear it."""
        for conversation in self._memory.all():
            if self.personas.holds(scope, conversation.key.channel_id):
                conversation.cached_by = None
                conversation.revision += 1
        await self.personas.set(scope, text)

    async def _replied(self, reply_to: int | None) -> int | None:
        """The turn that a reply continues; None if there is none."""
        return None if reply_to is None else await self._memory.turn_of(reply_to)

    async def _parent_of_next(self, conversation: Conversation) -> int | None:
        """The turn that the next question continues; None if it begins a branch."""
        if conversation.tip_id is not None:
            return conversation.tip_id
        # A thread has the id of the message that it was started from, which may be a turn.
        return None if conversation.resets else await self._memory.turn_of(conversation.key.channel_id)

    def _in_change(self) -> Iterable[Conversation]:
        return (*self._memory.all(), self.summaries.being_generated)
