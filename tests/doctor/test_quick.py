"""What a start logs about its setup, soon and without a change."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.doctor.quick import report_quick_findings
from bot.settings import load_settings
from tests.model.exported_folder import write_model


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def names_here() -> list[str]:
    return [path.name for path in Path().iterdir()]


async def test_a_start_logs_what_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(env_file=None, model_dir=write_model(tmp_path / "phi"))
    await report_quick_findings(settings)
    assert caplog.records == []
    await report_quick_findings(load_settings(env_file=None, database_url="mysql://nowhere"))  # the start says it
    assert caplog.records == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10_000_000_000, 9_999_999_950, 50))
    await report_quick_findings(settings)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("Check of the setup: check=disk found=0.0 MB free for the database")
    assert names_here() == ["phi"]


async def test_a_start_does_not_wait_for_a_slow_disk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    never = threading.Event()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: never.wait())
    async with asyncio.timeout(30):
        await report_quick_findings(load_settings(env_file=None))
    never.set()
    assert caplog.records == []
