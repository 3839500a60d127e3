"""What an operator reads of `backup`, `restore` and `downgrade`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from bot.cli.main import main
from bot.storage.bot_lock import LOCK_NAME
from bot.storage.database import Database
from bot.storage.tables import Persona
from tests.cli.test_main import SETTINGS
from tests.storage.backup.rows import insert_rows

SECRET = "hunter2"
USER = 12_345, 12_346
TOKEN = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The operator's folder, with a model and settings, some of them secret."""
    log, on_terminate = logging.getLogger("bot"), signal.getsignal(signal.SIGTERM)
    level = log.level
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    model = tmp_path / "model" / "versions" / "2026-11-28-101500-sample"
    model.mkdir(parents=True)
    (model / "manifest.json").write_text("{}")
    (tmp_path / "model" / "current.json").write_text(json.dumps({"current": model.name}))
    lines = f"DISCORD_TOKEN={TOKEN}", f"SYSTEM_PROMPT={SECRET}", "MODEL_DIR=model", "MISSED_HOURS=5"
    (tmp_path / ".env").write_text("\n".join(lines))
    yield tmp_path
    log.setLevel(level)
    signal.signal(signal.SIGTERM, on_terminate)


@pytest.fixture
def rows() -> None:
    """A database with one row."""
    url = "sqlite:///data/conversations.sqlite3"
    asyncio.run(insert_rows(url, {Persona: [{"place_id": 1, "text": "Be kind."}]}))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, and what was printed."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.usefixtures("rows")
def test_there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "backup", "backup.zip") == (0, "Backed up to backup.zip: 1 rows, 0.0 MB.\n", "")
    code, printed, _ = run(capsys, "restore", "backup.zip")
    assert code == 0
    assert printed.startswith("Restored backup.zip. What was there before is in data/backups/before-restore-")
    code, printed, _ = run(capsys, "downgrade")
    assert code == 0
    assert printed.startswith("The database is at version 0007; what it was before is in data/backups/before-downgrade")
    assert "this one would migrate to 0008 again" in printed
    code, printed, _ = run(capsys, "restore", "backup.zip")
    assert code == 0


@pytest.mark.usefixtures("rows")
def test_the_backup_names_settings_and_model_but_no_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "backup", "backup.zip")
    with zipfile.ZipFile("backup.zip") as file:
        manifest = json.loads(file.read("manifest.json"))
        everything = b"".join(map(file.read, file.namelist()))
    assert manifest["origin"]["settings"] == ["DISCORD_TOKEN", "MISSED_HOURS", "MODEL_DIR", "SYSTEM_PROMPT"]
    assert manifest["origin"]["model"] == {
        "version": "2026-11-28-101500-sample",
        "manifest_sha256": hashlib.sha256(b"{}").hexdigest(),
    }
    assert SECRET.encode() not in everything
    assert TOKEN.encode() not in everything


@pytest.mark.usefixtures("rows")
def test_neither_token_nor_model_is_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").unlink()
    assert run(capsys, "backup", "backup.zip")[0] == 0
    assert json.loads(zipfile.ZipFile("backup.zip").read("manifest.json"))["origin"]["model"] is None
    assert run(capsys, "restore", "backup.zip")[0] == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root has files of others")
@pytest.mark.usefixtures("rows")
def test_what_root_makes_in_the_data_folder_belongs_to_the_user_of_the_bot(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *USER)
    data = folder / "data"
    assert run(capsys, "backup", "backup.zip")[0] == 0
    assert (folder / "backup.zip").stat().st_uid == 0, "whoever owns the folder need not be the bot's user"
    assert run(capsys, "restore", "backup.zip")[0] == 0
    with FileLock(data / LOCK_NAME), FileLock(data / "conversations.sqlite3.lock"):
        assert run(capsys, "restore", "backup.zip")[1].startswith("Verified. The bot that runs")
    assert others(data) == {}
    shutil.rmtree(data)  # as on a new machine
    assert run(capsys, "restore", "backup.zip")[0] == 0
    assert run(capsys, "downgrade")[0] == 0
    assert others(data) == {}


def others(folder: Path) -> dict[str, tuple[int, int]]:
    """What does not belong to the bot's user."""
    owners = {str(path): (path.stat().st_uid, path.stat().st_gid) for path in (folder, *folder.rglob("*"))}
    return {name: owner for name, owner in owners.items() if owner != USER}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("rows")
def test_whoever_stops_a_restore_after_its_commit_reads_that_it_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    async def rewrite(_: Database) -> None:
        signal.raise_signal(number)
        await asyncio.sleep(60)

    run(capsys, "backup", "backup.zip")
    monkeypatch.setattr(Database, "rewrite", rewrite)
    code, printed, error = run(capsys, "restore", "backup.zip")
    assert (code, error) == (0, "")
    assert printed.startswith("Restored backup.zip.")


def test_mistakes_are_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "notes.txt").write_text("Buy milk.")
    for arguments, line in (
        (
            ("backup", "backup.zip"),
            "error: there is no database data/conversations.sqlite3; run this in the bot's folder",
        ),
        (("restore", "notes.txt"), "error: notes.txt is no backup, or it is damaged (File is not a zip file)"),
        (("downgrade",), "error: there is no database"),
    ):
        code, printed, error = run(capsys, *arguments)
        assert (code, printed) == (2, "")
        assert error.startswith(line)
        assert error.count("\n") == 1
    assert not (folder / "data").exists()


@pytest.mark.parametrize("arguments", [("backup",), ("restore",), ("restore", "none.zip"), ("backup", "")])
def test_wrong_arguments(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
