"""Measure the bot's engines side by side on this machine, the cost of idle conversations, crowds on Discord,
what a history costs whoever returns to it, and what drafts are worth.

Every engine runs in the bot's own engine process, but the one that an oracle drafts for. Leave the machine idle
otherwise.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import measuring_parser, print_tables, run_to_exit_code, say_with_seconds

from bot.arguments import existing_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarking.engine_run import Report
    from benchmarking.measures import Figures
    from benchmarking.plan import Plan

    from bot.model.folder import ModelFolder

# `command_line` says why nothing heavy is imported here.

_ENGINES = ("paged", "genai", "optimum")
_WITHOUT_ENGINE = ("idle", "discord", "returning", "drafts", "oracle")
"""What loads OpenVINO into this process comes last: its memory would count as the bot's."""

_RANDOM = "random"


def main() -> int:
    """Measure what the command line asks for, write the results, and return the exit code."""
    from benchmarking.plan import SIZES

    arguments = _arguments()
    return run_to_exit_code(lambda: _run(arguments, SIZES[arguments.size]))


def _arguments() -> argparse.Namespace:
    parser = measuring_parser(__doc__, output="artifacts/benchmark")
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
        help="such as one_chat,together_8,next_turn_3000,newcomer,crowd,idle,discord,returning,drafts,oracle; the last "
        "five choose no engine",
    )
    parser.add_argument(
        "--draft-model",
        type=_draft_model,
        metavar="FOLDER",
        help="a small model with the same tokenizer: it drafts in `drafts`, and an oracle takes its time in `oracle`; "
        f"`{_RANDOM}`: one of random weights, made for this run, for the oracle alone",
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what an interrupted run with the same output completed"
    )
    return parser.parse_args()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _draft_model(text: str) -> Path | str:
    return text if text == _RANDOM else existing_folder(text)


def _engines(text: str) -> tuple[str, ...]:
    names = _names(text)
    if not set(names) <= set(_ENGINES) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(_ENGINES)}, each once")
    return names


async def _run(arguments: argparse.Namespace, plan: Plan) -> int:
    """Measure the engines one after another, so that only one is in memory, and write after each measure."""
    from bot.errors import ConfigurationError
    from bot.model.folder import open_model_folder
    from bot.own_command import install_command

    if missing := [name for name in ("psutil", "matplotlib") if find_spec(name) is None]:
        raise ConfigurationError(f"the benchmark needs {' and '.join(missing)}; run `{install_command('development')}`")
    from benchmarking.report import new_report, resumed_report

    folder, output = open_model_folder(arguments.model), arguments.output
    report = resumed_report(folder, plan, output) if arguments.resume else new_report(folder, plan)
    say = say_with_seconds()
    if not arguments.only or not set(arguments.only) <= set(_WITHOUT_ENGINE):
        await _measure_engines(arguments, folder, plan, report, say)
    for part in _WITHOUT_ENGINE:
        if part in (arguments.only or _WITHOUT_ENGINE) and part not in report:
            await _measure_part(part, folder, plan, report, arguments, say)
    return _conclude(report, output)


async def _measure_engines(
    arguments: argparse.Namespace, folder: ModelFolder, plan: Plan, report: Report, say: Callable[[str], None]
) -> None:
    from benchmarking.engine_run import EngineRun
    from benchmarking.report import write_report

    from bot.settings import load_settings

    for engine in [name for name in arguments.engines if name not in report["engines"]]:

        def say_of(line: str, engine: str = engine) -> None:
            say(f"{engine}: {line}")

        def keep(figures: Report, engine: str = engine) -> None:
            report["engines"][engine] = figures
            write_report(report, arguments.output)

        # Without the disk cache, which would hold the prompts of an earlier run.
        settings = load_settings(env_file=None, model_dir=folder.path, engine=engine, kv_disk_gigabytes=0)
        options = settings.engine_options
        keep(await EngineRun(options, folder, plan, say_of, arguments.only, keep).measure_all())


async def _measure_part(
    part: str,
    folder: ModelFolder,
    plan: Plan,
    report: Report,
    arguments: argparse.Namespace,
    say: Callable[[str], None],
) -> None:
    from benchmarking.discord_crowd import discord_crowds
    from benchmarking.drafts import drafts
    from benchmarking.drafts_oracle_measures import oracle
    from benchmarking.idle_conversations import idle_conversations
    from benchmarking.report import write_report
    from benchmarking.returning import returning

    output = arguments.output
    draft_model = None if arguments.draft_model == _RANDOM else arguments.draft_model

    def keep(figures: Figures) -> None:
        report[part] = figures
        write_report(report, output)

    measures: dict[str, Callable[[ModelFolder, Plan, Path, Callable[[str], None]], Awaitable[Figures]]] = {
        "idle": idle_conversations,
        "discord": discord_crowds,
        "returning": partial(returning, keep=keep),
        "drafts": partial(drafts, draft_model=draft_model),
        "oracle": partial(oracle, draft_model=arguments.draft_model, keep=keep),
    }
    # Beside the results, because temporary files may be in memory.
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        report[part] = await measures[part](folder, plan, output.parent, lambda line: say(f"{part}: {line}"))
    except Exception as error:  # noqa: BLE001 - reported with its reason; the engines' figures stay
        report[part] = {"failed": " ".join(str(error).split()) or type(error).__name__}
        say(f"{part} failed: {report[part]['failed']}")
    write_report(report, output)


def _conclude(report: Report, output: Path) -> int:
    """Save the plot, print the tables, and return the exit code: 1 if nothing could be measured."""
    written = [output.with_suffix(".md"), output.with_suffix(".json")]
    if report["engines"]:
        from benchmarking.plot import save_plot  # only now: matplotlib's memory would count as the bot's

        written.append(output.with_suffix(".png"))
        save_plot(report, written[-1])
    measured = [*report["engines"].values(), *(report[part] for part in _WITHOUT_ENGINE if part in report)]
    return print_tables(written, written[0], measured)


if __name__ == "__main__":
    sys.exit(main())
