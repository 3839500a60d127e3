"""Cuts a text that is too long for the model."""

from __future__ import annotations

import unicodedata

from bot.prompting.tokenizer import Tokenizer

# What comes after a cut can change the last tokens before it, so the text is read this much further.
_TOKENS_BEYOND = 256
_CHARACTERS_PER_TOKEN = 4
# People's longest emoji are shorter than this; longer piles of marks are made to break things.
_LONGEST_CLUSTER = 32

_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def shorten(text: str, max_tokens: int, tokenizer: Tokenizer) -> str:
    """Keep as much of a text's beginning as its first `max_tokens` tokens hold.

    The cut lies between two tokens of the whole text, and never inside a character, even one of several tokens, or
    between a character and its marks. Where a beginning on its own happens to become more tokens than it is in the
    whole text, a shorter one is taken.

    Args:
        text: any text, of any length: little more than what is kept is tokenized.
        max_tokens: how many tokens `tokenizer.encode` may make of the result, 0 or more.
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
        elif torn := _torn(head, len(beginning)):
            count -= max(1, len(tokenizer.encode(beginning[-torn:])) - 1)
        else:
            return beginning
    return ""


def _encode_enough(text: str, max_tokens: int, tokenizer: Tokenizer) -> tuple[str, list[int]]:
    """A beginning of the text that is long enough to find the cut in, and its tokens."""
    enough = max_tokens + _TOKENS_BEYOND
    characters = enough * _CHARACTERS_PER_TOKEN
    while True:
        head = text[:characters]
        ids = tokenizer.encode(head)
        if len(ids) >= enough or len(head) == len(text):
            return head, ids
        characters *= 2


def _beginning_of(text: str, ids: list[int], tokenizer: Tokenizer) -> str:
    """The beginning of a text that these first tokens of it make; with more tokens if they end inside a character."""
    length = end = len(tokenizer.decode(ids))
    # A tokenizer that composes characters first (NFC) gives fewer of them back than the text has.
    while end < len(text) and (missing := length - len(tokenizer.decode(tokenizer.encode(text[:end])))) > 0:
        end += missing
    return text[:end]


def _torn(text: str, end: int) -> int:
    """How many code points before a cut belong to a character that goes on behind it; 0 if none do."""
    start = end
    while 0 < start < len(text) and _goes_on(text[start - 1], text[start]):
        start -= 1
        if end - start > _LONGEST_CLUSTER:
            return 0
    return end - start


def _goes_on(before: str, after: str) -> bool:
    """Whether two code points show as one character. Flags, two letters each, are not told apart."""
    is_mark = unicodedata.category(after).startswith("M")
    return is_mark or _JOINER in (before, after) or ord(after) in _SKIN_TONES
