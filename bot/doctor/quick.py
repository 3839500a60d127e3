"""The part of the examination that every start runs."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from bot.doctor.check import Check, Result, in_thread, run_check
from bot.doctor.checks import disk, packages
from bot.settings import Settings

logger = logging.getLogger(__name__)

_SECONDS = 1.0
_CHECK_SECONDS = 20.0  # what is late is left out before that


async def report_quick_findings(settings: Settings) -> None:
    """Log what the quick checks find wrong: without the network, and without reading the model.

    What takes longer than a second on a busy machine is left out, and what keeps the bot from starting is left to the
    start, which ends with it.
    """
    checks = [
        Check(packages.NAME, partial(in_thread, partial(packages.check_packages, settings)), _CHECK_SECONDS),
        Check(disk.NAME, partial(in_thread, partial(disk.check_disk_quickly, settings)), _CHECK_SECONDS),
    ]
    running = [asyncio.create_task(run_check(each)) for each in checks]
    done, late = await asyncio.wait(running, timeout=_SECONDS)
    for task in late:
        task.cancel()
    for each in [finding for task in running if task in done for finding in task.result()]:
        if each.result is Result.WARNING or (each.result is Result.ERROR and each.check == packages.NAME):
            logger.warning("Check of the setup: check=%s found=%s; %s", each.check, each.line, each.way_out)
