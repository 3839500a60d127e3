"""`doctor`: what is wrong with the setup, and the way out."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from typing import Any

from bot.cli import exit_codes
from bot.cli.log import configure_log
from bot.cli.log.redaction import Redaction

_PURPOSE = "check the setup and say what is wrong with it"
_DESCRIPTION = (
    "Check settings, model, memory, disks, database and what Discord grants the bot; say what is wrong and what to do. "
    "Nothing is changed, and the bot may run meanwhile. Exit code: 2 with an error, otherwise 0."
)


def add_command(commands: Any) -> None:
    """Add `doctor` to the commands.

    Args:
        commands: what `add_subparsers` returned; argparse has no public name for its type.
    """
    parser = commands.add_parser("doctor", help=_PURPOSE, description=_DESCRIPTION)
    parser.add_argument(
        "--offline", action="store_true", help="ask nothing over the network: neither Discord nor a database server"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of check, result, line and way_out")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if there is a warning and no error")
    parser.set_defaults(command=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Check the setup, print what was found, and return the exit code."""
    configure_log("ERROR")  # what the parts would log is in the report
    try:
        from bot.doctor.examination import examine  # takes seconds, and 0 would mean that nothing is wrong
        from bot.doctor.report import as_json, as_text, exit_code, redacted

        examination = asyncio.run(examine(offline=options.offline))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return exit_codes.STOPPED
    findings = redacted(examination.findings, Redaction(examination.secrets))
    print(as_json(findings) if options.json else as_text(findings, _columns()))
    return exit_code(findings, strict=options.strict)


def _columns() -> int:
    """Of the terminal; without one, more than a report needs."""
    return shutil.get_terminal_size((sys.maxsize, 0)).columns
