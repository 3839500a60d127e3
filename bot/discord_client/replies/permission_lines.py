"""The lines that tell a member why the bot cannot answer as it should, and what helps."""

from __future__ import annotations

from bot.discord_client.rest.permissions import (
    ATTACH_FILES,
    CREATE_PUBLIC_THREADS,
    READ_MESSAGE_HISTORY,
    SEND_MESSAGES_IN_THREADS,
)

_ASK_A_MODERATOR = "Ask a moderator to give me the permission {}."
_LOSSES = {
    ATTACH_FILES: "I cannot attach files here.",
    CREATE_PUBLIC_THREADS: "I cannot open a thread here.",
    SEND_MESSAGES_IN_THREADS: "I cannot send messages in threads here.",
    READ_MESSAGE_HISTORY: "I cannot reply to your message here, only write below it.",
}


def line_in_channel(permission: str) -> str:
    """The line below an answer that lacks something."""
    loss = _LOSSES.get(permission, "I cannot send more messages here.")
    return f"{loss} {_ASK_A_MODERATOR.format(permission)}"


def line_for_lack(place: str, permission: str) -> str:
    """The direct message to a member whom the bot cannot answer for want of a permission."""
    return f"I cannot answer you in {place}. {_ASK_A_MODERATOR.format(permission)[:-1]} there, or ask me here."


def line_for_closed_thread(place: str) -> str:
    """The direct message to a member who asked in a thread that was closed since."""
    return (
        f"I cannot answer you in {place} because that thread is closed. Ask a moderator to open it or to give me the "
        "permission Manage Threads, or ask me here."
    )


def line_for_timeout(place: str) -> str:
    """The direct message to a member who asked where the bot is in a timeout."""
    return f"I cannot answer you in {place} because I am in a timeout there. Ask again when it is over, or ask me here."


def line_for_refusal(place: str) -> str:
    """The direct message to a member whom the bot cannot answer for a reason that no permission cures."""
    return f"Discord does not let me answer you in {place}. Ask in another channel, or ask me here."


def line_for_unreadable(member: str, permission: str) -> str:
    """The line to a member whose question a restart interrupted and the bot cannot read again."""
    return (
        f"{member}: I restarted and cannot read your question again. {_ASK_A_MODERATOR.format(permission)[:-1]}, "
        "or ask again."
    )
