"""`python -m bot`: the bot on Discord; `demo` without Discord; `prompt` to look into a prompt."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.errors import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line's, without the program's name; None takes the process's own.

    Returns:
        the exit code: 0 for a proper end, 1 for a failure, 2 for something that the person who runs it must mend.
    """
    # transformers is here for its tokenizers and templates; that torch is absent is no news to whoever serves.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    _write_utf8()
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
        # Ctrl-C and SIGTERM are how the bot is ended.
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="A Discord bot that talks through Phi-3.")
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(title="commands", metavar="")
    run = commands.add_parser("run", help="run the bot on Discord (what happens without a command, too)")
    run.set_defaults(command=_run)
    demo = commands.add_parser("demo", help="try the bot on this machine, without Discord")
    demo.add_argument("--say", action="append", metavar="TEXT", help="mention the bot with this text; may be repeated")
    demo.add_argument("--model", type=Path, metavar="DIR", help="a model folder (default: a small model is fetched)")
    demo.add_argument("--port", type=int, default=0, help="the page's port (default: a free one)")
    demo.set_defaults(command=_demo)
    prompt = commands.add_parser("prompt", help="print what messages become for a model, as JSON")
    prompt.add_argument("--model", type=Path, required=True, metavar="DIR", help="a folder with the tokenizer's files")
    prompt.add_argument("file", type=Path, metavar="FILE.json", help='a list of {"role": …, "content": …}')
    prompt.set_defaults(command=_prompt)
    return parser


# Each command imports its own parts: `prompt` needs no Discord, `run` needs nothing of the demo.


def _run(_options: argparse.Namespace) -> int:
    from bot.application import Application
    from bot.cli.progress import Progress
    from bot.settings import load_settings

    async def run() -> None:
        async with Progress().ticking() as progress:
            await Application(settings, progress).run()

    settings = load_settings()
    _log(settings.log_level)
    asyncio.run(run())
    return 0


def _demo(options: argparse.Namespace) -> int:
    try:
        from bot.demo.command import run_demo
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the demo needs {error.name}; install it with: pip install -c constraints.txt '.[demo]'"
        ) from error
    _log("WARNING")
    return asyncio.run(run_demo(model_dir=options.model, say=options.say or [], port=options.port))


def _prompt(options: argparse.Namespace) -> int:
    from bot.cli.prompt import prompt_as_json

    print(prompt_as_json(options.model, options.file))
    return 0


def _log(level: str) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # It tells which of its own plug-ins it loads.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _write_utf8() -> None:
    # Windows consoles may default to a code page that cannot show what a model writes.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
