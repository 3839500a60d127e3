"""Fetch the small chat model of the demo and the tests."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bot.demo.small_model import DEFAULT_FOLDER, fetch_small_model
from bot.errors import ConfigurationError


def main() -> int:
    """Fetch the model into the folder on the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT_FOLDER, help="default: %(default)s")
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
    sys.exit(main())
