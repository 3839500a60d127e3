"""A worker without a model: it reports the commands that it gets, and answers no member's question."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, Outcome
from bot.engine.protocol import Cancel, Command, Ended, Erase, Event, Progress, Ready, Submit, Warned

_GATE = "GATE"

ON_DISK = 100
"""The message whose words the disk cache holds."""


class Gate:
    """Keeps workers loading while it is closed; open at first.

    Attributes:
        properties: of the device, for a worker's options.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "open"
        self.properties = {_GATE: str(self._path)}
        self.open()

    def open(self) -> None:
        self._path.touch()

    def close(self) -> None:
        self._path.unlink()


def run_scripted(connection: Connection, options: EngineOptions) -> None:
    """Run until any other command than those reported."""
    connection.send([Progress("Loading")])
    while not Path(options.properties[_GATE]).exists():
        connection.poll(0.02)
    facts = EngineFacts("scripted", "CPU", "CPU", 0.0, datetime.now(UTC), os.getpid(), 10_000)
    connection.send([Ready(facts, frozenset({ON_DISK}))])
    while True:
        connection.send(_reaction_to(connection.recv()))


def _reaction_to(command: Command) -> list[Event]:
    match command:
        case Erase(erasure):
            return [Warned(f"{os.getpid()}: erase {erasure.number}")]
        case Submit(request_id, request):
            ended = [] if request.sources else [Ended(request_id, Outcome(FinishReason.LENGTH))]
            return [Warned(f"{os.getpid()}: submit {request.prompt_ids[0]}"), *ended]
        case Cancel(request_id):
            return [Ended(request_id, Outcome(FinishReason.CANCELLED))]
    raise SystemExit(0)


async def reported(caplog: pytest.LogCaptureFixture, count: int) -> list[tuple[int, str]]:
    """Wait until workers have reported this many erasures and requests since the last call.

    Returns:
        their process ids and what they reported.
    """

    def found() -> list[tuple[int, str]]:
        matches = [re.fullmatch(r"(\d+): ((erase|submit) \d+)", line) for line in caplog.messages]
        return [(int(match[1]), match[2]) for match in matches if match is not None]

    async with asyncio.timeout(20):
        while len(found()) < count:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    lines = found()
    caplog.clear()
    return lines
