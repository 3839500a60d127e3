"""Reads the small files of a model folder. Whatever they hold, reading ends soon and in at most one line of error."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 16 << 20
"""Upper bound for every file but the tokenizer and the model; the largest in use have some hundred kilobytes."""

TOKENIZER_FILE = "tokenizer.json"
MOST_TOKENIZER_BYTES = 64 << 20
"""Upper bound for the tokenizer; the largest in use have some 30 MB."""


def read_file(path: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file; anything else, such as a pipe, could keep its reader waiting forever.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than `most_bytes`.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if status.st_size > most_bytes:
        raise ValueError(f"{path.name} has {status.st_size:,} bytes, more than the {most_bytes:,} that it may have")
    return path.read_bytes()


def parse_object(content: bytes, name: str) -> dict[str, Any]:
    """Parse a JSON object.

    Args:
        name: of the file, for the error.

    Raises:
        ValueError: it is not a JSON object in UTF-8.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"{name} is not usable JSON (it is nested too deeply)") from error
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"{name} is not a JSON object")
    return document


def text_in(document: Mapping[str, Any], key: str) -> str | None:
    """Return a text of a parsed file; None if there is none. Half surrogates, which no encoding accepts, become `?`."""
    value = document.get(key)
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) and value else None
