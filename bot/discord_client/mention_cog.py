"""A mention becomes a question, and its answer a reply."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp
import discord
from discord.ext import commands

from bot.core.answering import Answer, Answering, Question
from bot.core.waiting_line import LineClosedError, LineFullError
from bot.discord_client.outcome_notes import note_for
from bot.discord_client.readable_text import readable_text
from bot.discord_client.reply_editor import ReplyEditor
from bot.discord_client.running_replies import RunningReplies, RunningReply
from bot.discord_client.stop_button import stop_view
from bot.engine.interface import FinishReason, Outcome

logger = logging.getLogger(__name__)

_QUOTE_LENGTH = 500


class MentionCog(commands.Cog):
    """Answers those who mention the bot, and everybody who writes to it directly.

    When an answer has been delivered, the client dispatches the event `answered` with the message that asked, the
    `Answer` and its `Outcome`.
    """

    def __init__(
        self,
        client: commands.Bot,
        answering: Answering,
        running_replies: RunningReplies,
        max_reply_messages: int,
    ) -> None:
        self._client = client
        self._answering = answering
        self._running_replies = running_replies
        self._max_reply_messages = max_reply_messages

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Answer a message that is meant for the bot."""
        if message.author.bot or message.is_system() or not self._is_meant_for_bot(message):
            return
        text = readable_text(message, self._bot_user_id)
        if not text:
            await message.channel.send(
                "Hello! Write your question after my name, in the same message.",
                reference=message.to_reference(fail_if_not_exists=False),
            )
            return
        question = Question(
            conversation=message.channel.id,
            text=_with_quote(message, text, self._bot_user_id),
            author=None if _is_private(message) else message.author.display_name,
            person=message.author.id,
        )
        try:
            answer = self._answering.ask(question)
        except (LineFullError, LineClosedError) as error:
            await message.channel.send(str(error), reference=message.to_reference(fail_if_not_exists=False))
        else:
            await self._deliver(message, answer)

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        """A question that was taken back needs no more of an answer."""
        self._stop(payload.message_id)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        """The same for many messages at once."""
        for message_id in payload.message_ids:
            self._stop(message_id)

    def _stop(self, question_id: int) -> None:
        reply = self._running_replies.get(question_id)
        if reply is not None:
            reply.answer.stop()

    async def _deliver(self, message: discord.Message, answer: Answer) -> None:
        editor = ReplyEditor(
            message,
            max_messages=self._max_reply_messages,
            make_view=lambda: stop_view(message.id),
        )
        with self._running_replies.running(message.id, RunningReply(answer, message.author.id)):
            try:
                await self._show(answer, editor, message.channel)
                outcome = answer.outcome or Outcome(FinishReason.CANCELLED)
            except Exception:  # whatever it is, the person must be told and not left waiting
                logger.exception("An answer failed")
                outcome = Outcome(
                    FinishReason.FAILED, "An error inside the bot; the person who runs it finds it logged."
                )
            await editor.finish(answer.text, note_for(outcome, answer.text))
        logger.info("Answered %s: %s, %d characters", message.id, outcome.reason, len(answer.text))
        self._client.dispatch("answered", message, answer, outcome)

    async def _show(self, answer: Answer, editor: ReplyEditor, channel: discord.abc.Messageable) -> None:
        async with aclosing(answer.texts(editor.show_place)) as texts, _typing(channel) as typing:
            async for text in texts:
                if text.strip():
                    typing.cancel()
                    editor.show(text)
                if editor.undeliverable.is_set():
                    answer.stop()

    @property
    def _bot_user_id(self) -> int:
        assert self._client.user is not None  # known since the login, before any event
        return self._client.user.id

    def _is_meant_for_bot(self, message: discord.Message) -> bool:
        if _is_private(message):
            return True
        own_role = message.guild.self_role if message.guild else None
        return any(user.id == self._bot_user_id for user in message.mentions) or (
            own_role is not None and own_role in message.role_mentions
        )


def _is_private(message: discord.Message) -> bool:
    return isinstance(message.channel, discord.DMChannel)


def _with_quote(message: discord.Message, text: str, bot_user_id: int) -> str:
    """Put the message replied to before the question, where Discord lets the bot read it and it is somebody else's."""
    quoted = message.reference.resolved if message.reference else None
    if not isinstance(quoted, discord.Message) or quoted.author.id == bot_user_id or not quoted.content:
        return text
    content = readable_text(quoted, bot_user_id)[:_QUOTE_LENGTH]
    return f"{text}\n\n(In reply to {quoted.author.display_name}, who wrote: {content})"


@asynccontextmanager
async def _typing(channel: discord.abc.Messageable) -> AsyncIterator[asyncio.Task[None]]:
    """Show that the bot is typing until the task is cancelled or the block ends, whichever comes first."""

    async def keep_typing() -> None:
        try:
            async with channel.typing():
                await asyncio.Event().wait()
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            # Only a sign of life: the answer itself tells what is wrong.
            logger.debug("Typing could not be shown: %r", error)

    task = asyncio.create_task(keep_typing())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
