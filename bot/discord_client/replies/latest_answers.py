"""Knows the latest answer of each conversation, which alone has buttons."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

import discord

from bot.answering.answer import Answer
from bot.conversation.changes import MessageChanges, TurnChange
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Turn, UserMessage
from bot.discord_client.incoming.asked_interaction import Asked, AskedInteraction
from bot.discord_client.replies.answer_buttons import AnswerButtons
from bot.discord_client.replies.button_edits import ButtonEdits
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.shown_answer import ShownAnswer
from bot.engine.interface import FinishReason
from bot.errors import DatabaseOutageError
from bot.prompting.prompt import Message

_MOST = 1_000


@dataclass(slots=True)
class LatestAnswer:
    """The latest answer of a conversation.

    Attributes:
        asked: the question with its edits.
        editor: shows it, or did last.
        buttons: what is below it.
    """

    asked: UserMessage
    editor: ReplyEditor
    buttons: AnswerButtons


class LatestAnswers:
    """Offers buttons below the latest answer of each conversation, and removes them from the one before.

    Args:
        client: the connected client.
        conversations: know which answer is the latest.
        edits: change the buttons of finished answers.
    """

    def __init__(self, client: discord.Client, conversations: Conversations, edits: ButtonEdits) -> None:
        self._client = client
        self._conversations = conversations
        self._edits = edits
        self._by_key: OrderedDict[ConversationKey, LatestAnswer] = OrderedDict()
        self._key_of: dict[int, ConversationKey] = {}  # by question
        conversations.listen(self._follow)

    def of(self, question_id: int) -> LatestAnswer | None:
        """The answer to a question, if it is the latest one, and was shown since the start."""
        key = self._key_of.get(question_id)
        return None if key is None else self._by_key[key]

    def answered(self, answer: Answer, asked: Asked, editor: ReplyEditor) -> AnswerButtons | None:
        """Note that the first answer to a question has ended; return its buttons, None for none."""
        conversation = self._conversations.find(answer.question.key)
        turn = conversation.turns.get(answer.question.id) if conversation is not None else None
        if turn is None or answer.outcome is None or not _takes_buttons(asked):
            return None
        buttons = _buttons(turn, answer.outcome.reason, 1, is_outdated=answer.is_outdated)
        return self._offer(turn, buttons, editor)

    def shows(self, shown: ShownAnswer, editor: ReplyEditor) -> AnswerButtons | None:
        """Note that an editor is about to show a version of an answer; return its buttons, None for none."""
        turn = replace(shown.turn, answer=shown.version.answer, version=shown.version.number)
        buttons = _buttons(turn, shown.version.reason, shown.versions, is_outdated=shown.is_outdated)
        return self._offer(turn, buttons, editor)

    async def found(self, asked: Asked, editor: ReplyEditor) -> AnswerButtons | None:
        """The buttons of an answer that was generated before a restart."""
        try:
            turn = await self._conversations.turn(asked.id)
            if turn is None or turn.asked is None or not _takes_buttons(asked):
                return None
            await self._conversations.tip_of(turn.key)
            versions = await self._conversations.versions.of(turn.id)
        except DatabaseOutageError:
            return None
        reason = next((version.reason for version in versions if version.number == turn.version), None)
        if reason is None:
            return None
        return self._offer(turn, _buttons(turn, reason, len(versions)), editor)

    async def question_edited(self, turn: Turn) -> None:
        """Offer to answer an edited question again, if its answer is the latest one and from before a restart."""
        if turn.id in self._key_of or await self._conversations.tip_of(turn.key) != turn.id:
            return
        versions = await self._conversations.versions.of(turn.id)
        reason = next((version.reason for version in versions if version.number == turn.version), None)
        if reason is not None:
            buttons = _buttons(turn, reason, len(versions), is_outdated=True)
            self._edits.begin(turn.id, partial(self._stored_message, turn), lambda: buttons)

    def forget(self, question_id: int) -> None:
        """Offer nothing more for an answer; what Discord shows stays."""
        if (key := self._key_of.pop(question_id, None)) is not None:
            del self._by_key[key]

    def close(self) -> None:
        """Give up the changes of buttons that are not done yet."""
        self._edits.close()

    def _offer(self, turn: Turn, buttons: AnswerButtons, editor: ReplyEditor) -> AnswerButtons | None:
        conversation = self._conversations.find(turn.key)
        if conversation is None or conversation.tip_id != turn.id:
            return None  # another answer is the latest by now
        asked = conversation.turns.get(turn.id, turn).asked
        if asked is None:
            return None
        before = self._by_key.pop(turn.key, None)
        if before is not None:
            del self._key_of[before.buttons.question_id]
            if before.buttons.question_id != turn.id:
                self._change_buttons(before)
        elif (parent := conversation.turns.get(turn.parent_id or 0)) is not None and parent.key == turn.key:
            self._edits.begin(parent.id, partial(self._stored_message, parent), lambda: None)  # from before a restart
        self._by_key[turn.key], self._key_of[turn.id] = LatestAnswer(asked, editor, buttons), turn.key
        if len(self._by_key) > _MOST:
            _, oldest = self._by_key.popitem(last=False)
            del self._key_of[oldest.buttons.question_id]
        return buttons

    def _follow(self, change: TurnChange) -> bool:
        """Offer to answer an edited question again, and nothing for what is erased."""
        messages = change.message_ids if isinstance(change, MessageChanges) else None
        for question_id, key in list(self._key_of.items()):
            latest = self._by_key[key]
            if isinstance(change, MessageChanges) and not change.concern(question_id, latest.asked):
                continue
            turn = change(Turn(question_id, key, None, question_id, 0, latest.asked, Message("assistant", "")))
            if turn.asked is None:
                self.forget(question_id)
                if not _is_deleted(latest, messages or ()):
                    self._change_buttons(latest)
            elif turn.asked != latest.asked:
                latest.asked = turn.asked
                if messages is not None:
                    latest.buttons = replace(latest.buttons, is_outdated=True)
                    self._change_buttons(latest)
        return False

    def _change_buttons(self, latest: LatestAnswer) -> None:
        question_id = latest.buttons.question_id

        async def last_message() -> discord.PartialMessage | None:
            shown = latest.editor.messages
            return discord.PartialMessage(channel=shown[-1].channel, id=shown[-1].id) if shown else None

        def wanted() -> AnswerButtons | None:
            current = self.of(question_id)
            return None if current is None else current.buttons

        self._edits.begin(question_id, last_message, wanted)

    async def _stored_message(self, turn: Turn) -> discord.PartialMessage | None:
        """The last message of an answer that was shown before a restart."""
        try:
            message_ids = await self._conversations.versions.messages_of(turn.id)
        except DatabaseOutageError:
            return None
        if not message_ids:
            return None
        # discord.py does not know direct messages after a start, nor archived threads.
        return self._client.get_partial_messageable(turn.key.channel_id).get_partial_message(message_ids[-1])


def _buttons(turn: Turn, reason: FinishReason, versions: int, *, is_outdated: bool = False) -> AnswerButtons:
    continues = reason is FinishReason.LENGTH and turn.answer is not None and turn.answer.ids is not None
    return AnswerButtons(turn.id, turn.version, versions, continues, is_outdated)


def _takes_buttons(asked: Asked) -> bool:
    """Whether the bot can change the answer at any time, not only while an interaction's token lives."""
    return not isinstance(asked, AskedInteraction) or asked.is_open


def _is_deleted(latest: LatestAnswer, message_ids: Collection[int]) -> bool:
    shown = latest.editor.messages
    return bool(shown) and shown[-1].id in message_ids
