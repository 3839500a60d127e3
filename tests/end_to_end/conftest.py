"""What every end-to-end test needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from discord.state import ConnectionState

_GUILD_READY_SECONDS = 0.2


@pytest.fixture(scope="session", autouse=True)
def soon_ready() -> Iterator[None]:
    """Shorten discord.py's wait for further guilds, two seconds at every start: a loopback Discord has only one."""
    initialize = ConnectionState.__init__

    def initialize_impatient(state: Any, **options: Any) -> None:
        initialize(state, **options)
        state.guild_ready_timeout = _GUILD_READY_SECONDS

    with patch.object(ConnectionState, "__init__", initialize_impatient):
        yield
