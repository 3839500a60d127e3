"""Text to token ids and back, so that nobody can type a control token.

A tokenizer file (`tokenizer.json`) names its *added tokens*: `<|user|>`, `<|end|>`, `</s>` and so on. The model
reads them as commands: whose turn it is, where a turn ends. The raw tokenizer turns them into their ids wherever
they stand in a text, which lets a message on Discord end its own turn and speak as the system. So two jobs are kept
apart here: `encode` treats a text as plain text, whatever it holds, and `control_tokens` tells the prompt builder
which commands a chat template may give.
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

# Listed as an ordinary token in Phi-3's file, although it ends a text like the special ones.
END_OF_SEQUENCE = "</s>"


@dataclass(frozen=True, slots=True)
class ControlToken:
    """An added token: its text, its id, and which white space beside it the tokenizer swallows."""

    text: str
    id: int
    special: bool
    strips_left: bool
    strips_right: bool


class Tokenizer:
    """One model's tokenizer, read from the files in its folder.

    Args:
        definition: the parsed `tokenizer.json` (format of the Hugging Face `tokenizers` library).

    Attributes:
        fingerprint: the same for the same definition only: ids mean something to the tokenizer they came from.
        control_tokens: the added tokens.
        control_ids: their ids.

    Raises:
        ConfigurationError: the file describes a kind of tokenizer that cannot be made safe here.
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
            ConfigurationError: it is not there or cannot be read as a tokenizer.
        """
        path = folder / "tokenizer.json"
        definition = read_json(path)
        try:
            return cls(definition)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from error
        except Exception as error:
            # `tokenizers` raises bare Exceptions for a definition that it cannot use.
            raise ConfigurationError(f"{path} is not a tokenizer: {error}; export the model again") from error

    def encode(self, text: str, *, at_start: bool = False) -> list[int]:
        """Token ids of a text, all of it taken as plain text.

        Args:
            text: any text; what looks like a control token in it stays ordinary characters.
            at_start: nothing stands before it in the prompt (some tokenizers put a space there).

        Returns:
            ids, none of which is in `control_ids`.
        """
        tokenizer = self._plain if at_start else self._plain_inside
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, without control tokens. Half a character at an end becomes U+FFFD."""
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
    """The same tokenizer, unable to make any added token's id from text."""
    model = dict(definition["model"])
    if model.get("type") != "BPE":
        raise ConfigurationError(
            f"a tokenizer of type {model.get('type')} is not supported, only BPE; choose another model"
        )
    added = {entry["content"] for entry in definition.get("added_tokens") or ()}
    # Where an added token also stands in the base vocabulary, merging its letters would give its id all the same.
    model["merges"] = [merge for merge in model["merges"] if added.isdisjoint(_texts_of(merge))]
    keep = model.get("unk_token")
    model["vocab"] = {text: id for text, id in model["vocab"].items() if text not in added or text == keep}
    return {**definition, "model": model, "added_tokens": [], "post_processor": None}


def _texts_of(merge: str | Sequence[str]) -> tuple[str, str, str]:
    """The two parts of a merge and what they become."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right


def _without_first_space(definition: dict[str, Any]) -> dict[str, Any]:
    """Turn off a `Metaspace` that puts a space before the first word of a text, for texts further inside."""
    text = json.dumps(definition.get("pre_tokenizer"))
    return {
        **definition,
        "pre_tokenizer": json.loads(re.sub(r'("prepend_scheme": )"first"', r'\1"never"', text)),
    }


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a model folder's file.

    Raises:
        ConfigurationError: the file is absent, unreadable or not a JSON object.
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
