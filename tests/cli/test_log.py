"""The log shows the bot's own lines as detailed as asked, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from bot.cli.log import LogFormat, configure_log
from bot.cli.logged_progress import LoggedProgress
from bot.cli.run import run

TOKEN = "MTE4NzQ1NjE4NzQ1NjE4NzQ1Ng.GhTyUi." + "abcDEF_-0123456789" * 2


@contextmanager
def log_at(level: str, log_format: LogFormat = "text", secrets: Sequence[str] = ()) -> Iterator[io.StringIO]:
    """What a process would write to stderr that has configured its log."""
    with unconfigured_log() as written:
        configure_log(level, log_format, secrets)
        yield written


@contextmanager
def unconfigured_log() -> Iterator[io.StringIO]:
    """What the block writes to stderr; the log may be configured in it."""
    root, own = logging.getLogger(), logging.getLogger("bot")
    handlers, levels, excepthook = root.handlers[:], (root.level, own.level), sys.excepthook
    root.handlers[:] = []  # pytest's
    written = io.StringIO()
    try:
        with patch.object(sys, "stderr", written):
            yield written
    finally:
        logging.captureWarnings(False)
        sys.excepthook = excepthook
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        ("DEBUG", "bot debug, bot info, bot error, discord info, discord error"),
        ("INFO", "bot info, bot error, discord info, discord error"),
        ("WARNING", "bot error, discord error"),
        ("ERROR", "bot error, discord error"),
    ],
)
def test_libraries_begin_at_info(level: str, lines: str) -> None:
    with log_at(level) as log:
        for name in ("bot", "discord"):
            for severity in ("debug", "info", "error"):
                getattr(logging.getLogger(f"{name}.http"), severity)("%s %s", name, severity)
    assert ", ".join(line.partition(": ")[2] for line in log.getvalue().splitlines()) == lines


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("POST https://discord.com/api/v10/interactions/12/aW50ZXI/callback", "interactions/12/[hidden]/callback"),
        ("/webhooks/12/aW50ZXI/messages/@original?wait=true", "/webhooks/12/[hidden]/messages/@original?wait=true"),
        ("url=URL('http://127.0.0.1/api/webhooks/12/aW50ZXI')", "webhooks/12/[hidden]')"),
        ("https://cdn.discordapp.com/attachments/1/2/aW50ZXI.txt?ex=aW50ZXI", "attachments/1/2/[hidden]"),
        ("Authorization: Bot " + TOKEN.replace("abc", "aW50ZXI"), "Authorization: Bot [hidden]"),
        ("DETAIL:  Failing row contains (1, aW50ZXI,\naW50ZXI).", "Failing row contains [hidden]"),
        ("Channel 12 of bot.discord_client.replies stays", "Channel 12 of bot.discord_client.replies stays"),
    ],
)
def test_secrets_are_hidden_in_lines_and_tracebacks(line: str, shown: str) -> None:
    logger = logging.getLogger("discord.http")
    with log_at("INFO") as log:
        logger.warning("%s", line)
        try:
            raise ConnectionError(line)
        except ConnectionError:
            logger.exception("It failed")
    assert log.getvalue().count(shown) == 2
    assert "aW50ZXI" not in log.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_ends_the_process_and_warnings_are_lines_of_the_log(log_format: LogFormat) -> None:
    with log_at("INFO", log_format) as log:
        try:
            raise ConnectionError(f"Authorization: Bot {TOKEN}")
        except ConnectionError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        warnings.warn(f"{TOKEN} is old", stacklevel=1)
    assert "CRITICAL" in log.getvalue()
    assert "Unexpected error" in log.getvalue()
    assert "[hidden] is old" in log.getvalue()
    assert TOKEN not in log.getvalue()


def test_in_json_a_start_that_fails_writes_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {"DISCORD_TOKEN": TOKEN, "LOG_FORMAT": "json", "MODEL_DIR": "absent"}.items():
        monkeypatch.setenv(name, value)
    with unconfigured_log() as log:
        assert run() == 2
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert line["level"] == "CRITICAL"
    assert line["event"] == "The bot cannot run"
    assert "absent" in line["cause"]


def test_in_json_each_stage_of_the_start_is_one_line() -> None:
    with log_at("INFO", "json") as log:
        progress = LoggedProgress()
        for stage in ("Loading: 1 of 2", "Loading: 2 of 2", "Connecting"):
            progress.stage(stage)
        progress.done("Phi is online.")
    stages = [json.loads(line)["stage"] for line in log.getvalue().splitlines()]
    assert stages == ["Loading", "Connecting", "Phi is online."]
