"""The command line: `python -m bot`, and `phi-bot` once the package is installed.

The engine process imports the main file again (multiprocessing's spawn), and each command needs its own parts only:
`prompt` no Discord, `run` nothing of the demo or the export. So commands are imported when they run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.arguments import OneLineParser, existing_folder
from bot.cli import backup, exit_codes
from bot.cli.demo import add_arguments, demo
from bot.cli.doctor import add_command as add_doctor
from bot.cli.streams import drop_output, open_closed_streams, takes_output
from bot.errors import ConfigurationError
from bot.own_command import missing_package, own_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code.

    Args:
        arguments: without the program's name; None takes the process's own.

    Returns:
        0 for a proper end, 1 for a failure, 2 for a mistake in the setup, 130 if the work was stopped before its end,
        141 if nobody reads the output any more.
    """
    return as_program(lambda: _run_command(sys.argv[1:] if arguments is None else arguments))


def as_program(work: Callable[[], int]) -> int:
    """Prepare this process for the bot's parts, do the work, and return its exit code.

    Args:
        work: imports the parts that it needs.
    """
    _prepare_process()
    try:
        try:
            return work()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        drop_output(sys.stdout, sys.stderr)
        return exit_codes.READER_GONE
    except OSError as error:
        if takes_output():
            raise
        drop_output(sys.stdout)
        print(f"error: the output cannot be written: {error.strerror}; write it elsewhere", file=sys.stderr)
        return 1


def _prepare_process() -> None:
    open_closed_streams()
    # transformers only provides tokenizers and templates here; its advice to install torch would mislead.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # A Windows console may default to a code page that cannot show what a model writes.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _run_command(arguments: Sequence[str]) -> int:
    try:
        if list(arguments[:1]) == ["export"]:
            from bot.cli.export import export

            return export(arguments[1:], program=own_command("export"))
        options = _parser().parse_args(arguments)
        code: int = options.command(options)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.EXIT_CODE
    except ModuleNotFoundError as error:
        print(f"error: {missing_package(error, *arguments)}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except BrokenPipeError:
        raise
    except ConnectionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Ctrl-C and SIGTERM are the normal ways to stop the bot.
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog=own_command(), description="A Discord bot that talks through Phi-3.")
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    purpose = "run the bot on Discord (the default)"
    run = commands.add_parser("run", help=purpose, description=f"{_sentence(purpose)} Settings are in .env.")
    run.set_defaults(command=_run)
    purpose = "try the bot on this machine, without Discord"
    trial = commands.add_parser("demo", help=purpose, description=_sentence(purpose))
    add_arguments(trial)
    trial.set_defaults(command=demo)
    add_doctor(commands)
    backup.add_commands(commands)
    # Only for the list of commands: `main` hands its arguments over before they are parsed here.
    commands.add_parser("export", help="export a model, or list, verify and switch its versions", add_help=False)
    purpose = "print the prompt that a list of messages becomes, as JSON"
    prompt = commands.add_parser("prompt", help=purpose, description=_sentence(purpose))
    prompt.add_argument(
        "--model", type=existing_folder, required=True, metavar="FOLDER", help="a folder with a tokenizer"
    )
    prompt.add_argument("file", metavar="FILE.json", help='a list of {"role": …, "content": …}')
    prompt.set_defaults(command=_prompt)
    return parser


def _sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}."


def _run(_options: argparse.Namespace) -> int:
    from bot.cli.run import run

    return run()


def _prompt(options: argparse.Namespace) -> int:
    from bot.cli.prompt import prompt_as_json

    try:
        print(prompt_as_json(options.model, Path(options.file)))
    except KeyboardInterrupt:
        return exit_codes.STOPPED
    return 0
