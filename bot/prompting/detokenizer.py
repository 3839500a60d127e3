"""Token ids back to text while they arrive."""

from __future__ import annotations

from collections.abc import Callable, Sequence

_INCOMPLETE = "\ufffd"


class Detokenizer:
    """Decodes a growing list of token ids into a growing text.

    A character may take several tokens (an emoji in Phi-3 takes four), and how a token reads can depend on the one
    before it. So each decoding starts one step back, and text that ends in half a character is held back.

    Args:
        decode: ids to text; incomplete characters become U+FFFD.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._context: list[int] = []
        self._pending: list[int] = []
        self.ids: list[int] = []
        self.text = ""

    def add(self, ids: Sequence[int]) -> str:
        """Take new token ids and return the whole text so far, without half characters."""
        self.ids.extend(ids)
        self._pending.extend(ids)
        new_text = self._new_text()
        if new_text and not new_text.endswith(_INCOMPLETE):
            self.text += new_text
            self._context, self._pending = self._pending, []
        return self.text

    def finish(self) -> str:
        """Return the whole text after the last token, half a character at its end left out."""
        self.text += self._new_text().rstrip(_INCOMPLETE)
        self._pending = []
        return self.text

    def _new_text(self) -> str:
        known = self._decode(self._context)
        return self._decode(self._context + self._pending)[len(known) :]
