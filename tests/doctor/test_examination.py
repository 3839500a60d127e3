"""All checks together: what they change, and what they show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.cli.log.redaction import Redaction
from bot.demo.loopback import LoopbackDiscord, connect_discord_py
from bot.doctor.examination import examine
from bot.doctor.report import as_json, as_text, redacted
from tests.doctor.found import found, results

TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
ORDER = [
    "settings", ".env", "packages", "model", "device", "memory", "disk", "database", "data folder", "metrics port",
    "token", "intents", "invite", "clock", "permissions",
]  # fmt: skip


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


async def test_a_file_that_cannot_be_read_leaves_what_it_may_set(monkeypatch: pytest.MonkeyPatch) -> None:
    write("\0")
    monkeypatch.setenv("METRICS_PORT", "9464")
    monkeypatch.setenv("METRICS_HOST", "127.0.0.1")
    findings = (await examine(offline=True)).findings
    assert results(findings)["settings"] == ["error"]
    for name in ("model", "device", "memory", "disk", "database", "data folder", "token", "permissions"):
        [(result, line, _)] = found(findings, name)
        assert (result, line) == ("skipped", "not checked, because .env must be corrected")
    assert results(findings)["metrics port"] == ["ok"]


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


async def test_a_wrong_address_of_the_database_is_one_finding() -> None:
    write("DATABASE_URL=mysql://nowhere")
    findings = (await examine(offline=True)).findings
    about = [each for each in findings if "mysql" in each.line]
    assert [(each.check, each.result.value) for each in about] == [("database", "error")]
