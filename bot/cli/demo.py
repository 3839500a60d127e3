"""`demo`: the bot without Discord, on a page of this machine."""

from __future__ import annotations

import argparse
import asyncio

from bot.arguments import OneLineParser, existing_folder, port
from bot.cli import exit_codes
from bot.cli.log import configure_log
from bot.cli.progress import Progress
from bot.errors import ConfigurationError
from bot.own_command import install_command

_LONGEST_TEXT = 1950  # Discord takes 2,000 characters, the mention included
_PARTS = ("aiohttp", "gguf", "simcord")


def add_arguments(parser: OneLineParser) -> None:
    """Say what `demo` takes."""
    one = parser.add_mutually_exclusive_group()
    one.add_argument(
        "--say",
        action="append",
        type=_sendable,
        default=[],
        metavar="TEXT",
        help="mention the bot with this text and print its answer, without a page; may be repeated",
    )
    one.add_argument(
        "--port", type=port, default=0, help="the port of the page on 127.0.0.1 (default: one that is free)"
    )
    parser.add_argument(
        "--model",
        type=existing_folder,
        metavar="FOLDER",
        help="a model folder (default: a small model, downloaded at the first time)",
    )


def demo(options: argparse.Namespace) -> int:
    """Run the demo and return the exit code; 130 if a text of `--say` was still to be answered when it was stopped.

    Raises:
        ConfigurationError: a setting is wrong, the demo's packages are missing, or its model cannot be fetched or used.
    """
    from bot.settings import load_settings

    load_settings(env_file=None)  # before the imports below, which take seconds, and before a model is fetched
    try:
        from bot.demo.command import run_demo
    except ModuleNotFoundError as error:
        if error.name not in _PARTS:
            raise
        raise ConfigurationError(f"the demo needs {error.name}; install it with `{install_command('demo')}`") from error

    async def run() -> int:
        async with Progress().ticking() as progress:
            return await run_demo(progress, model_dir=options.model, say=options.say, port=options.port)

    configure_log("WARNING")
    try:
        return asyncio.run(run())
    except (KeyboardInterrupt, asyncio.CancelledError):
        if options.say:
            return exit_codes.STOPPED
        raise


def _sendable(text: str) -> str:
    """A text that reaches the bot, and that a bot answers."""
    from bot.conversation.graphemes import is_blank  # needs a package, which `main` reports if it is missing

    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError("the text is not valid UTF-8; save or type it as UTF-8") from None
    if is_blank(text):
        raise argparse.ArgumentTypeError("the text has nothing that can be seen; write a question")
    if len(text) > _LONGEST_TEXT:
        raise argparse.ArgumentTypeError(
            f"the text has {len(text):,} characters, and Discord takes {_LONGEST_TEXT:,} beside the mention; shorten it"
        )
    return text
