#!/usr/bin/env python3
"""Make sure that the tests of the demo's page have a Chromium to drive.

One that is on the PATH is taken. Otherwise Debian's package is installed where this may be done, and Playwright's own
build everywhere else.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def main() -> int:
    """Return 0 when there is a browser, 1 when none could be installed."""
    if os.environ.get("CHROMIUM") or any(shutil.which(name) for name in NAMES):
        return 0
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("Installing Chromium from the distribution's packages", flush=True)
        commands = [["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]]
    else:
        print("Installing Playwright's Chromium", flush=True)
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in commands:
        if subprocess.run(command, check=False).returncode != 0:
            print(f"error: `{' '.join(command)}` failed; install Chromium and start again", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
