"""Shows answers on Discord while they grow, and records that they arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp
import discord
from discord.ext import commands

from bot.answering.answer import Answer
from bot.conversation.conversations import Conversations
from bot.conversation.store import WorkStore
from bot.discord_client.replies.outcome_notes import note_for, shortened_note, suspended_note
from bot.discord_client.replies.reply_editor import ReplyEditor
from bot.discord_client.replies.running_replies import RunningReplies, RunningReply
from bot.discord_client.replies.stop_button import stop_view
from bot.engine.interface import FinishReason, Outcome

logger = logging.getLogger(__name__)


class ReplyDelivery:
    """Delivers answers.

    After each delivery the client dispatches the event `answered` with the message that asked, the `Answer` and its
    `Outcome`.

    Args:
        client: the connected client.
        conversations: learn which messages show an answer.
        work: records what is delivered.
        running_replies: holds an answer while it grows.
        max_reply_messages: upper bound for the messages of one reply.
    """

    def __init__(
        self,
        client: commands.Bot,
        conversations: Conversations,
        work: WorkStore,
        running_replies: RunningReplies,
        max_reply_messages: int,
    ) -> None:
        self._client = client
        self._conversations = conversations
        self._work = work
        self._running_replies = running_replies
        self._max_reply_messages = max_reply_messages

    async def deliver(
        self,
        message: discord.Message,
        answer: Answer,
        *,
        remarks: Sequence[str] = (),
        sent: Sequence[discord.Message] = (),
    ) -> None:
        """Run an answer and show it while it grows.

        Args:
            message: the message that asked.
            answer: has not started yet.
            remarks: lines to show below the answer.
            sent: messages from before a restart that show a part of it already.
        """
        editor = self._editor(message, sent)
        with self._running_replies.running(message.id, RunningReply(answer, message.author.id)):
            try:
                await self._show(answer, editor, message.channel)
                outcome = answer.outcome or Outcome(FinishReason.CANCELLED)
            except Exception:  # the member must not be left waiting
                logger.exception("Answer failed: message=%d", message.id)
                outcome = Outcome(FinishReason.FAILED)
            note = suspended_note() if answer.suspended else note_for(outcome, answer.text)
            notes = [note, shortened_note(answer.shortened), *remarks]
            arrived = await editor.finish(answer.text, "\n".join(filter(None, notes)))
            if arrived and not answer.suspended:
                await self._work.delivered(message.id)
        logger.info("Answered: message=%d outcome=%s characters=%d", message.id, outcome.reason, len(answer.text))
        self._client.dispatch("answered", message, answer, outcome)

    async def deliver_again(
        self, message: discord.Message, text: str, outcome: Outcome, sent: Sequence[discord.Message]
    ) -> None:
        """Show an answer that was generated before a restart."""
        if await self._editor(message, sent).finish(text, note_for(outcome, text)):
            await self._work.delivered(message.id)

    def _editor(self, message: discord.Message, sent: Sequence[discord.Message]) -> ReplyEditor:
        return ReplyEditor(
            message,
            max_messages=self._max_reply_messages,
            make_view=lambda: stop_view(message.id),
            record=_ReplyRecord(self._conversations, self._work, message.id),
            sent=sent,
        )

    async def _show(self, answer: Answer, editor: ReplyEditor, channel: discord.abc.Messageable) -> None:
        async with aclosing(answer.texts(editor.show_position)) as texts, _typing(channel) as typing:
            async for text in texts:
                if text.strip():
                    typing.cancel()
                    editor.show(text)
                if editor.undeliverable.is_set():
                    answer.stop()


class _ReplyRecord:
    """Records which messages show the answer to a question."""

    def __init__(self, conversations: Conversations, work: WorkStore, question_id: int) -> None:
        self._conversations = conversations
        self._work = work
        self._question_id = question_id

    async def sent(self, position: int, message_id: int) -> None:
        self._conversations.replied(self._question_id, message_id)
        await self._work.replied(self._question_id, position, message_id)

    async def about_to_delete(self, message_id: int) -> None:
        self._conversations.reply_deleted(message_id)
        await self._work.reply_deleted(message_id)


@asynccontextmanager
async def _typing(channel: discord.abc.Messageable) -> AsyncIterator[asyncio.Task[None]]:
    """Show that the bot is typing, until the task is cancelled or the block ends."""

    async def keep_typing() -> None:
        try:
            async with channel.typing():
                await asyncio.Event().wait()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # The answer itself runs into the same error and reports it.
            logger.debug("Cannot show typing: %r", error)

    task = asyncio.create_task(keep_typing())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
