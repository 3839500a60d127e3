"""Kill, stop and crash the engine at random moments while it is busy, and check every answer.

The exit code is 1 if a request was lost, answered twice or answered wrong, or if anything was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

# The engine process imports this file again, so what only the suite needs is imported further down.

_HANG_SECONDS = 2.0
_QUESTIONS = 200


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    from bot.errors import ConfigurationError
    from bot.model.versions import current_model_folder

    arguments = _arguments()
    try:
        if os.name != "posix":
            raise ConfigurationError("the faults are POSIX signals; run this on Linux or macOS")
        if arguments.model is not None:
            return asyncio.run(_run(arguments, current_model_folder(arguments.model)))
        with tempfile.TemporaryDirectory() as folder:
            return asyncio.run(_run(arguments, _write_tiny_model(Path(folder))))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="how often the engine is lost (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn at random (default: %(default)s)")
    parser.add_argument(
        "--model", type=Path, help="a folder that optimum-cli export openvino wrote (default: a tiny one)"
    )
    return parser.parse_args()


def _write_tiny_model(folder: Path) -> Path:
    from tiny_models.phi3 import write_tiny_phi3

    print("making the tiny model", flush=True)
    return write_tiny_phi3(folder)


async def _run(arguments: argparse.Namespace, model_dir: Path) -> int:
    from fault_injection.suite import FaultSuite, exact_options

    def say(line: str) -> None:
        print(line, flush=True)

    options = exact_options(model_dir, _HANG_SECONDS)
    suite = FaultSuite(options, rounds=arguments.rounds, questions=_QUESTIONS, seed=arguments.seed, say=say)
    report = await suite.run()
    print("", *report.lines(), sep="\n")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
