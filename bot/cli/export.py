"""`export`: make a model that the bot can run, measure it, and have the running bot switch to it.

Without arguments it follows the Phi-3 cookbook's sample: Phi-3-mini in four bits, in ./model/phi3-instruct/int4.

The trial's engine process imports the main file again (multiprocessing's spawn), and `scripts/export_model.py` is such
a file; so the export's parts are imported when it runs.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from bot.cli import exit_codes
from bot.cli.log import configure_log
from bot.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from bot.export.progress import ProgressLine


def export(arguments: Sequence[str], program: str) -> int:
    """Do what the command line asks for, and return the exit code.

    Args:
        arguments: without the program's name.
        program: how the usage line calls it.

    Returns:
        0 for success, 1 if a version differs from its manifest, 2 for a mistake that the admin must correct, 130 if
        it was stopped.
    """
    configure_log("WARNING")
    # The bot's own warnings are findings of the report.
    logging.getLogger("bot").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from bot.export.options import read_options

        return _run(read_options(arguments, program))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except BrokenPipeError:  # an OSError too, but about the output and not about a file
        raise
    except OSError as error:
        cause = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"error: {cause}; check the path and its permissions", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        print("\nstopped; nothing unfinished is used, and the next run removes what is left", file=sys.stderr)
        return exit_codes.STOPPED


def _run(options: argparse.Namespace) -> int:
    from bot.export import housekeeping
    from bot.export.options import order_of
    from bot.export.pipeline import make_version
    from bot.export.progress import ProgressLine

    order = order_of(options)  # finds what contradicts itself
    with _own_lines_for_log(ProgressLine(sys.stderr)) as progress:
        if options.list:
            housekeeping.list_versions(options.output, print)
        elif options.rollback is not None:
            housekeeping.roll_back(options.output, _named(options.rollback), progress)
        elif options.verify is not None:
            return 0 if housekeeping.verify_versions(options.output, _named(options.verify), progress) else 1
        elif options.prune is not None:
            housekeeping.prune_versions(options.output, options.prune, print)
        else:
            make_version(order, progress)
    return 0


def _named(version: str | Literal[True]) -> str | None:
    """The version that a flag names; None for a flag alone."""
    return None if version is True else version


@contextmanager
def _own_lines_for_log(progress: ProgressLine) -> Iterator[ProgressLine]:
    """End the progress's line before each line of the log, and at the end of the block."""

    def make_room(_record: logging.LogRecord) -> bool:
        progress.end()
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(make_room)
    try:
        yield progress
    finally:
        for handler in handlers:
            handler.removeFilter(make_room)
        progress.end()
