"""Fetch the small chat model of the demo and the tests."""

from __future__ import annotations

import sys

import own_python  # noqa: F401 - for one line instead of a traceback

from bot.arguments import OneLineParser, folder
from bot.cli.main import as_program
from bot.demo.small_model import DEFAULT_FOLDER, fetch_small_model
from bot.errors import ConfigurationError


def main() -> int:
    """Fetch the model into the folder on the command line and return the exit code."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=folder, default=DEFAULT_FOLDER, help="default: %(default)s")
    try:
        fetch_small_model(parser.parse_args().folder, lambda line: print(line, flush=True))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        print("interrupted; the partial download was deleted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(as_program(main))
