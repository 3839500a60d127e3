"""Offer to download a model if there is none: `make run` does this before it starts the bot."""

from __future__ import annotations

import sys

import own_python  # noqa: F401 - for one line instead of a traceback

from bot.cli import exit_codes
from bot.cli.export import export
from bot.cli.main import as_program
from bot.errors import ConfigurationError
from bot.own_command import own_command
from bot.settings import load_settings


def main() -> int:
    """Ask on a terminal, download the model unless the answer is no, and return the exit code."""
    try:
        settings = load_settings()
        settings.require_token()
    except ConfigurationError:
        return 0  # the bot itself says what is wrong
    home = settings.model_dir.expanduser()
    if home.exists() or not sys.stdin.isatty():
        return 0
    from bot.export.options import PREBUILT

    print(f"There is no model at {home}. {PREBUILT} can be fetched: 2.2 GB, no export needed.")
    try:
        answer = input("Fetch it now? [Y/n] ").strip().lower()
    except EOFError:  # Ctrl-D
        answer = "no"
    except KeyboardInterrupt:
        return exit_codes.STOPPED
    if answer not in ("", "y", "yes"):
        return 0
    return export(["--prebuilt", "--output", str(home)], program=own_command("export"))


if __name__ == "__main__":
    sys.exit(as_program(main))
