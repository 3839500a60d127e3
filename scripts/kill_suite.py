"""Kill the whole bot at random moments while members ask it things, restart it, and check every answer.

The exit code is 1 if a question was dropped or answered twice, if memory differs from what was answered, if an answer
has other tokens than without any cache, or if a process was left behind.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from command_line import print_suite_report, run_to_exit_code, say, suite_parser
from kill_injection.suite import KillSuite
from tiny_models.wordy import write_wordy_model


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    parser = suite_parser(__doc__, rounds=100, strikes="the bot is killed")
    parser.add_argument("--keep", type=Path, help="a new folder in which the bot's database and log stay")
    arguments = parser.parse_args()
    return run_to_exit_code(lambda: _run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model_dir = arguments.model
        if model_dir is None:
            say("writing the tiny model")
            model_dir = write_wordy_model(Path(folder) / "model")
        data = (arguments.keep or Path(folder) / "bot").resolve()
        data.mkdir(parents=True)
        suite = KillSuite(model_dir.resolve(), data, rounds=arguments.rounds, seed=arguments.seed, say=say)
        return print_suite_report(await suite.run())


if __name__ == "__main__":
    sys.exit(main())
