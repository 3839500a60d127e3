"""Measure the effect of OpenVINO's device properties on a model's speed and quality on this machine.

Each set of properties runs in the bot's own engine process, one after another. Leave the machine idle otherwise.
"""

from __future__ import annotations

import argparse
import json
import sys

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
from command_line import measuring_parser, print_tables, run_to_exit_code, say_with_seconds

from bot.model.folder import open_model_folder
from bot.settings import load_settings


def main() -> int:
    """Measure what the command line asks for, write the results, and return the exit code."""
    arguments = _arguments()
    return run_to_exit_code(lambda: _run(arguments))


def _arguments() -> argparse.Namespace:
    parser = measuring_parser(__doc__, output="artifacts/properties")
    parser.add_argument("--engine", choices=("paged", "genai"), default="paged", help="default: %(default)s")
    parser.add_argument(
        "--sets",
        type=_sets,
        default=DEFAULT_SETS,
        metavar="JSON",
        help="""such as '[{}, {"KV_CACHE_PRECISION": "u4"}]'; the most exact set always comes first """
        "(default: dynamic quantization groups, inference precisions and KV cache precisions)",
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
    """Measure the sets one after another, and write after each."""
    folder = open_model_folder(arguments.model)
    # Without the disk cache: what is compared must be computed.
    settings = load_settings(env_file=None, model_dir=folder.path, engine=arguments.engine, kv_disk_gigabytes=0)
    options = settings.engine_options
    sizes = QUICK if arguments.quick else Sizes()
    prompts, report, say = Prompts(folder), new_report(folder, arguments.engine, sizes), say_with_seconds()
    for properties in (EXACT, *arguments.sets):
        say(named(properties))
        report["sets"].append(await measure_set(options, prompts, sizes, properties))
        compare_with_exact(report)
        write_report(report, arguments.output)
    table, figures = (arguments.output.with_suffix(suffix) for suffix in (".md", ".json"))
    return print_tables((table, figures), table, report["sets"])


if __name__ == "__main__":
    sys.exit(main())
