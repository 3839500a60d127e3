"""Kill the engine and the bot while the disk cache is written, damage its files, and check every answer.

The exit code is 1 if an answer had another token than without any cache, or if a damaged file was kept.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from command_line import print_suite_report, run_to_exit_code, say, suite_parser

# `command_line` says why nothing heavy is imported here.


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    arguments = suite_parser(__doc__, rounds=100, strikes="engine or bot are killed").parse_args()
    return run_to_exit_code(lambda: _run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    from bot.errors import ConfigurationError
    from bot.model.versions import current_model_folder

    if os.name != "posix":
        raise ConfigurationError("the kills are POSIX signals; run this on Linux or macOS")
    from tiny_models.wordy import write_wordy_model

    with tempfile.TemporaryDirectory() as folder:
        model_dir = arguments.model
        if model_dir is None:
            say("writing the tiny model")
            model_dir = write_wordy_model(Path(folder, "model"))
        return await _kill(arguments, current_model_folder(model_dir), Path(folder))


async def _kill(arguments: argparse.Namespace, model_dir: Path, folder: Path) -> int:
    from disk_cache_faults.suite import DiskCacheFaultSuite, exact_options

    options = exact_options(model_dir)
    suite = DiskCacheFaultSuite(options, folder / "cache", rounds=arguments.rounds, seed=arguments.seed, say=say)
    return print_suite_report(await suite.run())


if __name__ == "__main__":
    sys.exit(main())
