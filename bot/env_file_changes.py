"""Writes values into `.env`, and leaves everything else in it as it is."""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path

from dotenv.parser import parse_stream

from bot.env_file import read_env_text
from bot.errors import ConfigurationError
from bot.private_files import replace_private_file

_NEW_FILE = "# The bot's settings; docs/settings.md and .env.example have all of them.\n"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PAIR = re.compile(
    r"""(\s*(?:export\s+)?\w+\s*=[^\S\r\n]*)  # up to the value
    (?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\r\n]*?(?=[^\S\r\n]+\#|\s*$))
    (.*)                                        # a comment, and the end of the line""",
    re.VERBOSE | re.DOTALL,
)


def change_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Set values in a file that `read_env_file` reads without a mistake. All are written at once, or none.

    Args:
        path: created if it is missing; only its owner can read it afterwards. A link stays one.
        values: by their names in upper case.

    Raises:
        ConfigurationError: the file cannot be written, or a value cannot be expressed in it. The message holds no
            value.
    """
    try:
        before = path.read_bytes() if path.exists() else _NEW_FILE.encode()
        mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
        after = mark + changed_text(before[len(mark) :].decode(), values).encode()
        replace_private_file(path, after)
    except OSError as error:
        raise _refusal(path, error) from error


def require_writable(path: Path) -> None:
    """Find out whether `change_env_file` may write, as far as that shows before.

    Raises:
        ConfigurationError: it may not.
    """
    folder = path.resolve().parent
    if not os.access(folder, os.W_OK):
        raise _refusal(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _refusal(path: Path, error: OSError) -> ConfigurationError:
    way_out = "make room on its disk" if error.errno in _FULL else "let yourself write to its folder"
    return ConfigurationError(
        f"{path.absolute()} cannot be written: {error.strerror}; {way_out} and start again, nothing is changed"
    )


def changed_text(text: str, values: Mapping[str, str]) -> str:
    """The text of a file with these values: in the places of the old ones, or below all lines."""
    left = dict(values)
    parts = []
    for binding in parse_stream(io.StringIO(text, newline="")):
        name, part = (binding.key or "").upper(), binding.original.string
        if name in left and (pair := _PAIR.fullmatch(part)) is not None:
            part = f"{pair[1]}{_written(name, left.pop(name))}{pair[2]}"
        parts.append(part)
    newline = "\r\n" if "\r\n" in text else "\n"
    if left and parts and not parts[-1].endswith(("\n", "\r")):
        parts.append(newline)
    parts += [f"{name}={_written(name, value)}{newline}" for name, value in left.items()]
    return "".join(parts)


def _written(name: str, value: str) -> str:
    """A value as the reader of the file understands it."""
    for quote in ("", "'", '"'):
        written = f"{quote}{value}{quote}"
        read = read_env_text(f"{name}={written}\n", Path(), [name], [name])
        if not read.mistakes and read.values.get(name.lower()) == value:
            return written
    raise ConfigurationError(f"the value of {name} cannot be written to a file of settings; choose one without quotes")
