"""The admin's launcher for `python -m bot export`: the same program, beside the other scripts."""

from __future__ import annotations

import sys

from bot.cli.export import export
from bot.cli.main import prepare_process

if __name__ == "__main__":
    prepare_process()
    sys.exit(export(sys.argv[1:], program="scripts/export_model.py"))
