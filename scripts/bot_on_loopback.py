"""Run `python -m bot` against a loopback Discord in another process.

Arguments: the server's API, gateway and CDN addresses, then the bot's own arguments.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

from bot.cli.main import main
from bot.demo.loopback import connect_discord_py

if __name__ == "__main__":
    api_url, gateway_url, cdn_url, *arguments = sys.argv[1:]
    addresses: Any = SimpleNamespace(api_url=api_url, gateway_url=gateway_url, cdn_url=cdn_url)
    with connect_discord_py(addresses):
        sys.exit(main(arguments))
