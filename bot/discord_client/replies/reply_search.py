"""Finds messages that answer a question although nobody has recorded them: their response was lost."""

from __future__ import annotations

from collections.abc import Callable, Container

import discord

from bot.discord_client.replies.stop_button import stop_id

_NEAR_MESSAGES = 100


async def find_replies(
    question: discord.PartialMessage,
    bot_user_id: int,
    known_ids: Container[int],
    also: Callable[[discord.Message], bool] = lambda _: False,
) -> list[discord.Message]:
    """The bot's messages shortly after a question that answer it; the oldest first.

    Args:
        question: the message that asked.
        bot_user_id: of the bot's own account.
        known_ids: messages to leave out.
        also: finds messages that answer it although they neither reply to it nor have its Stop button.

    Raises:
        discord.HTTPException: the channel cannot be read.
    """
    following = question.channel.history(after=question, limit=_NEAR_MESSAGES, oldest_first=True)
    return [
        message
        async for message in following
        if message.author.id == bot_user_id
        and message.id not in known_ids
        and (_answers(message, question) or also(message))
    ]


def _answers(reply: discord.Message, question: discord.PartialMessage) -> bool:
    """Whether one of the bot's messages replies to a question, or its Stop button names it."""
    if reply.reference is not None:
        return reply.reference.message_id == question.id
    return any(
        getattr(button, "custom_id", None) == stop_id(question.id)
        for row in reply.components
        if isinstance(row, discord.ActionRow)
        for button in row.children
    )
