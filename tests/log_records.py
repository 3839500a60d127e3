"""The log records that a test caused itself."""

from __future__ import annotations

import logging

import pytest


def own_records(caplog: pytest.LogCaptureFixture, level: int = logging.NOTSET) -> list[logging.LogRecord]:
    """The records of a level or above, without those of an earlier test's gateway.

    A client whose event loop closes while its heartbeat is being sent leaves a thread behind, which warns every ten
    seconds for as long as the process lives (`KeepAliveHandler.run` in discord.py 2.7.1).
    """
    return [record for record in caplog.records if record.levelno >= level and record.name != "discord.gateway"]
