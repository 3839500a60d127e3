"""Turns text into token ids and back, and never reads a control token out of a text.

A tokenizer's file (`tokenizer.json`) lists *added tokens*: `<|user|>`, `<|end|>`, `</s>` and so on. To the model they
are commands: who speaks, where a turn ends. The raw tokenizer finds them in any text, so a message on Discord could end
its own turn and speak as the system. Here, `encode` takes everything as plain text, and only the prompt builder writes
`control_tokens`, where the chat template has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import tokenizers

from bot.errors import ConfigurationError

# Phi-3's file does not list it as special, although it ends a text.
END_OF_SEQUENCE = "</s>"


@dataclass(frozen=True, slots=True)
class ControlToken:
    """An added token, and whether it swallows the white space on either side."""

    text: str
    id: int
    special: bool
    strips_left: bool
    strips_right: bool


class Tokenizer:
    """A model's tokenizer.

    Args:
        definition: the parsed `tokenizer.json`, as the Hugging Face `tokenizers` library defines it.

    Attributes:
        fingerprint: identifies the definition. Ids are only valid for the tokenizer that made them.
        control_tokens: the added tokens.
        control_ids: their ids.

    Raises:
        ConfigurationError: this kind of tokenizer cannot be made safe.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.fingerprint = sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]
        self.control_tokens = tuple(_control_token(entry) for entry in definition.get("added_tokens") or ())
        self.control_ids = frozenset(token.id for token in self.control_tokens)
        self._hidden_ids = frozenset(
            token.id for token in self.control_tokens if token.special or token.text == END_OF_SEQUENCE
        )
        plain = _without_control_tokens(definition)
        self._full = tokenizers.Tokenizer.from_str(json.dumps(definition))
        self._plain = tokenizers.Tokenizer.from_str(json.dumps(plain))
        self._plain_inside = tokenizers.Tokenizer.from_str(json.dumps(_without_first_space(plain)))

    @classmethod
    def from_folder(cls, folder: Path) -> Tokenizer:
        """Read `tokenizer.json` in a model folder.

        Raises:
            ConfigurationError: it is missing or not a usable tokenizer.
        """
        path = folder / "tokenizer.json"
        definition = read_json(path)
        try:
            return cls(definition)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        except Exception as error:
            # `tokenizers` raises bare Exceptions for invalid definitions.
            raise ConfigurationError(f"{path} is not a tokenizer: {error}; export the model again") from error

    def encode(self, text: str, *, at_start: bool = False) -> list[int]:
        """Encode a text as plain text, even what looks like a control token.

        Args:
            text: any text.
            at_start: whether it begins the prompt, where some tokenizers add a space.

        Returns:
            ids, none of which is in `control_ids`.
        """
        tokenizer = self._plain if at_start else self._plain_inside
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without control tokens. The bytes of incomplete characters become U+FFFD."""
        shown = [id for id in ids if id not in self._hidden_ids]
        text: str = self._full.decode(shown, skip_special_tokens=True)
        return text


def _control_token(entry: Mapping[str, Any]) -> ControlToken:
    return ControlToken(
        text=entry["content"],
        id=entry["id"],
        special=bool(entry.get("special")),
        strips_left=bool(entry.get("lstrip")),
        strips_right=bool(entry.get("rstrip")),
    )


def _without_control_tokens(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The same tokenizer, but unable to produce the id of an added token."""
    model = dict(definition["model"])
    if model.get("type") != "BPE":
        raise ConfigurationError(
            f"a tokenizer of type {model.get('type')} is not supported, only BPE; choose another model"
        )
    added = {entry["content"] for entry in definition.get("added_tokens") or ()}
    # If the base vocabulary contains an added token too, merging its letters would still produce its id.
    model["merges"] = [merge for merge in model["merges"] if added.isdisjoint(_texts_of(merge))]
    keep = model.get("unk_token")
    model["vocab"] = {text: id for text, id in model["vocab"].items() if text not in added or text == keep}
    return {**definition, "model": model, "added_tokens": [], "post_processor": None}


def _texts_of(merge: str | Sequence[str]) -> tuple[str, str, str]:
    """Both parts of a merge, and their concatenation."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right


def _without_first_space(definition: dict[str, Any]) -> dict[str, Any]:
    """Keep a `Metaspace` from adding a space to the text, for texts that do not begin the prompt."""
    text = json.dumps(definition.get("pre_tokenizer"))
    return {
        **definition,
        "pre_tokenizer": json.loads(re.sub(r'("prepend_scheme": )"first"', r'\1"never"', text)),
    }


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a model folder's file.

    Raises:
        ConfigurationError: the file is missing, unreadable or not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); the model folder needs it") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is not valid JSON ({error}); export the model again") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} is not a JSON object; export the model again")
    return value
