"""The lines to members about what the bot could not read. Those with "{}" name a message."""

from __future__ import annotations

from collections.abc import Sequence

from bot.discord_client.incoming.file_names import listed
from bot.discord_client.incoming.message_content import WHOLE_MESSAGE, Unseen

GREETING = "Hello! Write your question in the message that mentions me."
NOTHING_ASKED = "There is no question in that. Ask again, and write one."
QUESTION_BLOCKED = "This server's AutoMod does not let me show your question. Ask in other words, or ask a moderator."
REPLY_HIDDEN = "Discord does not show me a reply whose @ is off. Switch the @ on in your reply, or use `/ask`."
ROLE_ALONE = "Discord does not show me messages that mention only my role. Mention me by my name."

REPLIED_TO = "the message you replied to"
EARLIER = "an earlier message in this chain of replies"
STARTER = "the message this thread began with"
TARGET = "that message"

HIDDEN = (
    "Discord does not show me {}, because it does not mention me. "
    "Copy its text into yours, or ask whoever runs me for the message-content intent."
)
DELETED = "I could not read {}, because it was deleted. Tell me what it said."
UNREADABLE = "I could not read {}. Copy its text into yours."


def about_unseen(unseen: Sequence[Unseen]) -> list[str]:
    """A line about what a message has besides text and attachments; other lines are about whole messages."""
    names = [f"the {each}" for each in unseen if each != WHOLE_MESSAGE]
    return [f"I only read text, so I skipped {listed(names)}."] if names else []
