"""The command line: `python -m bot`, and `phi-bot` once the package is installed.

The engine process imports the main file again (multiprocessing's spawn), and each command needs its own parts only:
`prompt` no Discord, `run` nothing of the demo or the export. So commands are imported when they run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.errors import ConfigurationError

_HIGHEST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 for a proper end, 1 for a failure, 2 for a mistake in the setup.

    Args:
        arguments: without the program's name; None takes the process's own.
    """
    prepare_process()
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments[:1]) == ["export"]:
        from bot.cli.export import export

        return export(arguments[1:], program=f"{_program()} export")
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    except ConnectionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Ctrl-C and SIGTERM are the normal ways to stop the bot.
        return 0
    return code


def prepare_process() -> None:
    """Set what a command needs before it imports its parts."""
    # transformers only provides tokenizers and templates here; its advice to install torch would mislead.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    # A Windows console may default to a code page that cannot show what a model writes.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _program() -> str:
    name = Path(sys.argv[0]).stem
    return "python -m bot" if name == "__main__" else name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program(), description="A Discord bot that talks through Phi-3.")
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    run = commands.add_parser("run", help="run the bot on Discord (the default)")
    run.set_defaults(command=_run)
    demo = commands.add_parser("demo", help="try the bot on this machine, without Discord")
    demo.add_argument("--say", action="append", metavar="TEXT", help="mention the bot with this text; may be repeated")
    demo.add_argument("--model", type=Path, metavar="DIR", help="a model folder (default: fetch a small model)")
    demo.add_argument("--port", type=_port, default=0, help="the page's port (default: a free one)")
    demo.set_defaults(command=_demo)
    # Only for the list of commands: `main` hands its arguments over before they are parsed here.
    commands.add_parser("export", help="export a model, or list, verify and switch its versions", add_help=False)
    prompt = commands.add_parser("prompt", help="print the prompt that a list of messages becomes, as JSON")
    prompt.add_argument("--model", type=Path, required=True, metavar="DIR", help="a folder with a tokenizer")
    prompt.add_argument("file", type=Path, metavar="FILE.json", help='a list of {"role": …, "content": …}')
    prompt.set_defaults(command=_prompt)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be 0 to {_HIGHEST_PORT}")
    return port


def _run(_options: argparse.Namespace) -> int:
    from bot.cli.run import run

    return run()


def _demo(options: argparse.Namespace) -> int:
    from bot.cli.demo import demo

    return demo(model_dir=options.model, say=options.say or [], port=options.port)


def _prompt(options: argparse.Namespace) -> int:
    from bot.cli.prompt import prompt_as_json

    print(prompt_as_json(options.model, options.file))
    return 0
