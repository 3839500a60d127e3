"""Make a model that the bot can run, judge it, and let the running bot take it up; go back where it was a mistake.

Without arguments it does what the Phi-3 cookbook's sample does: Phi-3-mini in four bits, below ./model/phi3-instruct.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

# The engine process imports this file again, so what only the export needs is imported further down.


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        the exit code: 0 for success, 1 for a version that is not as it was, 2 for what the admin must mend, 130 if it
        was stopped.
    """
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from bot.errors import ConfigurationError
    from bot.export.options import read_options

    # What they would tell is a finding of the report.
    logging.getLogger("bot").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = read_options(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(options)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except OSError as error:
        cause = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"error: {cause}; check the path and its permissions", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        print("\nstopped; nothing half-made is used, and the next run removes what is left", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    from bot.export import housekeeping
    from bot.export.options import order_of
    from bot.export.pipeline import make_version
    from bot.export.progress import ProgressLine

    progress = ProgressLine()
    try:
        if options.list:
            housekeeping.list_versions(options.output, print)
        elif options.rollback is not None:
            housekeeping.roll_back(options.output, options.rollback or None, progress)
        elif options.verify is not None:
            return 0 if housekeeping.verify_versions(options.output, options.verify or None, progress) else 1
        elif options.prune is not None:
            housekeeping.prune_versions(options.output, options.prune, print)
        else:
            make_version(order_of(options), progress)
    finally:
        progress.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
