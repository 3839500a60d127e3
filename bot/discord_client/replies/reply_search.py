"""Finds messages that answer a question although nobody has recorded them: their response was lost."""

from __future__ import annotations

from collections.abc import Callable, Container

import discord

from bot.discord_client.incoming.message_content import is_written
from bot.discord_client.replies.stop_button import stop_id

_NEAR_MESSAGES = 100


def grew_from(question_id: int, thread: object) -> bool:
    """Whether a channel is the thread that grew from a question, so that the question is in another channel itself."""
    is_post = isinstance(thread, discord.Thread) and isinstance(thread.parent, discord.ForumChannel)
    return isinstance(thread, discord.Thread) and thread.id == question_id and not is_post


async def find_replies(
    question_id: int,
    channel: discord.abc.Messageable,
    bot_user_id: int,
    known_ids: Container[int],
    also: Callable[[discord.Message], bool] = lambda _: False,
) -> list[discord.Message]:
    """The bot's messages shortly after a question that answer it; the oldest first.

    Args:
        question_id: of the message, or of the interaction, that asked.
        channel: where it did.
        bot_user_id: of the bot's own account.
        known_ids: messages to leave out.
        also: finds messages that answer it although they neither reply to it nor have its Stop button.

    Raises:
        discord.HTTPException: the channel cannot be read.
    """
    following = channel.history(after=discord.Object(question_id), limit=_NEAR_MESSAGES, oldest_first=True)
    # No message there can refer to the one that the thread grew from, so its answer is what comes first.
    is_first = grew_from(question_id, channel)
    found = []
    async for message in following:
        if message.author.id != bot_user_id:
            is_first = is_first and not is_written(message)
        elif message.id not in known_ids:
            answers_first = is_first and is_written(message) and message.reference is None
            if answers_first or _answers(message, question_id) or also(message):
                found.append(message)
    return found


def _answers(reply: discord.Message, question_id: int) -> bool:
    """Whether one of the bot's messages replies to a question, responds to it, or has a Stop button that names it."""
    if reply.interaction_metadata is not None and reply.interaction_metadata.id == question_id:
        return True
    if reply.reference is not None:
        return reply.reference.message_id == question_id
    return any(
        getattr(button, "custom_id", None) == stop_id(question_id)
        for row in reply.components
        if isinstance(row, discord.ActionRow)
        for button in row.children
    )
