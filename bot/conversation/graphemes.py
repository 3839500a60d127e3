"""What a reader sees of a text: whether there is anything, and where it may be cut without tearing a character.

A flag, a family emoji or a letter with its accents is one *grapheme cluster* of several code points
(https://www.unicode.org/reports/tr29/).
"""

from __future__ import annotations

import regex

_CLUSTER = regex.compile(r"\X")
# Joiners, variation selectors, byte-order marks, Hangul fillers and the like; the empty Braille pattern is a symbol.
_BLANK = regex.compile(r"[\s\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]*")
# The longest emoji in use have 10 code points; longer clusters are piles of marks made to break things.
_LONGEST_CLUSTER = 32


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it has only white space and characters without width."""
    return _BLANK.fullmatch(text) is not None


def clusters(text: str) -> list[str]:
    """The grapheme clusters of a text."""
    return [match[0] for match in _CLUSTER.finditer(text)]


def torn_by_cut(text: str, cut: int) -> int:
    """Count the code points right before a cut that belong to a grapheme cluster reaching beyond it.

    Args:
        text: of any length; only the neighborhood of the cut is read.
        cut: a position in the text.

    Returns:
        how far to move the cut back; 0 where it tears nothing, or a cluster too long to be kept whole.
    """
    if not 0 < cut < len(text):
        return 0
    around = text[cut - 1 : cut + 1]
    if around.isascii() and around != "\r\n":
        return 0
    # The first match may begin inside a cluster; each later one begins where a cluster does, because `\X` also looks
    # at what stands before its starting position.
    nearby = _CLUSTER.finditer(text, max(0, cut - _LONGEST_CLUSTER - 1), cut + 1)
    *_, last = (match.start() for match in nearby)
    torn = cut - last
    return torn if torn <= _LONGEST_CLUSTER else 0
