"""Progress counts in place on a terminal, and writes a line now and then where it cannot."""

from __future__ import annotations

import asyncio
import io
import logging
from pathlib import Path

import pytest

from bot.cli import progress as module
from bot.cli.progress import Progress
from bot.cli.streams import drop_output


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


async def test_a_line_of_the_log_takes_the_place_of_the_stage() -> None:
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
    room = "\r          \r"
    assert terminal.getvalue() == f"Logging in{room}Login failed\nLogin failed again\n"


async def test_a_stage_that_goes_on_stays_in_its_line() -> None:
    terminal = Terminal()
    async with Progress(terminal).ticking() as progress:
        for step in ("10 of 90 MB", "9 of 90", "90 of 90 MB"):
            progress.stage(f"Downloading: {step}")
        progress.stage("Unpacking")
    shown = terminal.getvalue()
    assert shown.startswith("Downloading: 10 of 90 MB\rDownloading: 9 of 90    \rDownloading: 90 of 90 MB")
    assert shown.count("\n") == 2


async def test_a_stage_that_goes_on_adds_no_lines_to_a_log() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    for megabytes in range(90):
        progress.stage(f"Downloading: {megabytes} of 90 MB")
    progress.done()
    assert stream.getvalue() == "Downloading: 0 of 90 MB\n"


async def test_a_long_stage_does_not_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    Progress(terminal).stage("Loading " + "x" * 100)
    assert len(terminal.getvalue()) == 19


async def test_nothing_is_printed_between_stages() -> None:
    stream = io.StringIO()
    async with Progress(stream).ticking():
        await asyncio.sleep(0.05)
    assert stream.getvalue() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
async def test_a_full_disk_ends_no_bot() -> None:
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115, ASYNC230 - closed below; a device
    try:
        async with Progress(full).ticking() as progress:
            progress.stage("Loading")
            await asyncio.sleep(0.05)
            progress.done("Ready")
    finally:
        drop_output(full)
        full.close()
