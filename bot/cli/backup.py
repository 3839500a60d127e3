"""`backup`, `restore` and `downgrade`: what an operator does with the whole database, while the bot runs or not."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.arguments import OneLineParser, existing_file, folder
from bot.cli import exit_codes
from bot.cli.log import configure_log
from bot.sizes import size

if TYPE_CHECKING:
    from bot.storage.backup.place import Place

_Work = Callable[["Place"], Coroutine[Any, Any, str]]


def add_commands(commands: argparse._SubParsersAction[OneLineParser]) -> None:
    """Add the three commands to the command line."""
    purpose = "back up the database, also while the bot runs"
    backup = commands.add_parser("backup", help=purpose, description=f"B{purpose[1:]}. Settings are in .env.")
    backup.add_argument("file", type=folder, metavar="FILE", help="the new file, such as backup.zip")
    backup.add_argument("--force", action="store_true", help="replace the file if it exists")
    backup.set_defaults(command=_backup)
    purpose = "restore a backup; a bot that runs restores it and comes up again"
    restore = commands.add_parser("restore", help=purpose, description=f"R{purpose[1:]}. Settings are in .env.")
    restore.add_argument("file", type=existing_file, metavar="FILE", help="what `backup` wrote, for either database")
    restore.add_argument("--force", action="store_true", help="also one that is older than the record of deletions")
    restore.set_defaults(command=_restore)
    purpose = "take the newest migration back, for an older version of the bot"
    downgrade = commands.add_parser("downgrade", help=purpose, description=f"T{purpose[1:]}; the bot must not run.")
    downgrade.set_defaults(command=_downgrade)


def _backup(options: argparse.Namespace) -> int:
    async def work(place: Place) -> str:
        from bot.storage.backup.writing import back_up

        path: Path = options.file
        manifest = await back_up(place.database, path, place.origin, replace=options.force)
        left_out = f"; left out: {manifest.left_out} open questions by interactions" if manifest.left_out else ""
        return f"Backed up to {path}: {manifest.rows:,} rows, {_size_of(path)}{left_out}."

    return _run(work)


def _restore(options: argparse.Namespace) -> int:
    async def work(place: Place) -> str:
        from bot.storage.backup.restoring import Staged, restore

        restored = await restore(place, options.file, force=options.force)
        if isinstance(restored, Staged):
            return (
                "Verified. The bot that runs finishes its running answers, restores it and comes up again by itself; "
                "its log then says `Backup restored`."
            )
        kept = f" What was there before is in {restored.kept}." if restored.kept is not None else ""
        return f"Restored {options.file}.{kept}"

    return _run(work)


def _downgrade(_options: argparse.Namespace) -> int:
    async def work(place: Place) -> str:
        from bot.storage.backup.downgrading import downgrade
        from bot.storage.migrations import newest_revision, revision_before_newest

        kept = await downgrade(place)
        return (
            f"The database is at version {revision_before_newest()}; what it was before is in {kept}. Install the "
            f"older bot before the next start: this one would migrate to {newest_revision()} again."
        )

    return _run(work)


def _size_of(path: Path) -> str:
    return size(path.stat().st_size)


def _run(work: _Work) -> int:
    """Do the work, print its last line, and return the exit code."""
    from bot.settings import load_settings
    from bot.storage.backup.place import Place

    settings = load_settings()
    configure_log("WARNING")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # asyncio knows how to end at that
    try:
        print(asyncio.run(work(Place.of(settings))))
    except KeyboardInterrupt:
        print("\nstopped; nothing has changed", file=sys.stderr)
        return exit_codes.STOPPED
    return 0
