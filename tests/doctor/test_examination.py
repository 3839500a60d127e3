"""All checks together: what they change, what they show, and what a start logs."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bot.cli.log.redaction import Redaction
from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.doctor.examination import examine, report_quick_findings
from bot.doctor.report import as_json, as_text, redacted
from bot.settings import load_settings
from tests.doctor.found import found, results
from tests.model.exported_folder import write_model

TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
ORDER = [
    "settings", ".env", "packages", "model", "device", "memory", "disk", "database", "data folder", "metrics port",
    "token", "intents", "invite", "clock", "permissions",
]  # fmt: skip


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def tree() -> dict[str, tuple[int, int, bytes]]:
    """Everything in the folder, with modes, times and contents."""
    return {
        str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in Path().rglob("*")
    }


def write(*lines: str) -> None:
    """Write `.env`, for its owner alone."""
    Path(".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    Path(".env").chmod(0o600)


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        with connect_discord_py(server):
            yield server


async def test_a_whole_setup_is_examined_and_nothing_is_changed(server: LoopbackDiscord, small_model_dir: Path) -> None:
    write(f"DISCORD_TOKEN={server.bot_token}", f"MODEL_DIR={small_model_dir}")
    before = tree()
    findings = (await examine()).findings
    assert tree() == before
    assert list(dict.fromkeys(each.check for each in findings)) == ORDER
    assert {each.result.value for each in findings} == {"ok"}, as_text(findings)
    assert server.bot_token not in as_text(findings) + as_json(findings)


async def test_a_broken_file_leaves_the_other_checks(server: LoopbackDiscord, small_model_dir: Path) -> None:
    right = f"DISCORD_TOKEN={server.bot_token}", f"MODEL_DIR={small_model_dir}"
    write("TOP_P=9", "DATA_DIR=$HOME", "not a pair", *right)
    findings = (await examine()).findings
    by_check = results(findings)
    assert by_check["settings"] == ["error"] * 3
    assert by_check["model"] == by_check["device"] == by_check["token"] == by_check["permissions"] == ["ok"]
    for name in ("database", "disk", "data folder"):
        [(result, line, _)] = found(findings, name)
        assert (result, line) == ("skipped", "not checked, because DATA_DIR must be corrected")


async def test_offline_neither_discord_nor_a_database_server_is_asked(server: LoopbackDiscord) -> None:
    write(f"DISCORD_TOKEN={server.bot_token}", "DATABASE_URL=postgresql://me:hunter2@127.0.0.1:1/bot")
    findings = (await examine(offline=True)).findings
    assert results(findings)["database"] == ["skipped"]
    assert results(findings)["intents"] == ["skipped"]
    assert list(server.calls) == []


@pytest.mark.parametrize("offline", [False, True])
async def test_no_secret_is_shown_whatever_is_wrong(server: LoopbackDiscord, offline: bool) -> None:
    del server  # it refuses the token
    secrets = ["hunter2", TOKEN, "s3cret"]
    database = "postgresql://me:hunter2@127.0.0.1:1/bot?password=s3cret"
    wrong = [f"SEED={TOKEN}", f"TOP_P={database}", f"{TOKEN}=1", f"DISCORD_TOKEN {TOKEN}", f"METRICS_HOST={database}"]
    write(f"DISCORD_TOKEN={TOKEN}", f"DATABASE_URL={database}", "METRICS_PORT=9464", *wrong)
    examination = await examine(offline=offline)
    assert set(secrets) <= set(examination.secrets)
    findings = redacted(examination.findings, Redaction(examination.secrets))
    assert results(findings)["settings"] == ["error"] * 4
    assert not [each for each in findings for secret in secrets if secret in each.line + each.way_out]


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
    assert not [name for name in tree() if not name.startswith("phi")]


async def test_a_start_does_not_wait_for_a_slow_disk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    never = threading.Event()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: never.wait())
    async with asyncio.timeout(30):
        await report_quick_findings(load_settings(env_file=None))
    never.set()
    assert caplog.records == []


async def test_a_wrong_address_of_the_database_is_one_finding() -> None:
    write("DATABASE_URL=mysql://nowhere")
    findings = (await examine(offline=True)).findings
    about = [each for each in findings if "mysql" in each.line]
    assert [(each.check, each.result.value) for each in about] == [("database", "error")]
