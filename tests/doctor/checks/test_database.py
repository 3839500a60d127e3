"""What the report says about a database."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.doctor.checks.database import check_database, is_on_server, read_database
from bot.errors import ConfigurationError
from bot.settings import load_settings
from bot.storage.inspection import DatabaseState
from bot.storage.migrations import Revisions
from bot.storage.storage import Storage
from tests.doctor.found import found
from tests.unprivileged import folder_for_everybody, unprivileged


@pytest.mark.parametrize(
    ("revisions", "result", "says"),
    [
        (None, "ok", "is not there yet; the first start creates it"),
        (Revisions(None, ["0001"]), "ok", "has no tables yet; the first start creates them"),
        (Revisions("0005", ["0006", "0007"]), "warning", "the next start migrates 0006, 0007"),
        (Revisions("0007", []), "ok", "is up to date (version 0007)"),
    ],
)
def test_what_the_next_start_does(revisions: Revisions | None, result: str, says: str) -> None:
    settings = load_settings(env_file=None)
    [(got, line, way_out)] = found(check_database(settings, DatabaseState(revisions)), "database")
    assert got == result
    assert says in line
    assert bool(way_out) == (result == "warning")


async def test_a_real_database() -> None:
    settings = load_settings(env_file=None)
    storage = await Storage.open(settings.database_address, lambda _: None)
    state = await read_database(settings)
    await storage.close()
    assert "is up to date" in check_database(settings, state)[0].line
    assert not is_on_server(settings)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("not a database " * 100)
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        await read_database(load_settings(env_file=None, database_url=f"sqlite:///{tmp_path / 'x'}"))


def test_a_file_that_can_only_be_read() -> None:
    with folder_for_everybody() as folder:
        file = folder / "bot.sqlite3"
        file.touch()
        file.chmod(0o444)
        settings = load_settings(env_file=None, database_url=f"sqlite:///{file}")
        with unprivileged():
            [(result, line, way_out)] = found(check_database(settings, DatabaseState(Revisions("8", []))), "database")
    assert (result, line) == ("error", f"the bot cannot write to {file}")
    assert way_out == "let this user write to it, or set DATABASE_URL to another file"
