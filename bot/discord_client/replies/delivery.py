"""Shows answers on Discord while they grow, and records that they arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial

import discord
from discord.ext import commands

from bot.answering.answer import Answer
from bot.answering.prefill_time import Prefill
from bot.conversation.store import WorkStore
from bot.discord_client.incoming.asked_interaction import Asked, AskedInteraction, Asking
from bot.discord_client.replies.answer_buttons import AnswerButtons
from bot.discord_client.replies.answer_report import AnswerReport
from bot.discord_client.replies.latest_answers import LatestAnswers
from bot.discord_client.replies.outcome_notes import (
    note_for,
    position_note,
    prefill_note,
    repeated_gone_note,
    shortened_note,
    suspended_note,
    time_up_note,
)
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.reply_editors import ReplyEditors
from bot.discord_client.replies.running_replies import RunningReplies, RunningReply
from bot.discord_client.replies.thoughts import ShowThinking, shown_thought
from bot.discord_client.replies.typing_indicators import TypingIndicators
from bot.discord_client.rest.urgency import Urgency
from bot.engine.interface import FinishReason, Outcome

logger = logging.getLogger(__name__)


class ReplyDelivery:
    """Delivers answers.

    After each delivery the client dispatches the event `answered` with the message or the interaction that asked, the
    `Answer` and its `Outcome`.

    Args:
        client: the connected client.
        editors: make the replies.
        typing: shows that an answer is about to come.
        work: records what is delivered.
        running_replies: holds an answer until it is delivered.
        latest: knows which answer has buttons.
        show_thinking: how to show what a model thought before its answer.
    """

    def __init__(
        self,
        client: commands.Bot,
        editors: ReplyEditors,
        typing: TypingIndicators,
        work: WorkStore,
        running_replies: RunningReplies,
        latest: LatestAnswers,
        show_thinking: ShowThinking = "off",
    ) -> None:
        self._client = client
        self._editors = editors
        self._typing = typing
        self._work = work
        self._running_replies = running_replies
        self._latest = latest
        self._show_thinking = show_thinking

    async def deliver(
        self,
        message: Asking,
        answer: Answer,
        *,
        remarks: Sequence[str] = (),
        sent: Sequence[discord.Message] = (),
    ) -> None:
        """Run an answer and show it while it grows; return when Discord shows it all, or refuses it for good.

        Args:
            message: what asked: a message or an interaction.
            answer: has not started yet.
            remarks: lines to show below the answer.
            sent: messages from before a restart that show a part of it already.
        """
        editor = self._editors.editor(message, sent, pings=True)
        editor.on_refused(answer.stop)
        running = self._running_replies.running(message.id, RunningReply(answer, message.author.id))
        report = AnswerReport(message.id, editor, answer.figures)
        with running, report, _ended_in_time(editor, message):
            try:
                await self._show(answer, editor, message)
                outcome = answer.outcome or Outcome(FinishReason.CANCELLED)
            except Exception:  # the member must not be left waiting
                logger.exception("Answer failed: message_id=%d", message.id)
                outcome = Outcome(FinishReason.FAILED)
            report.ends(outcome, suspended=answer.suspended)
            if answer.suspended:
                await self._suspend(editor, message, answer.text, remarks)
            else:
                editor.show_thought(shown_thought(answer.thought, self._show_thinking))
                note = note_for(outcome, answer.text, is_thinking=answer.is_thinking)
                if answer.lost_repeated_message:
                    note = repeated_gone_note()
                elif editor.is_out_of_time and outcome.reason is FinishReason.CANCELLED:
                    note = time_up_note(answer.text)
                notes = [note, shortened_note(answer.shortened), *remarks]
                buttons = self._latest.answered(answer, message, editor)
                await self._finish(editor, message, answer.text, "\n".join(filter(None, notes)), outcome, buttons)
        self._client.dispatch("answered", message, answer, outcome)

    async def deliver_again(
        self, message: Asking, text: str, outcome: Outcome, sent: Sequence[discord.Message]
    ) -> None:
        """Show an answer that was generated before a restart."""
        with self._running_replies.delivering():
            editor = self._editors.editor(message, sent, pings=not sent)
            with AnswerReport(message.id, editor) as report:
                report.ends(outcome)
                buttons = await self._latest.found(message, editor)
                await self._finish(editor, message, text, note_for(outcome, text), outcome, buttons)

    async def decline(self, asked: AskedInteraction, line: str, sent: Sequence[discord.Message]) -> None:
        """Say in the first response to an interaction why it gets no answer."""
        with self._running_replies.delivering():
            await self._editors.editor(asked, sent).finish("", line, Urgency.NOTICE, is_news=False)
            await self._work.turn_away(asked.id)
            logger.info("Turned away: channel=%d messages=%d", asked.key.channel_id, asked.id)

    async def put_off(self, message: Asking, sent: Sequence[discord.Message] = ()) -> None:
        """Say that a restart answers a question, unless messages from before show a part of the answer already."""
        if sent:
            return
        editor = self._editors.editor(message)
        with self._running_replies.delivering(), AnswerReport(message.id, editor):
            await self._suspend(editor, message, "", ())

    def was_deleted(self, message_id: int) -> bool:
        """Whether a message was deleted lately."""
        return self._editors.was_deleted(message_id)

    async def take_back(self, question: Asked, sent: Sequence[discord.Message]) -> None:
        """Delete the messages of a reply whose question is gone when the bot comes back to it, and forget the turn."""
        with self._running_replies.delivering():
            editor = self._editors.editor(question, sent)
            with AnswerReport(question.id, editor):
                await self._editors.take_back([question.id])
                await editor.finish("")
            logger.info("Taken back: message_id=%d", question.id)

    async def _suspend(self, editor: ReplyEditor, message: Asking, text: str, remarks: Sequence[str]) -> None:
        if await editor.suspend(text, "\n".join((suspended_note(), *remarks))):
            logger.info("Suspended: message_id=%d characters=%d", message.id, len(text))
        elif editor.is_taken_back:
            await self._work.turn_away(message.id)

    async def _finish(
        self,
        editor: ReplyEditor,
        message: Asking,
        text: str,
        note: str,
        outcome: Outcome,
        buttons: AnswerButtons | None,
    ) -> None:
        is_news, cut_off = outcome.reason is not FinishReason.CANCELLED, outcome.reason is not FinishReason.STOP
        if await editor.finish(text, note, is_news=is_news, cut_off=cut_off, buttons=buttons):
            await self._work.delivered(message.id)
            logger.info("Delivered: message_id=%d characters=%d", message.id, len(text))
        else:
            # A restart would meet the same refusal. Memory keeps the answer, unless its question was deleted.
            await self._work.turn_away(message.id)
            if editor.is_taken_back:
                logger.info("Taken back: message_id=%d", message.id)

    async def _show(self, answer: Answer, editor: ReplyEditor, asked: Asking) -> None:
        with ExitStack() as typing:

            def show_position(position: int) -> None:
                if position:
                    editor.show_progress(position_note(position, answer.waits_for, answer.seconds_to_start))
                elif not isinstance(asked, AskedInteraction) or asked.is_open:
                    typing.enter_context(self._typing.shown(asked.channel))

            def show_prefill(prefill: Prefill) -> None:
                editor.show_progress(prefill_note(prefill.tokens, prefill.seconds), soon=True)

            async with aclosing(answer.texts(show_position, show_prefill)) as texts:
                async for text in texts:
                    if text.strip():
                        typing.close()
                        editor.show(text)
                    elif answer.is_thinking:
                        editor.show_thinking()
                    if not editor.takes_more:
                        answer.stop()


@contextmanager
def _ended_in_time(editor: ReplyEditor, asked: Asking) -> Iterator[None]:
    """Have the answer to an interaction end, or go on elsewhere, before Discord takes no more of it."""
    if not isinstance(asked, AskedInteraction) or asked.is_open or asked.seconds_left <= 0:
        yield
        return
    end = partial(editor.end_in_time, keeps_text=not asked.is_private)
    timer = asyncio.get_running_loop().call_later(asked.seconds_left, end)
    try:
        yield
    finally:
        timer.cancel()
