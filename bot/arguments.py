"""Command lines whose mistakes are one line, found before anything is loaded."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from bot.own_command import own_python, quoted

HIGHEST_PORT = 65_535


class OneLineParser(argparse.ArgumentParser):
    """Ends at a mistake with one line that names the way to the help, instead of the whole usage.

    Without a `prog` it belongs to a script, and names it as it was started.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("prog", f"{own_python()} {quoted(sys.argv[0])}")
        super().__init__(**{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Print the mistake and exit with 2."""
        line = " ".join(message.split())
        self.exit(2, f"error: {line}; see `{self.prog} --help`\n")


def port(text: str) -> int:
    """A TCP port; 0 lets the system choose."""
    number = _whole(text)
    if number is None or not 0 <= number <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 0 to {HIGHEST_PORT}")
    return number


def existing_folder(text: str) -> Path:
    """A folder that is there; a leading `~` is the user's home."""
    path = folder(text)
    try:
        if path.is_dir():
            return path
        what = "is a file, not a folder" if path.exists() else "does not exist"
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
    raise argparse.ArgumentTypeError(f"{text} {what}; check the path")


def existing_file(text: str) -> Path:
    """A file that is there; a leading `~` is the user's home."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file")
    path = folder(text)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise argparse.ArgumentTypeError(f"{text} {what}; check the path")
    return path


def folder(text: str) -> Path:
    """A folder that may be missing; a leading `~` is the user's home."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a folder")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~ and a user who is not known
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def text(value: str) -> str:
    """A text that is not empty."""
    if not value.strip():
        raise argparse.ArgumentTypeError("is empty; write a value, or leave the argument out")
    return value


def whole_number(at_least: int) -> Callable[[str], int]:
    """A whole number from this on."""

    def read(text: str) -> int:
        number = _whole(text)
        if number is None or number < at_least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {at_least} on")
        return number

    return read


def number(at_least: float, at_most: float = math.inf) -> Callable[[str], float]:
    """A finite number between two limits."""
    limits = f"from {at_least:g} on" if at_most == math.inf else f"from {at_least:g} to {at_most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not at_least <= value <= at_most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number {limits}")
        return value

    return read


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
