"""The line above the answer to an interaction, which says who asked what: Discord shows only the command's name."""

from __future__ import annotations

import re

from bot.discord_client.incoming.asked_interaction import AskedInteraction
from bot.discord_client.incoming.file_names import escaped, listed, shortened

_LONGEST_SHOWN = 300
_HEADER = re.compile(r"\A> <@\d+> asked.*")


def header_of(asked: AskedInteraction, bot_user_id: int) -> str:
    """The header of the answer to an interaction."""
    about = "asked"
    if asked.target is not None:
        about = f"asked about [this message]({asked.target_url})"
    text = " ".join(asked.readable_text(bot_user_id).split())
    shown = f": {escaped(shortened(text, _LONGEST_SHOWN))}" if text else ""
    files = f" ({listed([file.filename for file in asked.attachments])})" if asked.attachments else ""
    return f"> {asked.author.mention} {about}{shown}{files}"


def header_in(content: str) -> str:
    """The header at the beginning of one of the bot's messages; "" if there is none."""
    found = _HEADER.match(content)
    return found[0] if found is not None else ""


def without_header(content: str) -> str:
    """One of the bot's messages without its header."""
    header = header_in(content)
    return content.removeprefix(header).removeprefix("\n") if header else content
