"""Refuse, break and delay what passes between the bot and Discord, and check that everybody is answered or told.

By seed, a round draws who asks and which faults strike: 429 of each kind, errors, resets, outages, gateway drops, lost
and doubled events, a full disk, a kill. The exit code is 1 if somebody was answered twice, in part or not at all, if a
refusal was not said, if the bot logged a traceback, took too much memory, or ran into Discord's limits by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from command_line import print_suite_report, run_to_exit_code, say, suite_parser
from discord_faults.plan import FULL, SHORT
from discord_faults.suite import DiscordFaultSuite
from tiny_models.phi3 import write_tiny_phi3
from tiny_models.wordy import write_model_of_many_lengths

from bot.arguments import whole_number


def main() -> int:
    """Run the suite, print its figures, and return the exit code."""
    parser = suite_parser(__doc__, rounds=200, strikes="faults strike")
    parser.add_argument(
        "--parallel", type=whole_number(1), default=8, help="bots that run side by side (default: %(default)s)"
    )
    parser.add_argument("--short", action="store_true", help="small crowds and short outages")
    parser.add_argument("--keep", type=Path, help="a new folder in which the bots' databases and logs stay")
    arguments = parser.parse_args()
    return run_to_exit_code(lambda: _run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        model_dir = arguments.model
        if model_dir is None:
            say("writing the tiny model")
            tiny = write_tiny_phi3(Path(temporary) / "tiny")
            model_dir = write_model_of_many_lengths(Path(temporary) / "model", tiny)
        folder = (arguments.keep or Path(temporary) / "bots").resolve()
        folder.mkdir(parents=True)
        repeat = f"{sys.executable} {sys.argv[0]} {'--short ' * arguments.short}--rounds 1 --seed"
        suite = DiscordFaultSuite(
            model_dir.resolve(),
            folder,
            seeds=range(arguments.seed, arguments.seed + arguments.rounds),
            scale=SHORT if arguments.short else FULL,
            parallel=arguments.parallel,
            repeat=repeat,
            say=say,
        )
        return print_suite_report(await suite.run())


if __name__ == "__main__":
    sys.exit(main())
