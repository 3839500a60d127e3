"""Cuts a text that is too long for the model."""

from __future__ import annotations

from bot.conversation.graphemes import torn_by_cut
from bot.prompting.tokenizer import Tokenizer

# The tokens right before a cut can depend on the text after it, so that much more is tokenized.
_TOKENS_BEYOND = 256
_CHARACTERS_PER_TOKEN = 4


def shorten(text: str, max_tokens: int, tokenizer: Tokenizer) -> str:
    """Keep as much of a text's beginning as its first `max_tokens` tokens hold.

    The cut lies between two tokens of the whole text and tears no grapheme cluster: flags, joined emoji and letters
    with their marks stay whole or go. Some beginnings take more tokens alone than inside the text; then less is kept.

    Args:
        text: of any length; little more than the result is tokenized.
        max_tokens: upper bound for `tokenizer.encode` of the result, 0 or more.
        tokenizer: the model's.

    Returns:
        the text itself if it fits.
    """
    head, ids = _encode_enough(text, max_tokens, tokenizer)
    if len(head) == len(text) and len(ids) <= max_tokens:
        return text
    count = max_tokens
    while count > 0:
        beginning = _beginning_of(head, ids[:count], tokenizer)
        if len(tokenizer.encode(beginning)) > count:
            count -= 1
        elif torn := torn_by_cut(head, len(beginning)):
            count -= max(1, len(tokenizer.encode(beginning[-torn:])) - 1)
        else:
            return beginning
    return ""


def _encode_enough(text: str, max_tokens: int, tokenizer: Tokenizer) -> tuple[str, list[int]]:
    """A beginning of the text that certainly holds the cut, and its tokens."""
    enough = max_tokens + _TOKENS_BEYOND
    characters = enough * _CHARACTERS_PER_TOKEN
    while True:
        head = text[:characters]
        ids = tokenizer.encode(head)
        if len(ids) >= enough or len(head) == len(text):
            return head, ids
        characters *= 2


def _beginning_of(text: str, ids: list[int], tokenizer: Tokenizer) -> str:
    """The part of the text that its first tokens stand for, completed if they end inside a character."""
    length = end = len(tokenizer.decode(ids))
    # A tokenizer that composes characters first (NFC) returns fewer of them than the text has.
    while end < len(text) and (missing := length - len(tokenizer.decode(tokenizer.encode(text[:end])))) > 0:
        end += missing
    return text[:end]
