"""Starts an engine that must not start."""

from __future__ import annotations

import pytest

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from tests.serving.served import engines


async def refused_with(options: EngineOptions) -> str:
    """Return the one line with which an engine refuses to start; no process is left."""
    engine, before = EngineSupervisor(options), engines()
    with pytest.raises(ConfigurationError) as caught:
        await engine.start()
    line = str(caught.value)
    assert "\n" not in line
    assert engines() <= before
    return line
