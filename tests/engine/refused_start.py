"""Starts an engine that must not start."""

from __future__ import annotations

import psutil
import pytest

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError


async def refused_with(options: EngineOptions) -> str:
    """Return the one line with which an engine refuses to start; no process is left."""
    engine = EngineSupervisor(options)
    with pytest.raises(ConfigurationError) as caught:
        await engine.start()
    line = str(caught.value)
    assert "\n" not in line
    assert not any("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process().children())
    return line
