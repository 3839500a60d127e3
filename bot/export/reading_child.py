"""The command line and the result of the children that read a text with a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot.errors import ConfigurationError
from bot.export.next_tokens import LogitsOf, read_last_tokens, read_next_tokens


def reading_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of all of them."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("ids", type=Path, help="a .npy file with the text's token ids, int64, shape [tokens]")
    parser.add_argument("output", type=Path, help="the .npz file to write: see bot.export.next_tokens.NextTokens")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--window", type=int, help="read the whole text in passes of at most this many tokens")
    how.add_argument("--last", type=int, help="read it in one go, and predict only after this many tokens at its end")
    return parser


def write_reading(arguments: argparse.Namespace, open_model: Callable[[], LogitsOf]) -> int:
    """Read the text, write the predictions, and return the exit code.

    A ConfigurationError of `open_model` becomes a line that starts with `error: `, which the parent reports.
    """
    ids = np.load(arguments.ids)
    try:
        if arguments.last:
            read_last_tokens(ids, arguments.last, open_model()).save(arguments.output)
        else:
            read_next_tokens(ids, arguments.window, open_model()).save(arguments.output)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    return 0
