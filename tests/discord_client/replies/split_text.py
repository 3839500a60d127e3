"""The messages of a finished answer, whatever their number and length."""

from __future__ import annotations

from bot.discord_client.replies.markdown.cutting import cut
from bot.discord_client.replies.markdown.document import read_document
from bot.discord_client.replies.splitting import MESSAGE_LIMIT


def split_text(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Cut a text into messages of at most `limit` code points, none of them blank."""
    return cut(read_document(text.strip()), limit)
