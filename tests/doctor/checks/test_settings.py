"""Every wrong setting is reported, and who else can read the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.doctor.checks.settings import check_readers, check_settings
from bot.settings import ENV_FILE, read_settings
from tests.doctor.found import found


def test_all_mistakes_are_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ENV_FILE.write_text("TEMPRATURE=1\nMODEL_DIR=$HOME; rm\nDISCORD_TOKEN\n", encoding="utf-8")
    monkeypatch.setenv("TOP_P", "a; b")
    assert found(check_settings(read_settings(), ENV_FILE), "settings") == [
        ("error", ".env, line 1: TEMPRATURE is not a setting", "did you mean TEMPERATURE?"),
        ("error", ".env, line 3: DISCORD_TOKEN has no value", "write DISCORD_TOKEN=VALUE"),
        (
            "error",
            "MODEL_DIR is '$HOME; rm' (variables are not expanded; write the path itself, or ~ for your home)",
            "allowed: a folder's path",
        ),
        ("error", "TOP_P is 'a; b'", "allowed: above 0, to 1"),
    ]


def test_what_is_set_is_named_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(check_settings(read_settings(), ENV_FILE), "settings") == [
        ("ok", "all have their defaults; nothing is set in .env or the environment", "")
    ]
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2")
    monkeypatch.setenv("SEED", "4")
    assert found(check_settings(read_settings(), ENV_FILE), "settings") == [
        ("ok", "DISCORD_TOKEN, SEED set; the others have their defaults", "")
    ]


def test_a_draft_model_that_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAFT_MODEL_DIR", "small")
    monkeypatch.setenv("DRAFT_TOKENS", "0")
    [_, (result, line, way_out)] = found(check_settings(read_settings(), ENV_FILE), "settings")
    assert (result, line) == ("warning", "DRAFT_MODEL_DIR=small is not used")
    assert "DRAFT_TOKENS above 0" in way_out


@pytest.mark.parametrize(("mode", "result"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warning")])
def test_who_can_read_the_file(mode: int, result: str) -> None:
    ENV_FILE.touch(mode)
    ENV_FILE.chmod(mode)
    [(got, _, way_out)] = found(check_readers(ENV_FILE), ".env")
    assert got == result
    assert way_out == ("run `chmod 600 .env`" if result == "warning" else "")


def test_without_a_file_nobody_can_read_it() -> None:
    assert found(check_readers(Path("nowhere.env")), "nowhere.env")[0][0] == "ok"
