"""Measure the bot's engines side by side on this machine, the cost of idle conversations, crowds on Discord,
members of one channel side by side, what a history costs whoever returns to it, and what drafts are worth.

The engines take turns, each in a process of its own, but the one that an oracle drafts for; LLAMA_SERVER=PROGRAM and
--gguf add llama.cpp's server. Leave the machine idle otherwise.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarking.plan import LLAMA_CPP, SIZES
from command_line import measuring_parser, print_tables, run_to_exit_code, say_with_seconds

from bot.arguments import existing_file, existing_folder, whole_number

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from benchmarking.engine_run import Report
    from benchmarking.measures import Figures
    from benchmarking.plan import Plan
    from benchmarking.rounds import NewEngine

    from bot.model.folder import ModelFolder

# `command_line` says why nothing heavy is imported here.

_BOT_ENGINES = ("paged", "genai", "optimum")
_ENGINES = (*_BOT_ENGINES, LLAMA_CPP)
_WITH_ENGINES = "engines"
_WITHOUT_ENGINE = ("idle", "discord", "side_by_side", "returning", "drafts", "oracle")
"""What loads OpenVINO into this process comes last: its memory would count as the bot's."""

_RANDOM = "random"


def main() -> int:
    """Measure what the command line asks for, write the results, and return the exit code."""
    # A process that is told to end ends its engine first: llama.cpp's server would stay in memory.
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP, and nohup ignores it
        ending = getattr(signal, name, None)
        if ending is not None and signal.getsignal(ending) is signal.SIG_DFL:
            signal.signal(ending, signal.default_int_handler)
    arguments = _arguments()
    return run_to_exit_code(lambda: _run(arguments, SIZES[arguments.size]))


def _arguments() -> argparse.Namespace:
    parser = measuring_parser(__doc__, output="artifacts/benchmark")
    parser.add_argument(
        "--engines",
        type=_engines,
        help="each is compared with the first (default: paged,genai,optimum, and llama.cpp where it can be measured)",
    )
    parser.add_argument("--gguf", type=existing_file, help="llama.cpp's model, which should be the same as --model")
    parser.add_argument(
        "--rounds",
        type=whole_number(1),
        default=3,
        help="how often every engine is loaded and measured in turn; a claim needs three (default: %(default)s)",
    )
    parser.add_argument(
        "--size",
        choices=tuple(SIZES),
        default="full",
        help="short: for a large model on a slow machine; quick: a trial of the benchmark (default: %(default)s)",
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=(),
        metavar="MEASURES",
        help="such as engines,one_chat,together_8,next_turn_3000,newcomer,crowd,idle,discord,side_by_side,returning,"
        "drafts,oracle; engines are the measures of the size, the last six choose no engine",
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
    arguments = parser.parse_args()
    if arguments.draft_model == arguments.model:
        parser.error("argument --draft-model: is --model itself; name a smaller model")
    known = (_WITH_ENGINES, *SIZES[arguments.size].measures, *_WITHOUT_ENGINE)
    if unknown := [name for name in arguments.only if name not in known]:
        parser.error(f"argument --only: {unknown[0]!r} is none of {', '.join(known)}")
    return arguments


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
    """Measure the engines, then the rest, and write after each measure."""
    from benchmarking.report import new_report, resumed_report

    from bot.model.folder import open_model_folder

    folder, output, say = open_model_folder(arguments.model), arguments.output, say_with_seconds()
    if arguments.resume:
        report = resumed_report(folder, plan, output, arguments.gguf)
    else:
        report = new_report(folder, plan, arguments.gguf)
    if not arguments.only or not set(arguments.only) <= set(_WITHOUT_ENGINE):
        await _measure_engines(arguments, folder, plan, report, say)
    for part in _WITHOUT_ENGINE:
        if part in (arguments.only or _WITHOUT_ENGINE) and part not in report:
            await _measure_part(part, folder, plan, report, arguments, say)
    return _conclude(report, output)


async def _measure_engines(
    arguments: argparse.Namespace, folder: ModelFolder, plan: Plan, report: Report, say: Callable[[str], None]
) -> None:
    from benchmarking.rounds import Rounds

    engines = _new_engines(arguments, folder, plan, say)
    chosen = [name for name in arguments.only if name in plan.measures]
    if chosen and _WITH_ENGINES in arguments.only:
        chosen += [name for name in plan.compared if name not in chosen]
    await Rounds(engines, folder, plan, report, arguments.output, chosen, say).measure(arguments.rounds)


def _new_engines(
    arguments: argparse.Namespace, folder: ModelFolder, plan: Plan, say: Callable[[str], None]
) -> dict[str, NewEngine]:
    """Return what makes each chosen engine, by name.

    Raises:
        ConfigurationError: llama.cpp is chosen, and its program or model is missing.
    """
    from benchmarking.rounds import bot_engine, llama_engine

    from bot.errors import ConfigurationError

    program, gguf = os.environ.get("LLAMA_SERVER"), arguments.gguf
    names = arguments.engines or (_ENGINES if program and gguf else _BOT_ENGINES)
    if LLAMA_CPP in names or gguf:
        if not program:
            raise ConfigurationError("llama.cpp's server is not known; set LLAMA_SERVER to its program")
        if not gguf:
            raise ConfigurationError("llama.cpp's model is not known; name its file with --gguf")
    elif program and not arguments.engines:
        say("llama.cpp is left out, because --gguf names no model for it")
    return {
        name: bot_engine(name, folder) if name != LLAMA_CPP else llama_engine(program or "", gguf, folder, plan)
        for name in names
    }


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
    from benchmarking.side_by_side import side_by_side

    output = arguments.output
    draft_model = None if arguments.draft_model == _RANDOM else arguments.draft_model

    def keep(figures: Figures) -> None:
        report[part] = figures
        write_report(report, output)

    measures: dict[str, Callable[[ModelFolder, Plan, Path, Callable[[str], None]], Awaitable[Figures]]] = {
        "idle": idle_conversations,
        "discord": discord_crowds,
        "side_by_side": side_by_side,
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
    """Print the tables and return the exit code: 1 if nothing could be measured."""
    written = [output.with_suffix(".md"), output.with_suffix(".json")]
    turns = [turn for turns in report["rounds"] for turn in turns.values()]
    measured = [*turns, *(report[part] for part in _WITHOUT_ENGINE if part in report)]
    return print_tables(written, written[0], measured)


if __name__ == "__main__":
    sys.exit(main())
