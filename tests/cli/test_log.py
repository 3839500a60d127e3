"""The log shows the bot's own lines as detailed as asked, and no secrets."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from bot.cli.log import configure_log

TOKEN = "MTE4NzQ1NjE4NzQ1NjE4NzQ1Ng.GhTyUi." + "abcDEF_-0123456789" * 2


@contextmanager
def log_at(level: str) -> Iterator[io.StringIO]:
    """What a process would write to stderr that has configured its log."""
    root, own = logging.getLogger(), logging.getLogger("bot")
    handlers, levels = root.handlers[:], (root.level, own.level)
    root.handlers[:] = []  # pytest's
    written = io.StringIO()
    with patch.object(sys, "stderr", written):
        configure_log(level)
    try:
        yield written
    finally:
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
