"""Runs a script as an operator does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_script(*arguments: str | Path, script: str = "benchmark.py") -> subprocess.CompletedProcess[str]:
    """Run a script of `scripts/` to its end."""
    command = [sys.executable, ROOT / "scripts" / script, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=500, check=False)
