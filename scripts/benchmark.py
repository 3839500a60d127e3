"""Measure the bot's engines side by side on this machine.

Every figure is taken through the bot's own engine process, as the bot uses it. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarking.engine_run import Report
    from benchmarking.plan import Plan

# The engine process imports this file again, so what only the benchmark needs is imported further down: it would
# count as the engine's memory and time otherwise.

_ENGINES = ("paged", "genai", "optimum")


def main() -> int:
    """Measure what the command line asks for, write the results, and return the exit code."""
    from benchmarking.plan import SIZES

    from bot.errors import ConfigurationError

    arguments = _arguments()
    try:
        return asyncio.run(_run(arguments, SIZES[arguments.size]))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder that optimum-cli export openvino wrote")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("artifacts/benchmark"),
        help="where .md, .json and .png are written (default: %(default)s)",
    )
    parser.add_argument("--engines", type=_engines, default=_ENGINES, help="default: paged,genai,optimum")
    parser.add_argument(
        "--size",
        choices=("full", "short", "quick"),
        default="full",
        help="short: for a large model on a slow machine; quick: a trial of the benchmark (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=(),
        metavar="MEASURES",
        help="such as one_chat,together_8,next_turn_3000,newcomer,crowd",
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep the engines that an interrupted run into the same output completed"
    )
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _engines(text: str) -> tuple[str, ...]:
    names = _names(text)
    if not set(names) <= set(_ENGINES) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(_ENGINES)}, each once")
    return names


async def _run(arguments: argparse.Namespace, plan: Plan) -> int:
    """Measure one engine after the other, so that only one is in memory, and write after each measure."""
    from bot.errors import ConfigurationError
    from bot.model.folder import open_model_folder
    from bot.settings import load_settings

    if missing := [name for name in ("psutil", "matplotlib") if find_spec(name) is None]:
        raise ConfigurationError(f"the benchmark needs {' and '.join(missing)}; run: pip install '.[development]'")
    from benchmarking.engine_run import EngineRun
    from benchmarking.report import new_report, resumed_report, write_report

    folder, output = open_model_folder(arguments.model), arguments.output
    report = resumed_report(folder, plan, output) if arguments.resume else new_report(folder, plan)
    began = time.monotonic()
    for engine in [name for name in arguments.engines if name not in report["engines"]]:

        def say(line: str, engine: str = engine) -> None:
            print(f"{time.monotonic() - began:6.0f} s  {engine}: {line}", flush=True)

        def keep(figures: Report, engine: str = engine) -> None:
            report["engines"][engine] = figures
            write_report(report, output)

        options = load_settings(env_file=None, model_dir=folder.path, engine=engine).engine_options
        keep(await EngineRun(options, folder, plan, say, arguments.only, keep).measure_all())
    return _conclude(report, output)


def _conclude(report: Report, output: Path) -> int:
    """Draw the plot, show the table, and return the exit code: 1 if no engine could be measured."""
    from benchmarking.plot import save_plot  # not earlier: matplotlib's memory would count as the bot's

    save_plot(report, output.with_suffix(".png"))
    print(f"\n{output.with_suffix('.md').read_text(encoding='utf-8')}")
    print(f"Written: {', '.join(str(output.with_suffix(suffix)) for suffix in ('.md', '.json', '.png'))}")
    return 0 if any("failed" not in engine for engine in report["engines"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
