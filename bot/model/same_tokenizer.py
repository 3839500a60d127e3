"""Compares two models' tokenizers id by id: a draft model's tokens mean nothing to a model with other ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    return difference_between(ids_of(model_dir), ids_of(draft_dir))


def difference_between(texts: Mapping[int, str], draft_texts: Mapping[int, str]) -> str | None:
    """Like `first_difference`, for texts by id."""
    differing = (each for each in texts.keys() | draft_texts.keys() if texts.get(each) != draft_texts.get(each))
    id = min(differing, default=None)
    if id is None:
        return None
    return f"the id {id} is {_shown(texts.get(id))} in the model and {_shown(draft_texts.get(id))} in the draft model"


def ids_of(folder: Path) -> dict[int, str]:
    """Return the text of every id of a model folder's tokenizer.

    Raises:
        ConfigurationError: its `tokenizer.json` is missing or damaged.
    """
    path = current_model_folder(folder) / TOKENIZER_FILE
    try:
        return read_ids(read_file(path, MOST_TOKENIZER_BYTES))
    except OSError as error:
        cause = f"{path} cannot be read: {error.strerror or error}"
    except ValueError as error:
        cause = f"{path.parent}: {error}"
    raise ConfigurationError(f"the tokenizers cannot be compared: {cause}; choose a model that has a {path.name}")


def read_ids(content: bytes) -> dict[int, str]:
    """Return the text of every id of a `tokenizer.json`.

    Raises:
        ValueError: it is damaged.
    """
    return dict(_entries(parse_object(content, TOKENIZER_FILE)))


def _entries(definition: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """The vocabulary, then the added tokens."""
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
