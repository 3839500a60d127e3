"""The command-line parts that the benchmark and the suites share.

An engine process imports its parent's main script again, so what is heavy is imported where it is used: it would count
as the engine's memory and start-up time otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol

import own_python  # noqa: F401 - for one line instead of a traceback

from bot.arguments import OneLineParser, existing_folder, text, whole_number

_EXPORTED_FOLDER = "a folder that optimum-cli export openvino wrote"


class SuiteReport(Protocol):
    """The result of a suite."""

    @property
    def passed(self) -> bool:
        """Whether nothing went wrong."""

    def lines(self) -> list[str]:
        """The figures for the terminal."""


def measuring_parser(description: str | None, *, output: str) -> argparse.ArgumentParser:
    """Return a parser for a script that measures a model and writes tables.

    Args:
        output: the default path of the results, without a suffix.
    """
    parser = OneLineParser(description=description)
    parser.add_argument("--model", type=existing_folder, required=True, help=_EXPORTED_FOLDER)
    parser.add_argument(
        "--output",
        type=_output,
        default=Path(output),
        help="where to write the results, no suffix (default: %(default)s)",
    )
    return parser


def suite_parser(description: str | None, *, rounds: int, strikes: str) -> argparse.ArgumentParser:
    """Return a parser for a suite that breaks something round after round.

    Args:
        rounds: the default number of rounds.
        strikes: what happens in each round, for the help.
    """
    parser = OneLineParser(description=description)
    parser.add_argument(
        "--rounds", type=whole_number(1), default=rounds, help=f"how often {strikes} (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="seed of everything drawn at random (default: %(default)s)"
    )
    parser.add_argument(
        "--model", type=existing_folder, help=f"{_EXPORTED_FOLDER} (default: a tiny model, written for this run)"
    )
    return parser


def _output(value: str) -> Path:
    return Path(text(value))


def run_to_exit_code(work: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a script's work and return its exit code; a configuration error becomes one line."""
    from bot.errors import ConfigurationError

    try:
        return asyncio.run(work())
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        return 130


def say(line: str) -> None:
    """Print a line at once, even into a pipe."""
    print(line, flush=True)


def say_with_seconds() -> Callable[[str], None]:
    """Return a `say` that puts the seconds since this call before each line."""
    began = time.monotonic()
    return lambda line: say(f"{time.monotonic() - began:6.0f} s  {line}")


def print_suite_report(report: SuiteReport) -> int:
    """Print a suite's figures and return the exit code: 0 if it passed."""
    print("", *report.lines(), sep="\n")
    return 0 if report.passed else 1


def print_tables(written: Iterable[Path], table: Path, measured: Iterable[dict[str, Any]]) -> int:
    """Print a table and where the results are; return the exit code: 0 if anything could be measured.

    Args:
        written: the files with results.
        table: the one among them to print.
        measured: the results; one that holds `failed` has no figures.
    """
    print(f"\n{table.read_text(encoding='utf-8')}")
    print(f"Written: {', '.join(map(str, written))}")
    return 0 if any("failed" not in each for each in measured) else 1
