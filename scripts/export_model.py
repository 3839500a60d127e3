"""The admin's launcher for `python -m bot export`: the same program, beside the other scripts."""

from __future__ import annotations

import sys

import own_python  # noqa: F401 - for one line instead of a traceback

from bot.cli.export import export
from bot.cli.main import as_program
from bot.own_command import own_python as python
from bot.own_command import quoted

if __name__ == "__main__":
    sys.exit(as_program(lambda: export(sys.argv[1:], program=f"{python()} {quoted(sys.argv[0])}")))
