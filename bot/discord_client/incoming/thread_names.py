"""Names for threads: one line without mentions and markup."""

from __future__ import annotations

import re

import discord

from bot.conversation.graphemes import is_blank, torn_by_cut
from bot.discord_client.incoming.readable_text import readable_text

_LONGEST = 90  # Discord takes 100 characters
_SHORTEST_BEGINNING = 50  # before a cut between two words
_LONGEST_TITLE = 80
_REPLACEMENTS = (
    (re.compile(r"```(?:\w+\n)?"), " "),
    (re.compile(r"\|\|.+?\|\|", re.DOTALL), "…"),  # a spoiler
    (re.compile(r"\[([^\]\n]+)\]\(<?https?://[^)\s]+\)"), r"\1"),
    (re.compile(r"^\s*(?:>>>|>|-#|#{1,3}|[-*+])\s+", re.MULTILINE), ""),
    (re.compile(r"\\(?=[^\w\s])|`+|~~|\|\||(?<!\w)[*_]+(?=\S)|(?<=\S)[*_]+(?!\w)"), ""),
    (re.compile(r"(?<!\w)@(?=\w)"), ""),
    # Joiners stay: emoji need them.
    (re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]"), " "),
)
_TITLE_MARK = re.compile(r"^\W*title\W*:\s*", re.IGNORECASE)
_AROUND_TITLE = " \t\"'\u201c\u201d\u2018\u2019\xab\xbb*_`#.:"


def thread_name(text: str) -> str:
    """A text as the name of a thread; "" if nothing of it can be seen."""
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    name = " ".join(text.split())
    if is_blank(name):
        return ""
    return name if len(name) <= _LONGEST else _cut(name)


def name_of_question(message: discord.Message, bot_user_id: int) -> str:
    """The name of the thread for a question: its words, or else its file or its author."""
    files = (attachment.filename for attachment in message.attachments)
    texts = (readable_text(message, bot_user_id), *files, f"Question by {message.author.display_name}")
    return next(filter(None, map(thread_name, texts)), "Question")


def title_from(text: str) -> str:
    """The title that a model wrote; "" if that is none."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    title = thread_name(_TITLE_MARK.sub("", lines[0]).strip(_AROUND_TITLE))
    is_title = any(character.isalnum() for character in title) and len(title) <= _LONGEST_TITLE
    return title if is_title else ""


def _cut(name: str) -> str:
    end = name.rfind(" ", _SHORTEST_BEGINNING, _LONGEST)
    if end < 0:
        end = _LONGEST - 1
        end -= torn_by_cut(name, end)
    beginning = name[:end].rstrip(" ,;:-")
    return f"{beginning}…"
