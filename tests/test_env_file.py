"""`.env`: what is read as it is written, and one clear line for each mistake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def write(text: str | bytes) -> None:
    Path(".env").write_bytes(text if isinstance(text, bytes) else text.encode())


def mistake() -> str:
    """The line that the operator reads."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "seed"),
    [
        ("\ufeffSEED=9\n", 9),  # as Windows' editor begins a file
        ("# first\r\n\r\nSEED=9\r\n", 9),
        ("SEED=9", 9),
        ("export SEED = '9'  # a comment\n", 9),
        ("seed=9\n", 9),
        ("", 0),
        ("SEED=\n", 0),
        ("#SEED: 9\n", 0),
    ],
)
def test_how_a_value_may_be_written(content: str, seed: int) -> None:
    write(content)
    assert load_settings().seed == seed


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("Answer in #help", None),
        ("Answer in channel #help", None),
        ("Be brief. # a comment", None),
        ("#help is your channel", None),
        ("'Answer in channel #help'", "Answer in channel #help"),
        ('"Answer in channel #help"  # a comment', "Answer in channel #help"),
        ("Answer in C#", "Answer in C#"),
        ("Be brief.\\nBe kind.", None),
        ("'Use \\nu'", "Use \\nu"),
        ('"Use \\\\frac and \\n"', "Use \\frac and"),
        ('"Use \\frac"', None),
        ("'Use \\frac'", "Use \\frac"),
    ],
)
def test_a_system_prompt_is_whole_or_refused(content: str, prompt: str | None) -> None:
    write(f"SYSTEM_PROMPT={content}\n")
    if prompt is None:
        assert mistake().startswith(".env, line 1: ")
    else:
        assert load_settings().system_prompt == prompt


@pytest.mark.parametrize(
    ("line", "ok"),
    [
        ("DEVICE=GPU # the small one", True),
        ("MAX_BATCH=4 #was 16", True),
        ("DATA_DIR=/srv/bot #1", False),
        ("DRAFT_MODEL_DIR=/srv/draft #1", False),
        ("DATA_DIR= # where it goes", False),
        ("DISCORD_TOKEN= # paste it here", False),
        ("MODEL_DIR=C:\\new\\temp", sys.platform == "win32"),
        ("METRICS_HOST='C:\\new\\temp'", True),
        ('METRICS_HOST="D:\\new\\temp"', False),
        ('METRICS_HOST="\\\\\\\\server\\\\share"', True),
        ('METRICS_HOST="\\\\server\\share"', False),
        ("METRICS_HOST='\\\\server\\share'", False),
        ("METRICS_HOST=\\\\server\\share", True),
    ],
)
def test_a_value_that_would_change_without_a_word_is_refused(line: str, ok: bool) -> None:
    write(f"SEED=1\n{line}\n")
    if ok:
        assert load_settings().seed == 1
    else:
        assert mistake()


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_nothing_in_a_value_is_expanded(monkeypatch: pytest.MonkeyPatch, quote: str) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    write(f"DATABASE_URL={quote}postgresql://bot:a${{HOME}}$HOME${{}}b@host/db{quote}\n")
    assert load_settings().database_address == "postgresql://bot:a${HOME}$HOME${}b@host/db"


def test_a_system_prompt_may_have_several_lines() -> None:
    write('SYSTEM_PROMPT="Be brief.\nBe kind = be good.\\nBe."\nSEED=9\n')
    settings = load_settings()
    assert (settings.system_prompt, settings.seed) == ("Be brief.\nBe kind = be good.\nBe.", 9)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            f'SEED=1\nDISCORD_TOKEN="{SECRET}\n',
            "line 2: the quote that DISCORD_TOKEN begins with is not closed; end",
        ),
        (
            f"\n\nexport DISCORD_TOKEN='{SECRET}",
            "line 3: the quote that DISCORD_TOKEN begins with is not closed; end",
        ),
        (f'DISCORD_TOKEN="a" {SECRET}\n', "line 1: something follows the closing quote of DISCORD_TOKEN; remove it"),
        (f'SYSTEM_PROMPT="Hi\nDISCORD_TOKEN={SECRET}\n#"\n', "line 1: the quote that SYSTEM_PROMPT begins with is not"),
        ('MODEL_DIR="C:\\new"\n', "line 1: MODEL_DIR has a line break or another control character; write the value"),
        (f"DISCORD_TOKEN: {SECRET}\n", "line 1: DISCORD_TOKEN is followed by a colon; write DISCORD_TOKEN=VALUE"),
        (f"DISCORD_TOKEN:{SECRET}\n", "line 1: DISCORD_TOKEN is followed by a colon; write DISCORD_TOKEN=VALUE"),
        (f"DISCORD_TOKEN:{SECRET}=x\n", "line 1: DISCORD_TOKEN is followed by a colon; write DISCORD_TOKEN=VALUE"),
        (f'DISCORD_TOKEN="{SECRET}\nSEED=1\nDEVICE="CPU"\n', "line 1: the quote that DISCORD_TOKEN begins with is not"),
        ("SEED:\n", "line 1: SEED is followed by a colon; write SEED=VALUE"),
        ("# SEED=1\r\n\r\nSEED\r\n", "line 3: SEED has no value; write SEED=VALUE"),
        (f"SEED=1\n{SECRET}\n", "line 2: not NAME=VALUE; see .env.example"),
        ("hunter2\n", "line 1: not NAME=VALUE; see .env.example"),
        (f"postgresql://bot:{SECRET}@host/db?sslmode=require\n", "line 1: not NAME=VALUE; see .env.example"),
        (
            f"SEED=1\nseed=2\nDISCORD_TOKEN={SECRET}\n",
            "line 2: SEED is set a second time (first in line 1)",
        ),
        (f"SEED=1\nDISCORD_TOKEN={SECRET}\0\n", "line 2: has a NUL character; remove it, or save the file as UTF-8"),
        ("SEED=1\nTEMPRATURE=1\n", "line 2: TEMPRATURE is not a setting; did you mean TEMPERATURE?"),
        ("TOKEN=x", "line 1: TOKEN is not a setting; did you mean DISCORD_TOKEN?"),
        (f"discord_tokn={SECRET}", "line 1: discord_tokn is not a setting; did you mean DISCORD_TOKEN?"),
        ("FAVOURITE_COLOUR=blue", "line 1: FAVOURITE_COLOUR is not a setting; see .env.example for the names"),
        ("SEED=1\nSYSTEM_PROMPT=Grüße".encode("latin-1"), "line 2: not UTF-8 text; save the file as UTF-8"),
        ("SEED=1".encode("utf-16"), "line 1: not UTF-8 text; save the file as UTF-8"),
        ("SEED=1\nSEED=2".encode("utf-16-le"), "line 1: has a NUL character; remove it, or save the file as UTF-8"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(content: str | bytes, says: str) -> None:
    write(content)
    line = mistake()
    assert line.startswith(f".env, {says}")
    assert "\n" not in line
    assert "hunter2" not in line


def test_a_folder_in_its_place_is_refused() -> None:
    Path(".env").mkdir()
    assert mistake().startswith(".env is a folder; remove it (Docker makes one")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_nothing_is_refused() -> None:
    Path(".env").symlink_to("secrets/.env")
    assert mistake() == ".env is a link to a file that does not exist; correct or remove it"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of this kind, and another user, are POSIX's")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    write("SEED=1\n")
    tmp_path.chmod(0o755)
    Path(".env").chmod(0o000)
    code = (
        "import os, sys\n"
        "from bot.settings import load_settings\n"
        "from bot.errors import ConfigurationError\n"
        "os.getuid() or os.setuid(65534)\n"  # root may read any file
        "try: load_settings()\n"
        "except ConfigurationError as error: print(error)\n"
    )
    # A relative path: the other user need not be allowed to walk down to this folder.
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stdout == ".env cannot be read: Permission denied; check its permissions\n", done.stderr
