"""The command line and the result of the two children that read a text with a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bot.errors import ConfigurationError
from bot.export.next_tokens import LogitsOf, read_next_tokens


def reading_parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments of both."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("ids", type=Path, help="a .npy file with the text's token ids, int64, shape [tokens]")
    parser.add_argument("output", type=Path, help="the .npz file to write: see bot.export.next_tokens.NextTokens")
    parser.add_argument("--window", type=int, required=True, help="most tokens in one pass")
    return parser


def write_reading(arguments: argparse.Namespace, open_model: Callable[[], LogitsOf]) -> int:
    """Read the text, write the predictions, and return the exit code.

    A ConfigurationError of `open_model` becomes a line that starts with `error: `, which the parent reports.
    """
    try:
        read_next_tokens(np.load(arguments.ids), arguments.window, open_model()).save(arguments.output)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    return 0
