"""Kill the whole bot at random moments while people ask it things, start it again, and check every answer.

The exit code is 1 if a question was lost, answered twice, or is remembered otherwise than it was answered, or if a
process was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from kill_injection.model import write_wordy_model
from kill_injection.suite import KillSuite


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        model_dir = arguments.model
        if model_dir is None:
            print("making the tiny model", flush=True)
            model_dir = write_wordy_model(Path(folder) / "model")
        data = (arguments.keep or Path(folder) / "bot").resolve()
        data.mkdir(parents=True)
        try:
            return asyncio.run(_run(arguments, model_dir.resolve(), data))
        except KeyboardInterrupt:
            return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="how often the bot is killed (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn at random (default: %(default)s)")
    parser.add_argument("--model", type=Path, help="a folder that an earlier run's model was written to (default: new)")
    parser.add_argument("--keep", type=Path, help="a new folder in which the bot's file and log stay")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace, model_dir: Path, folder: Path) -> int:
    def say(line: str) -> None:
        print(line, flush=True)

    suite = KillSuite(model_dir, folder, rounds=arguments.rounds, seed=arguments.seed, say=say)
    report = await suite.run()
    print("", *report.lines(), sep="\n")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
