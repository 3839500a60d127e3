"""Kill, stop and crash the engine at random moments while it is busy, and check every answer.

The exit code is 1 if a request was dropped, answered twice or answered wrong, or if anything was left behind.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from command_line import print_suite_report, run_to_exit_code, say, suite_parser

# `command_line` says why nothing heavy is imported here.

_HANG_SECONDS = 2.0
_QUESTIONS = 200


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    arguments = suite_parser(__doc__, rounds=200, strikes="the engine is struck").parse_args()
    return run_to_exit_code(lambda: _run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from bot.errors import ConfigurationError
    from bot.model.versions import current_model_folder

    if os.name != "posix":
        raise ConfigurationError("the faults are POSIX signals; run this on Linux or macOS")
    if arguments.model is not None:
        return await _strike(arguments, current_model_folder(arguments.model))
    from tiny_models.phi3 import write_tiny_phi3

    with tempfile.TemporaryDirectory() as folder:
        say("writing the tiny model")
        return await _strike(arguments, write_tiny_phi3(Path(folder)))


async def _strike(arguments: argparse.Namespace, model_dir: Path) -> int:
    from fault_injection.suite import FaultSuite, exact_options

    options = exact_options(model_dir, _HANG_SECONDS)
    suite = FaultSuite(options, rounds=arguments.rounds, questions=_QUESTIONS, seed=arguments.seed, say=say)
    return print_suite_report(await suite.run())


if __name__ == "__main__":
    sys.exit(main())
