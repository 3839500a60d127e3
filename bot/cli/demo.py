"""`demo`: the bot without Discord, on a page of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from bot.cli.log import configure_log
from bot.cli.progress import Progress
from bot.errors import ConfigurationError


def demo(*, model_dir: Path | None, say: Sequence[str], port: int) -> int:
    """Run the demo and return the exit code; for the arguments see `bot.demo.command.run_demo`.

    Raises:
        ConfigurationError: the demo's packages are missing, or its model cannot be fetched or used.
    """
    try:
        from bot.demo.command import run_demo
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the demo needs {error.name}; install it with: pip install -c constraints.txt '.[demo]'"
        ) from error

    async def run() -> int:
        async with Progress().ticking() as progress:
            return await run_demo(progress, model_dir=model_dir, say=say, port=port)

    configure_log("WARNING")
    return asyncio.run(run())
