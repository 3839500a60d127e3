"""Shows another version of an answer, or the rest of one, in the messages that show the answer already."""

from __future__ import annotations

import logging
from contextlib import aclosing, suppress
from dataclasses import replace

from discord.ext import commands

from bot.answering.prefill_time import Prefill
from bot.answering.revised_answer import RevisedAnswer
from bot.conversation.conversations import Conversations
from bot.conversation.store import WorkStore
from bot.conversation.turn import AnswerVersion, Task
from bot.discord_client.replies.answer_report import AnswerReport
from bot.discord_client.replies.latest_answers import LatestAnswers
from bot.discord_client.replies.outcome_notes import (
    note_for,
    position_note,
    prefill_note,
    shortened_note,
    suspended_note,
)
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.discord_client.replies.running_replies import RunningReplies, RunningReply
from bot.discord_client.replies.shown_answer import ShownAnswer
from bot.discord_client.replies.thoughts import ShowThinking, shown_thought
from bot.engine.interface import FinishReason, Outcome
from bot.errors import DatabaseOutageError

logger = logging.getLogger(__name__)


class RevisionDelivery:
    """Delivers revised answers. After each the client dispatches the event `answered`, as after a first answer.

    Args:
        client: the connected client.
        editors: make the replies.
        conversations: remember the version that Discord shows.
        latest: knows which answer has buttons.
        work: records what is delivered.
        running_replies: holds an answer until it is delivered.
        show_thinking: how to show what a model thought before its answer.
    """

    def __init__(
        self,
        client: commands.Bot,
        editors: ReplyEditors,
        conversations: Conversations,
        latest: LatestAnswers,
        work: WorkStore,
        running_replies: RunningReplies,
        show_thinking: ShowThinking = "off",
    ) -> None:
        self._client = client
        self._editors = editors
        self._conversations = conversations
        self._latest = latest
        self._work = work
        self._running_replies = running_replies
        self._show_thinking = show_thinking

    async def deliver(self, shown: ShownAnswer, answer: RevisedAnswer) -> None:
        """Run an answer and show it while it grows; until something is generated, the shown version stays.

        Args:
            shown: what Discord shows now.
            answer: has not started yet.
        """
        editor = self._editors.editor(shown.question, shown.sent, header=shown.header)
        editor.on_refused(answer.stop)
        running = self._running_replies.running(shown.turn.id, RunningReply(answer, shown.asker_id))
        with running, AnswerReport(shown.turn.id, editor, answer.figures) as report:
            try:
                await self._grow(answer, editor, shown.text)
                outcome = answer.outcome or Outcome(FinishReason.CANCELLED)
            except Exception:  # the member must not be left waiting
                logger.exception("Answer failed: message_id=%d", shown.turn.id)
                outcome = Outcome(FinishReason.FAILED)
            report.ends(outcome, suspended=answer.suspended)
            if answer.suspended:
                await self._suspend(editor, shown)
            elif answer.version is None:
                await self._finish(editor, shown, _note_without(outcome), outcome)
            else:
                editor.show_thought(shown_thought(answer.thought, self._show_thinking))
                goes_on = answer.question.task is Task.CONTINUE  # so its beginning is as outdated as before
                is_outdated = answer.is_outdated or (goes_on and shown.is_outdated)
                revised = replace(shown, version=answer.version, versions=answer.versions, is_outdated=is_outdated)
                notes = note_for(outcome, answer.text), shortened_note(answer.shortened)
                is_shown = await self._finish(editor, revised, "\n".join(filter(None, notes)), outcome)
                if not (is_shown or editor.is_taken_back):
                    await self._remember_shown(shown)
        self._client.dispatch("answered", shown.question, answer, outcome)

    async def show(self, shown: ShownAnswer) -> None:
        """Show a version that was generated before a restart, and record that it is delivered."""
        editor = self._editors.editor(shown.question, shown.sent, header=shown.header)
        with AnswerReport(shown.turn.id, editor) as report:
            report.ends(Outcome(shown.version.reason))
            await self._conversations.tip_of(shown.turn.key)  # so that it is known to be the latest answer
            await self._show(shown, editor)

    async def turn_to(self, shown: ShownAnswer, version: AnswerVersion) -> None:
        """Show another version of an answer, which memory holds already; if Discord refuses it, memory goes back.

        Args:
            shown: what Discord shows now.
        """
        editor = self._editors.editor(shown.question, shown.sent, header=shown.header)
        if not await self._show(replace(shown, version=version), editor):
            await self._remember_shown(shown)

    async def delete(self, shown: ShownAnswer) -> None:
        """Delete an answer in all its versions, and forget its question."""
        with self._running_replies.delivering():
            self._latest.forget(shown.turn.id)
            editor = self._editors.editor(shown.question, shown.sent)
            await self._editors.take_back([shown.turn.id])
            await editor.finish("")
            logger.info("Deleted: message_id=%d channel=%d", shown.turn.id, shown.turn.key.channel_id)

    async def _show(self, shown: ShownAnswer, editor: ReplyEditor) -> bool:
        """Show a version; return False if Discord refuses it, or if it was taken back."""
        with self._running_replies.delivering():
            outcome = Outcome(shown.version.reason)
            return await self._finish(editor, shown, note_for(outcome, shown.text), outcome)

    async def _grow(self, answer: RevisedAnswer, editor: ReplyEditor, shown_text: str) -> None:
        def show_position(position: int) -> None:
            if position:
                editor.show_progress(position_note(position, answer.waits_for, answer.seconds_to_start))

        def show_prefill(prefill: Prefill) -> None:
            editor.show_progress(prefill_note(prefill.tokens, prefill.seconds), soon=True)

        editor.show(shown_text, is_new=False)
        async with aclosing(answer.texts(show_position, show_prefill)) as texts:
            async for text in texts:
                if text.strip():
                    editor.show(text)
                elif answer.is_thinking:
                    editor.show_thinking()
                if not editor.takes_more:
                    answer.stop()

    async def _suspend(self, editor: ReplyEditor, shown: ShownAnswer) -> None:
        if await editor.suspend(shown.text, suspended_note()):
            logger.info("Suspended: message_id=%d", shown.turn.id)
        elif editor.is_taken_back:
            await self._work.turn_away(shown.turn.id)

    async def _finish(self, editor: ReplyEditor, shown: ShownAnswer, note: str, outcome: Outcome) -> bool:
        """Show a version for good; return False if Discord refuses it, or if it was taken back."""
        buttons = self._latest.shows(shown, editor)
        cut_off = outcome.reason is not FinishReason.STOP
        is_shown = await editor.finish(shown.text, note, is_news=False, cut_off=cut_off, buttons=buttons)
        if is_shown:
            await self._work.delivered(shown.turn.id)
            logger.info("Delivered: message_id=%d version=%d", shown.turn.id, shown.version.number)
        else:  # a restart would meet the same refusal
            await self._work.turn_away(shown.turn.id)
        return is_shown

    async def _remember_shown(self, shown: ShownAnswer) -> None:
        with suppress(DatabaseOutageError):
            await self._conversations.versions.show(shown.turn.id, shown.version.number)


def _note_without(outcome: Outcome) -> str:
    """The note below the version that stays because there is no other."""
    return "" if outcome.reason is FinishReason.CANCELLED else note_for(outcome, "")
