"""Compares two models' tokenizers id by id: a draft model's tokens mean nothing to a model with other ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError
from bot.model.files import MOST_TOKENIZER_BYTES, TOKENIZER_FILE, parse_object, read_file
from bot.model.versions import current_model_folder

_MOST_CHARACTERS = 40


def first_difference(model_dir: Path, draft_dir: Path) -> str | None:
    """Describe the lowest id that stands for another text in the draft model's `tokenizer.json`; None without one.

    How a text becomes ids is not compared: a draft model gets ids and returns ids.

    Args:
        model_dir: a model folder, or one with versions, whose current one counts.
        draft_dir: likewise.

    Raises:
        ConfigurationError: a `tokenizer.json` is missing or damaged.
    """
    texts, draft_texts = _read(model_dir), _read(draft_dir)
    if texts == draft_texts:
        return None
    id = min(each for each in texts.keys() | draft_texts.keys() if texts.get(each) != draft_texts.get(each))
    return f"the id {id} is {_shown(texts.get(id))} in the model and {_shown(draft_texts.get(id))} in the draft model"


def _read(folder: Path) -> dict[int, str]:
    """Every id of a tokenizer, with its text."""
    path = current_model_folder(folder) / TOKENIZER_FILE
    try:
        return dict(_entries(parse_object(read_file(path, MOST_TOKENIZER_BYTES), path.name)))
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror or error}"
    except ValueError as error:
        cause = f"{path.parent}: {error}"
    raise ConfigurationError(f"the tokenizers cannot be compared: {cause}; choose a model that has a {path.name}")


def _entries(definition: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """The vocabulary, then the added tokens.

    Raises:
        ValueError: the definition is invalid.
    """
    try:
        vocabulary, added = definition["model"]["vocab"], definition.get("added_tokens") or ()
        if isinstance(vocabulary, dict):
            entries = [(id, text) for text, id in vocabulary.items()]
        else:  # Unigram's: texts with their scores, in the order of the ids
            entries = [(id, text) for id, (text, _) in enumerate(vocabulary)]
        entries += [(each["id"], each["content"]) for each in added]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{TOKENIZER_FILE} has no usable vocabulary") from error
    if not all(type(id) is int and isinstance(text, str) for id, text in entries):
        raise ValueError(f"{TOKENIZER_FILE} has no usable vocabulary")
    yield from entries


def _shown(text: str | None) -> str:
    if text is None:
        return "no token"
    return repr(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…")
