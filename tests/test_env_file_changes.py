"""Values that are written into `.env`: read back as they are, with every other byte of the file in its place."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.env_file import read_env_file
from bot.env_file_changes import change_env_file, changed_text
from bot.errors import ConfigurationError
from tests.small_disk import fill, small_disk_at

NAMES = ["DISCORD_TOKEN", "MODEL_DIR", "SEED", "SYSTEM_PROMPT"]
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"DISCORD_TOKEN={TOKEN}\n"),
        ("# mine\nSEED=1", f"# mine\nSEED=1\nDISCORD_TOKEN={TOKEN}\n"),
        ("SEED=1\r\n", f"SEED=1\r\nDISCORD_TOKEN={TOKEN}\r\n"),
        ("DISCORD_TOKEN=\nSEED=1\n", f"DISCORD_TOKEN={TOKEN}\nSEED=1\n"),
        ("\r\n\r\ndiscord_token =\r\n\r\n", f"\r\n\r\ndiscord_token ={TOKEN}\r\n\r\n"),
        (
            "SEED=1\n\n  export DISCORD_TOKEN= old  # the bot's\n# end",
            f"SEED=1\n\n  export DISCORD_TOKEN= {TOKEN}  # the bot's\n# end",
        ),
        ("DISCORD_TOKEN='old # token' # new", f"DISCORD_TOKEN={TOKEN} # new"),
        ('DISCORD_TOKEN="o\\"ld"\nSEED=1', f"DISCORD_TOKEN={TOKEN}\nSEED=1"),
        ("#DISCORD_TOKEN=\n", f"#DISCORD_TOKEN=\nDISCORD_TOKEN={TOKEN}\n"),
        ("SYSTEM_PROMPT='a\nDISCORD_TOKEN b'\n", f"SYSTEM_PROMPT='a\nDISCORD_TOKEN b'\nDISCORD_TOKEN={TOKEN}\n"),
    ],
)
def test_only_the_value_changes(before: str, after: str) -> None:
    assert changed_text(before, {"DISCORD_TOKEN": TOKEN}) == after


@given(
    st.lists(
        st.sampled_from(["", " ", "# it's", "#MODEL_DIR=", "SEED=1 # one", "DEVICE='a b'", "MODEL_DIR=", "\t# x"])
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_all_other_lines_stay_byte_by_byte(lines: list[str], newline: str) -> None:
    before = newline.join([*lines, ""])
    after = changed_text(before, {"MODEL_DIR": "m", "DISCORD_TOKEN": TOKEN}).split(newline)
    kept = ["MODEL_DIR=m" if line == "MODEL_DIR=" and line not in lines[:at] else line for at, line in enumerate(lines)]
    assert after[: len(kept)] == kept


@pytest.mark.parametrize(
    "folder",
    [
        "model",
        "./my model/phi",
        "a #1",
        "it's",
        'the "small" one',
        "\\\\server\\new",
        "C:\\new\\temp",
        "~/ü",
        "$HOME/x",
    ],
)
def test_a_value_is_read_as_it_was(tmp_path: Path, folder: str) -> None:
    path = tmp_path / ".env"
    change_env_file(path, {"MODEL_DIR": folder, "SEED": "1"})
    read = read_env_file(path, NAMES, NAMES)
    assert (read.mistakes, read.values) == ([], {"model_dir": folder, "seed": "1"})


def test_a_mark_of_windows_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"\xef\xbb\xbfSEED=1\r\n")
    change_env_file(path, {"DISCORD_TOKEN": TOKEN})
    assert path.read_bytes() == b"\xef\xbb\xbfSEED=1\r\nDISCORD_TOKEN=" + TOKEN.encode() + b"\r\n"


def test_a_value_that_no_line_can_hold_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SEED=1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="the value of MODEL_DIR cannot be written to a file of settings; ch"):
        change_env_file(path, {"MODEL_DIR": "one\ntwo"})
    assert path.read_text(encoding="utf-8") == "SEED=1\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
@pytest.mark.parametrize("before", [None, "SEED=1\n"])
def test_only_the_owner_can_read_the_file(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / ".env"
    if before is not None:
        path.write_text(before, encoding="utf-8")
        path.chmod(0o644)
    change_env_file(path, {"DISCORD_TOKEN": TOKEN})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_and_the_file_stays(tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", 64) as disk:
        path = disk / ".env"
        path.write_text("SEED=1\n", encoding="utf-8")
        fill(disk / "filler")
        with pytest.raises(ConfigurationError) as caught:
            change_env_file(path, {"DISCORD_TOKEN": TOKEN})
        assert str(caught.value) == (
            f"{path} cannot be written: No space left on device; make room on its disk and start again, nothing is "
            "changed"
        )
        assert path.read_text(encoding="utf-8") == "SEED=1\n"
        assert sorted(disk.iterdir()) == [path, disk / "filler"]
