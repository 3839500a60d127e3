"""A conversation as a tree of turns, and the branch of it that a question continues.

A question normally continues the tip, the latest turn, so most trees are a single branch. A reply to an older answer
starts another:

    1 ── 2 ── 3 ── 4      a question without a reply continues the tip, 5
          └── 5           5 replied to the answer of 2; its branch is 1, 2, 5

Members are answered side by side, so several questions can continue the same tip. Their turns get into the branch in
the order in which their answers end, and the next question sees them all:

    1 ── 2 ── 4 ── 3      3 and 4 were asked after 2; 3 was asked first, and answered last

A summary stands in a branch right after the last turn that it covers. The model sees it only once the turns before it
are trimmed:

    1, 2, S, 3, 4         S covers 1 and 2
    S, 3, 4, 6            what the model saw when it answered 6, after a trim
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from bot.conversation.turn import ConversationKey, Question, Turn
from bot.engine.interface import Source
from bot.prompting.prompt import Message


@dataclass(eq=False, slots=True)
class Continuation:
    """What a question that is being answered continues, and what becomes of that meanwhile.

    Attributes:
        turn_ids: the turn that it continues, None for a beginning, and all turns that came after that one since; empty
            for a reply, whose turn stays where it is.
        past_known: False if an outage hid the turn that it continues.
        sees_past: False if an outage hid what came before that turn.
        was_reset: the conversation has been started over since.
    """

    turn_ids: set[int | None] = field(default_factory=set)
    past_known: bool = True
    sees_past: bool = True
    was_reset: bool = False

    def leads_to(self, tip_id: int) -> bool:
        """Whether the present tip came after what the question continues."""
        return not self.was_reset and (tip_id in self.turn_ids or not self.past_known)


@dataclass(slots=True)
class Conversation:
    """The part of a conversation that is in memory.

    Attributes:
        tip_id: the latest turn, which the next question continues; None at the beginning and after a reset.
        resets: the number of resets.
        past_known: False if an outage hid the stored part, so that there may be older turns.
        turns: recently used turns by id, and summaries. In a thread, they include the turn that the thread was started
            from. Changed by its methods only.
        revision: grows with every change of `turns` and of the persona.
        continuations: of the questions that are being answered; it stays in memory meanwhile.
        cached_by: the engine process whose KV cache holds the branch up to the tip; None if none does.
    """

    key: ConversationKey
    tip_id: int | None = None
    resets: int = 0
    past_known: bool = True
    turns: dict[int, Turn] = field(default_factory=dict)
    continuations: list[Continuation] = field(default_factory=list)
    cached_by: int | None = None
    revision: int = 0
    _mentioned: set[int] = field(default_factory=set, repr=False)

    @property
    def answering(self) -> int:
        """How many of its questions are being answered now."""
        return len(self.continuations)

    def add(self, turn: Turn, *, as_tip: bool) -> None:
        """Add a turn whose answer has ended."""
        self.put(turn)
        for continuation in self.continuations:
            if turn.parent_id in continuation.turn_ids:
                continuation.turn_ids.add(turn.id)
        if as_tip:
            self.tip_id, self.cached_by = turn.id, None

    def start_over(self) -> None:
        """Let the next question continue nothing."""
        self.tip_id, self.cached_by = None, None
        self.resets += 1
        for continuation in self.continuations:
            continuation.was_reset = True

    def find_past(self, read: Conversation) -> None:
        """Take over what the store has of it, all of what is in memory included."""
        self.keep(())
        self.tip_id, self.resets, self.past_known, self.cached_by = read.tip_id, read.resets, True, None

    def put(self, turn: Turn) -> None:
        """Add or replace a turn."""
        self.turns[turn.id] = turn
        self._note((turn,))

    def load(self, turns: Sequence[Turn]) -> None:
        """Add turns from the store before the others, except those that are here."""
        self.turns = {turn.id: turn for turn in turns} | self.turns
        self._note(turns)

    def keep(self, turns: Sequence[Turn]) -> None:
        """Drop all turns but these."""
        self.turns = {turn.id: turn for turn in turns}
        self._mentioned.clear()
        self._note(turns)

    def may_hold(self, message_ids: Collection[int]) -> bool:
        """Whether a turn may be about one of these messages; quick, because it does not look at the turns."""
        return not (self.turns.keys().isdisjoint(message_ids) and self._mentioned.isdisjoint(message_ids))

    def _note(self, turns: Iterable[Turn]) -> None:
        self.revision += 1
        for turn in turns:
            quotes = turn.asked.quotes if turn.asked is not None else ()
            self._mentioned.update(quote.message_id for quote in quotes)
            self._mentioned.update(each for covered in turn.covers for each in (covered.turn_id, covered.message_id))

    def missing(self, tip_id: int | None) -> int | None:
        """The first turn, going back from a tip, that must be loaded for `branch` to be complete; None if none must."""
        turn_id, first_id = tip_id, None
        while turn_id is not None:
            turn = self.turns.get(turn_id)
            if turn is None:
                return turn_id
            first_id = first_id or turn.first_id
            turn_id = None if turn.id == first_id or turn.key != self.key else turn.parent_id
        tip = self.turns.get(tip_id or 0)
        return None if tip is None or tip.key != self.key or tip.summary_id in self.turns else tip.summary_id

    def branch(self, tip_id: int | None) -> tuple[Turn, ...]:
        """The turns that the model saw when it answered a turn, and that turn; the oldest first.

        Their summaries are among them, before the last turn. Turns that are not in memory end it early.
        """
        tip = turn = self.turns.get(tip_id or 0)
        if tip is None:
            return ()
        own = [each for each in self.turns.values() if each.is_summary and each.key == self.key]
        after = {each.parent_id: each for each in own}
        latest_first: list[Turn] = []
        while turn is not None:
            if turn.id in after and turn is not tip:
                latest_first.append(after[turn.id])
            latest_first.append(turn)
            is_first = turn.id == tip.first_id or turn.key != self.key
            turn = None if is_first else self.turns.get(turn.parent_id or 0)
        latest_first += [each for each in own if each.id == tip.summary_id]
        return tuple(reversed(latest_first))


@dataclass(frozen=True, slots=True)
class OpenConversation:
    """A conversation as it was when the engine started on a question.

    Attributes:
        conversation: the live one, which changes on.
        resets: as of then.
        branch: the turns that the question continues, the oldest first, with their summaries.
        system_prompt: the persona or the default.
        erasures: the number of the latest erasure before the branch was read; a later one may concern it.
        system_sources: whose words the system prompt holds, as a persona.
        continuation: what has become of the branch since.
    """

    conversation: Conversation
    resets: int
    branch: tuple[Turn, ...]
    system_prompt: str
    erasures: int = 0
    system_sources: tuple[Source, ...] = ()
    continuation: Continuation = field(default_factory=Continuation)

    @property
    def parent_id(self) -> int | None:
        """The turn that the question continues; None if it begins a branch."""
        return self.branch[-1].id if self.branch else None

    def turn(self, question: Question, seen: Sequence[Turn], answer: Message) -> Turn:
        """Make the question's turn.

        Args:
            question: as memory should keep it.
            seen: the end of `branch` that fitted into the context, perhaps with a summary before it.
            answer: of the model.
        """
        parent = self.branch[-1] if self.branch else None
        first = next((each for each in seen if not each.is_summary), None)
        return Turn(
            id=question.id,
            key=question.key,
            parent_id=self.parent_id,
            first_id=question.id if first is None else first.id,
            depth=parent.depth + 1 if parent is not None and parent.key == question.key else 0,
            asked=question.asked,
            answer=answer,
            summary_id=seen[0].id if seen and seen[0].is_summary else None,
        )

    def after_others(self, turn: Turn) -> Turn:
        """Place the question's turn after those that came to the end of its branch while it was being answered.

        A branch begins where the later of the two views did, so that later questions see no more than either.
        """
        tip = self.conversation.turns.get(self.conversation.tip_id or 0)
        if tip is None or tip.id == turn.parent_id or not self.continuation.leads_to(tip.id):
            return turn
        trimmed = {each.id for each in takewhile(lambda each: each.id != turn.first_id, self.branch)}
        turns = [each for each in self.conversation.branch(tip.id) if not each.is_summary]
        first = next(each for each in turns if each.id not in trimmed)
        summary_id = tip.summary_id if first is turns[0] else turn.summary_id
        return replace(turn, parent_id=tip.id, first_id=first.id, summary_id=summary_id, depth=tip.depth + 1)
