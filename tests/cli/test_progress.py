"""Progress counts in place on a terminal, and writes a line now and then where it cannot."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest

from bot.cli import progress as module
from bot.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TERMINAL_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LOG_SECONDS", 0.01)


async def printed_by_two_stages(stream: io.StringIO) -> str:
    async with asyncio.timeout(10), Progress(stream).ticking() as progress:
        for stage in ("Loading", "Warming up"):
            progress.stage(stage)
            while f"{stage} … 0 s" not in stream.getvalue():  # noqa: ASYNC110 - a stream has no event
                await asyncio.sleep(0.01)
        progress.done("Ready")
    return stream.getvalue()


async def test_a_log_gets_whole_lines() -> None:
    lines = (await printed_by_two_stages(io.StringIO())).splitlines()
    assert lines[0] == "Loading"
    assert lines[1] == "Loading … 0 s"
    assert lines[-2:] == ["Warming up … 0 s", "Ready"]


async def test_a_terminal_counts_in_place() -> None:
    text = await printed_by_two_stages(Terminal())
    assert text.count("\n") == 3, "one for each stage, and one for the last line"
    assert text.startswith("Loading\rLoading … 0 s")
    assert text.endswith("Warming up … 0 s\nReady\n")


async def test_a_line_of_the_log_begins_below_the_stage() -> None:
    terminal = Terminal()
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        async with Progress(terminal).ticking() as progress:
            progress.stage("Logging in")
            logging.getLogger("bot").warning("Login failed")
            logging.getLogger("bot").warning("Login failed again")
    finally:
        logging.getLogger().removeHandler(handler)
    assert terminal.getvalue() == "Logging in\nLogin failed\nLogin failed again\n"


async def test_nothing_is_printed_between_stages() -> None:
    stream = io.StringIO()
    async with Progress(stream).ticking():
        await asyncio.sleep(0.05)
    assert stream.getvalue() == ""
