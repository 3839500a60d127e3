"""Turns text into token ids and back, and never reads a control token out of a text.

A tokenizer's file (`tokenizer.json`) lists *added tokens*: `<|user|>`, `<|end|>`, `</s>` and so on. To the model they
are commands: who speaks, where a turn ends. The raw tokenizer finds them in any text, so a message on Discord could end
its own turn and speak as the system. Here, `encode` takes everything as plain text, and only the prompt builder writes
`control_tokens`, where the chat template has them.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import tokenizers

from bot.errors import ConfigurationError
from bot.model.files import MOST_BYTES, MOST_TOKENIZER_BYTES, TOKENIZER_FILE, parse_object, read_file
from bot.prompting.child_process import ChildError, ask_child

_CHILD = "bot.prompting.tokenizer_child"
_CHILD_SECONDS = 30.0  # the largest tokenizers take some seconds, and the machine may be slow and busy

_SAMPLE = string.printable + "Hello you, what is 1,234 + 5? ÄÖÜ 你好 🦙 </s> <|end|>\n" + 40 * "x" + 40 * " "

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
        on_wait: called before each part of the work, which takes seconds for a large one; it may raise to stop.

    Attributes:
        fingerprint: identifies the definition. Ids are only valid for the tokenizer that made them.
        control_tokens: the added tokens.
        control_ids: their ids.
        highest_plain_id: the highest id that `encode` can return.

    Raises:
        ConfigurationError: this kind of tokenizer cannot be made safe, or the definition contradicts itself.
        Exception: the definition is invalid in another way.
    """

    def __init__(self, definition: Mapping[str, Any], on_wait: Callable[[], None] = lambda: None) -> None:
        self.fingerprint = sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:16]
        self.control_tokens = _control_tokens(definition)
        self.control_ids = control_ids_of(definition)
        self._hidden = {
            token.id: token.text for token in self.control_tokens if token.special or token.text == END_OF_SEQUENCE
        }
        plain = without_control_tokens(definition)
        self.highest_plain_id = max(plain["model"]["vocab"].values(), default=0)
        self._full = _load(definition, on_wait)
        self._plain = _load(plain, on_wait)
        self._plain_inside = _load(_without_first_space(plain), on_wait)

    @classmethod
    def from_folder(cls, folder: Path, on_wait: Callable[[], None] = lambda: None) -> Tokenizer:
        """Read `tokenizer.json` in a model folder, after a child has tried it.

        Args:
            folder: the model folder.
            on_wait: called several times a second meanwhile; it may raise to stop.

        Raises:
            ConfigurationError: it is missing or not a usable tokenizer.
        """
        path = folder / TOKENIZER_FILE
        definition = read_tokenizer(folder)
        with _errors_of(path):
            _control_tokens(definition)
            _bpe_model(definition)
        try:
            ask_child(_CHILD, (str(path.absolute()), _SAMPLE), seconds=_CHILD_SECONDS, on_wait=on_wait)
        except ChildError as error:
            raise _no_tokenizer(path, error) from error
        with _errors_of(path):
            tokenizer = cls(definition, on_wait)
            tokenizer.decode(tokenizer.encode(_SAMPLE, at_start=True) + tokenizer.encode(_SAMPLE))
        return tokenizer

    def encode(self, text: str, *, at_start: bool = False) -> list[int]:
        """Encode a text as plain text, even what looks like a control token.

        Args:
            text: any text.
            at_start: whether it begins the prompt, where some tokenizers add a space.

        Returns:
            ids, none of which is in `control_ids`.
        """
        tokenizer = self._plain if at_start else self._plain_inside
        with _panics_as_errors():
            ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int], shown: Collection[str] = ()) -> str:
        """The text of token ids, without control tokens. The bytes of incomplete characters become U+FFFD.

        Args:
            ids: of this tokenizer.
            shown: control tokens that are to be in the text.
        """
        visible = [id for id in ids if id not in self._hidden or self._hidden[id] in shown]
        with _panics_as_errors():
            text: str = self._full.decode(visible, skip_special_tokens=False)
        return text


def _load(definition: Mapping[str, Any], on_wait: Callable[[], None]) -> tokenizers.Tokenizer:
    on_wait()
    with _panics_as_errors():
        return tokenizers.Tokenizer.from_str(json.dumps(definition))


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Turn what an invalid definition raises into one line."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error
    except Exception as error:
        # `tokenizers` raises bare Exceptions for invalid definitions.
        raise _no_tokenizer(path, error) from error


def _no_tokenizer(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path} is not a tokenizer: {error}; export the model again")


@contextmanager
def _panics_as_errors() -> Iterator[None]:
    """Raise the library's panics as ConfigurationErrors: they are no Exceptions, and would end the bot."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        cause = " ".join(str(error).split())
        raise ConfigurationError(f"the tokenizers library fails at it ({cause}); export the model again") from error


def _control_tokens(definition: Mapping[str, Any]) -> tuple[ControlToken, ...]:
    entries = definition.get("added_tokens") or ()
    if not isinstance(entries, Sequence) or not all(_is_control_token(entry) for entry in entries):
        raise ConfigurationError("added_tokens is not a list of texts with an id each; export the model again")
    tokens = tuple(
        ControlToken(
            text=entry["content"],
            id=entry["id"],
            special=bool(entry.get("special")),
            strips_left=bool(entry.get("lstrip")),
            strips_right=bool(entry.get("rstrip")),
        )
        for entry in entries
    )
    ids = {token.text: token.id for token in tokens}
    if ambiguous := next((token.text for token in tokens if ids[token.text] != token.id), None):
        raise ConfigurationError(f"added_tokens has {ambiguous!r} twice, with two ids; export the model again")
    return tokens


def control_ids_of(definition: Mapping[str, Any]) -> frozenset[int]:
    """The ids of the added tokens.

    Raises:
        ConfigurationError: they are no list of texts with an id each.
    """
    return frozenset(token.id for token in _control_tokens(definition))


def _is_control_token(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    text, id = entry.get("content"), entry.get("id")
    return isinstance(text, str) and text != "" and type(id) is int and id >= 0


def _bpe_model(definition: Mapping[str, Any]) -> dict[str, Any]:
    model = dict(definition["model"])
    if model.get("type") != "BPE":
        kind = " ".join(str(model.get("type")).split())[:40]
        raise ConfigurationError(f"a tokenizer of type {kind} is not supported, only BPE; choose another model")
    return model


def without_control_tokens(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The same tokenizer, but unable to produce the id of an added token."""
    model = _bpe_model(definition)
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


def read_tokenizer(folder: Path) -> dict[str, Any]:
    """Read the parsed `tokenizer.json` of a model folder.

    Raises:
        ConfigurationError: it is missing, unreadable or not a JSON object.
    """
    return read_json(folder / TOKENIZER_FILE, MOST_TOKENIZER_BYTES)


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Read a JSON object from a model folder's file.

    Raises:
        ConfigurationError: the file is missing, unreadable, too large or not a JSON object.
    """
    try:
        return parse_object(read_file(path, most_bytes), str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}); the model folder needs it") from error
    except ValueError as error:
        raise ConfigurationError(f"{error}; export the model again") from error
