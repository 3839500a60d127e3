"""Build the image, and check that it holds what it should and that it answers under compose.yaml's restrictions.

It needs podman, and the small model (scripts/fetch_small_model.py). The exit code is 1 if the image is not as it must
be.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import own_python  # noqa: F401 - for one line instead of a traceback
from command_line import run_to_exit_code, say

from bot.arguments import OneLineParser, existing_folder
from bot.demo.small_model import DEFAULT_FOLDER

_ROOT = Path(__file__).resolve().parent.parent
_IMAGE = "phi-bot:check"


def main() -> int:
    """Build, check, print what was found, and return the exit code."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument("--engine", default="podman", help="the container engine, with its global options")
    parser.add_argument(
        "--debian-base",
        type=Path,
        metavar="FOLDER",
        help="make the base image with debootstrap in this folder; as root",
    )
    parser.add_argument(
        "--model", type=existing_folder, default=_ROOT / DEFAULT_FOLDER, help="default: the small model"
    )
    arguments = parser.parse_args()
    return run_to_exit_code(lambda: _check(arguments.engine, arguments.debian_base, arguments.model))


def _absolute(value: str) -> Path:
    return Path(value).resolve()


async def _check(command: str, debian_base: Path | None, model: Path) -> int:
    from image_check.checks import CheckError, check_content, check_life
    from image_check.debian_base import make_base
    from image_check.engine import ContainerEngine

    engine = ContainerEngine(shlex.split(command))
    if debian_base is not None:
        say(f"base: {make_base(engine, _ROOT / 'Dockerfile', debian_base)} from Debian's packages")
    engine.build(_ROOT, _IMAGE, pull=debian_base is None)
    try:
        check_content(engine, _IMAGE, _ROOT / "constraints.txt", say)
        with tempfile.TemporaryDirectory() as folder:
            await check_life(engine, _IMAGE, model, Path(folder), say)
    except CheckError as error:
        say(f"FAILED: {error}")
        return 1
    say("The image is as it must be.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
