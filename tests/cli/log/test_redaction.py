"""No secret is shown in any field of either format, whatever it hides in."""

from __future__ import annotations

import json
import logging
from urllib.parse import quote

import pytest

from bot.cli.log import LogFormat
from bot.cli.log.redaction import Redaction
from bot.settings import load_settings
from tests.cli.test_log import TOKEN, log_at

PASSWORD = 'p"ä\\ss/wo:rd'
KEY = "sk-proj/8f+2=="
SECRET = "aW50ZXJ"
LINES = [
    f"POST https://discord.com/api/v10/interactions/12/{SECRET}/callback",
    f"/webhooks/12/{SECRET}/messages/@original?wait=true",
    f"url=URL('http://127.0.0.1/api/webhooks/12/{SECRET}')",
    f"https://cdn.discordapp.com/attachments/1/2/{SECRET}.txt?ex={SECRET}",
    "Authorization: Bot " + TOKEN.replace("abc", SECRET),
    f"Authorization: Bearer {SECRET}",
    f"DETAIL:  Failing row contains (1, {SECRET},\n{SECRET}).",
    f"postgresql://bot:{SECRET}@127.0.0.1/db",
    str({"id": 12, "token": SECRET}),
    json.dumps(json.dumps({"token": SECRET})),
    f"{SECRET}hY3Rpb246MTIzOmFiY2RlZg and nothing else",
]


def test_the_example_of_an_error_line_stays_whole() -> None:
    example = "write postgresql://user:password@host/database"
    assert Redaction()(example) == example
    assert "password" not in Redaction(["password"])(example)


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("line", LINES)
def test_secrets_are_known_by_their_shape(line: str, log_format: LogFormat) -> None:
    with log_at("INFO", log_format) as written:
        log_in_every_way(line)
    assert written.getvalue().count("[hidden]") >= 7
    assert SECRET not in written.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("secret", [PASSWORD, KEY, "plain-secret-1"])
def test_known_secrets_are_hidden_however_they_are_written(secret: str, log_format: LogFormat) -> None:
    ways = [secret, quote(secret, safe=""), repr(secret), json.dumps(secret), json.dumps(json.dumps({"key": secret}))]
    with log_at("INFO", log_format, [secret]) as written:
        for way in ways:
            log_in_every_way(f"before {way} after")
    lines = written.getvalue()
    assert lines.count("before") == lines.count("after") == lines.count("[hidden]")


def log_in_every_way(line: str) -> None:
    """Log as an event, as a field, within other objects, and in an exception with its cause and its group."""
    own, library = logging.getLogger("bot.storage.journal"), logging.getLogger("discord.http")
    own.warning("%s", line)
    own.warning("Refused: message_id=%d cause=%s attempt=%d", 7, line, 1)
    own.warning("Refused: causes=%s", [{"nested": (line,)}])
    library.warning("Refused %r", ValueError(line))
    library.warning("%(refused)s", {"refused": line})
    try:
        try:
            raise ConnectionError(line)
        except ConnectionError as error:
            raise ExceptionGroup("several", [OSError(5, line)]) from error
    except ExceptionGroup:
        own.exception("It failed: message_id=%d", 7)


def test_passwords_of_addresses_and_secret_settings_are_known() -> None:
    address = "postgresql://bot:p%40ss%2Fword@127.0.0.1/db?sslmode=require&sslpassword=other-secret"
    settings = load_settings(env_file=None, discord_token=TOKEN, database_url=address, engine_key=KEY)
    assert sorted(settings.secrets) == sorted([TOKEN, KEY, "other-secret", "p%40ss%2Fword", "p@ss/word"])
    assert load_settings(env_file=None, database_url="sqlite:///data/bot.sqlite3").secrets == []
    assert load_settings(env_file=None, database_url="postgresql://[").secrets == ["postgresql://["]
