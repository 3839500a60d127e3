"""Turns a text that a model generated back into token ids, byte for byte.

A server may return text without its ids, or leave ids out. The bot keeps conversations as ids, so the ids of such a
text must stand for exactly this text, and never for a control token. They need not be the ids that the model chose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import tokenizers

from bot.prompting.tokenizer import control_ids_of, without_control_tokens

_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"


class ExactText:
    """A tokenizer for generated text.

    Args:
        definition: the parsed `tokenizer.json`, of a kind that `Tokenizer` accepts.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        plain = without_control_tokens(definition)
        is_byte_level = '"ByteLevel"' in json.dumps([definition.get("pre_tokenizer"), definition.get("decoder")])
        read = _bytes_by_letters if is_byte_level else _bytes_by_sentencepiece
        self._control_ids = control_ids_of(definition)
        self._bytes = {id: read(text) for text, id in plain["model"]["vocab"].items() if id not in self._control_ids}
        self._single = {content[0]: id for id, content in self._bytes.items() if len(content) == 1}
        self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(_as_written(plain, is_byte_level)))

    def bytes_of(self, id: int) -> bytes:
        """What a token adds to a text; nothing for a control token and for an id that the tokenizer lacks."""
        return self._bytes.get(id, b"")

    def encode(self, text: str) -> list[int]:
        """The ids of a text, none of which is a control token's.

        Joined, their bytes are the text's. Only a character that the model cannot write at all is left out.
        """
        ids = self._encode(text)
        if ids is not None:
            return ids
        return [id for character in text for id in self._encode(character) or self.encode_bytes(character.encode())]

    def encode_bytes(self, content: bytes) -> list[int]:
        """The ids of single bytes, such as those of half a character; none if the tokenizer lacks one of them."""
        return [self._single[byte] for byte in content] if self._single.keys() >= set(content) else []

    def _encode(self, text: str) -> list[int] | None:
        """The tokenizer's own ids; None if they are not this text's."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids if b"".join(map(self.bytes_of, ids)) == text.encode() else None


def _bytes_by_sentencepiece(text: str) -> bytes:
    byte = _BYTE_TOKEN.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace(_SPACE, " ").encode("utf-8", "replace")


def _bytes_by_letters(text: str) -> bytes:
    if all(letter in _BYTES_BY_LETTER for letter in text):
        return bytes(_BYTES_BY_LETTER[letter] for letter in text)
    return text.encode("utf-8", "replace")


def _letters() -> dict[str, int]:
    """The letters that stand for bytes in byte-level vocabularies, as GPT-2 has them: printable ones for themselves."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES_BY_LETTER = _letters()


def _as_written(plain: dict[str, Any], is_byte_level: bool) -> dict[str, Any]:
    """The same tokenizer, but one that adds, removes and normalizes nothing."""
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}
    return {
        **plain,
        "normalizer": None if is_byte_level else replace,
        "pre_tokenizer": _without_first_space(plain.get("pre_tokenizer")),
        "post_processor": None,
    }


def _without_first_space(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_first_space(each) for each in part]
    if not isinstance(part, dict):
        return part
    changed = {key: _without_first_space(value) for key, value in part.items()}
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "never"
    return changed
