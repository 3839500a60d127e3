#!/usr/bin/env python3
"""Make sure that there is a Chromium for the tests of the demo's page.

One on the PATH is enough. Otherwise, root on Debian gets the distribution's package, and everybody else Playwright's
own build.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def main() -> int:
    """Return 0 if there is a browser, 1 if none could be installed."""
    if os.environ.get("CHROMIUM") or any(shutil.which(name) for name in NAMES):
        return 0
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("Installing the distribution's Chromium", flush=True)
        commands = [["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]]
    else:
        print("Installing Playwright's Chromium", flush=True)
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    for command in commands:
        if subprocess.run(command, check=False).returncode != 0:
            print(f"error: `{' '.join(command)}` failed; install Chromium and try again", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
