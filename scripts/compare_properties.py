"""Measure what OpenVINO's device properties do to a model's speed and quality on this machine.

Each set of properties is loaded into the bot's own engine process, one after another. Leave the machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarking.prompts import Prompts
from benchmarking.properties import (
    DEFAULT_SETS,
    EXACT,
    QUICK,
    Properties,
    Sizes,
    compare_with_exact,
    measure_set,
    named,
    new_report,
    write_report,
)

from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder
from bot.settings import load_settings


def main() -> int:
    """Measure what the command line asks for, write the results, and return the exit code."""
    try:
        return asyncio.run(_run(_arguments()))
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder that optimum-cli export openvino wrote")
    parser.add_argument("--engine", choices=("paged", "genai"), default="paged", help="default: %(default)s")
    parser.add_argument(
        "--sets",
        type=_sets,
        default=DEFAULT_SETS,
        metavar="JSON",
        help="""such as '[{}, {"KV_CACHE_PRECISION": "u4"}]'; the most exact set always comes first """
        "(default: dynamic quantization groups, inference precisions and KV cache precisions)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("artifacts/properties"),
        help="where .md and .json are written (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="a trial with small sizes")
    return parser.parse_args()


def _sets(text: str) -> tuple[Properties, ...]:
    try:
        sets = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"this is not JSON ({error})") from None
    if not isinstance(sets, list) or not all(isinstance(each, dict) for each in sets):
        raise argparse.ArgumentTypeError("this is not a list of objects")
    return tuple({name: str(value) for name, value in each.items()} for each in sets)


async def _run(arguments: argparse.Namespace) -> int:
    """Measure one set after another and write after each."""
    folder = open_model_folder(arguments.model)
    options = load_settings(env_file=None, model_dir=folder.path, engine=arguments.engine).engine_options
    sizes = QUICK if arguments.quick else Sizes()
    prompts, report, began = Prompts(folder), new_report(folder, arguments.engine, sizes), time.monotonic()
    for properties in (EXACT, *arguments.sets):
        print(f"{time.monotonic() - began:6.0f} s  {named(properties)}", flush=True)
        report["sets"].append(await measure_set(options, prompts, sizes, properties))
        compare_with_exact(report)
        write_report(report, arguments.output)
    print(f"\n{arguments.output.with_suffix('.md').read_text(encoding='utf-8')}")
    print(f"Written: {', '.join(str(arguments.output.with_suffix(suffix)) for suffix in ('.md', '.json'))}")
    return 0 if any("failed" not in each for each in report["sets"]) else 1


if __name__ == "__main__":
    sys.exit(main())
