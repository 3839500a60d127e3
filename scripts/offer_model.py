"""Offer to download a model if there is none: `make run` does this before it starts the bot."""

from __future__ import annotations

import sys

from bot.cli.export import STOPPED_EXIT_CODE, export
from bot.cli.main import prepare_process
from bot.errors import ConfigurationError
from bot.settings import load_settings


def main() -> int:
    """Ask on a terminal, download the model unless the answer is no, and return the exit code."""
    prepare_process()
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
        return STOPPED_EXIT_CODE
    if answer not in ("", "y", "yes"):
        return 0
    return export(["--prebuilt", "--output", str(home)], program="python -m bot export")


if __name__ == "__main__":
    sys.exit(main())
