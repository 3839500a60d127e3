"""Both formats show the same lines: fields with their types in JSON, and no line that a value forges."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from bot.cli.log import LogFormat
from bot.engine.interface import FinishReason
from bot.log_context import about_question
from tests.cli.test_log import log_at

FORMATS: list[LogFormat] = ["text", "json"]
logger = logging.getLogger("bot.answering.answer")
BREAKS = ["\n", "\r\n", "\x0b", "\x0c", "\x1b[2K\r", "\x85", "\u2028", "\u202e", "\0"]


def logged_json(log: Callable[[], object]) -> dict[str, Any]:
    with log_at("DEBUG", "json") as written:
        log()
    [line] = written.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def logged_text(log: Callable[[], object]) -> str:
    with log_at("DEBUG") as written:
        log()
    return written.getvalue()


def test_a_line_reads_as_ever_in_text() -> None:
    text = logged_text(lambda: logger.info("Waiting: message_id=%d position=%d", 7, 2))
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO bot\.answering\.answer: Waiting: message_id=7 position=2\n", text
    )


def test_an_object_has_time_level_logger_event_and_typed_fields() -> None:
    line = logged_json(
        lambda: logger.warning(
            "Generated: message_id=%d outcome=%s seconds=%.2f ok=%s none=%s share=%s next=%.0fs cause=%s",
            *(7, FinishReason.STOP, 1.239, True, None, 0.5, 3.0, "the disk is full id=9"),
        )
    )
    at = datetime.fromisoformat(line.pop("time"))
    assert at.tzinfo is not None
    assert abs((datetime.now().astimezone() - at).total_seconds()) < 60
    assert line == {
        "level": "WARNING",
        "logger": "bot.answering.answer",
        "event": "Generated",
        "message_id": 7,
        "outcome": "stop",
        "seconds": 1.24,
        "ok": True,
        "none": None,
        "share": 0.5,
        "next": "3s",
        "cause": "the disk is full id=9",
    }


@pytest.mark.parametrize(
    ("template", "arguments", "event", "fields"),
    [
        ("%s failed: cause=%s", ("Login", "a=b"), "Login failed", {"cause": "a=b"}),
        ("Off: share=%d%% of=%s", (5, "x"), "Off", {"share": "5%", "of": "x"}),
        ("Slow: cause=Discord is slow", (), "Slow", {"cause": "Discord is slow"}),
        ("Nothing: %s", ("key=value",), "Nothing: key=value", {}),
        ("Run: time=%s event=%s", (1, "x"), "Run", {"time_": 1, "event_": "x"}),
        ("Not a number: value=%.1f", (float("nan"),), "Not a number", {"value": "nan"}),
        ("Wrong: value=%d", ("x",), "Wrong: value=%d", {}),
        ("Missing: value=%s other=%s", (1,), "Missing: value=%s other=%s", {}),
    ],
)
def test_fields_come_from_the_template(
    template: str, arguments: tuple[object, ...], event: str, fields: dict[str, object]
) -> None:
    line = logged_json(lambda: logger.info(template, *arguments))
    del line["time"], line["level"], line["logger"]
    assert line == {"event": event, **fields}


def test_a_librarys_line_is_one_event() -> None:
    library = logging.getLogger("discord.http")
    line = logged_json(lambda: library.warning("Retrying key=%s in %.2f seconds", "x", 1.5))
    assert (line["logger"], line["event"]) == ("discord.http", "Retrying key=x in 1.50 seconds")
    assert "key" not in line


def test_ids_survive_readers_that_round_large_numbers() -> None:
    line = logged_json(lambda: logger.info("Waiting: message_id=%d position=%d", 1576572018386534400, 2**53 - 1))
    assert (line["message_id"], line["position"]) == ("1576572018386534400", 2**53 - 1)


@pytest.mark.parametrize("name", ["bot.storage.journal", "discord.gateway"])
def test_the_question_at_hand_is_in_every_line(name: str) -> None:
    def log() -> None:
        with about_question(41):
            logging.getLogger(name).warning("Slow")

    assert logged_text(log).endswith(f" WARNING {name}: Slow message_id=41\n")
    assert logged_json(log)["message_id"] == 41


def test_a_lines_own_question_wins() -> None:
    def log() -> None:
        with about_question(41):
            logger.info("Waiting: message_id=%d", 7)

    assert logged_text(log).endswith("Waiting: message_id=7\n")
    assert logged_json(log)["message_id"] == 7


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize("log_format", FORMATS)
def test_no_value_begins_a_line(log_format: LogFormat, line_break: str) -> None:
    forged = f"x{line_break}2026-11-29 12:00:00,000 INFO bot: Forged"
    with log_at("DEBUG", log_format) as written:
        logger.warning("Refused: cause=%s", forged)
        logger.warning("Refused: causes=%s", [ValueError(forged)])
        try:
            try:
                raise ValueError(forged)
            except ValueError as error:
                raise RuntimeError(forged) from error
        except RuntimeError:
            logger.exception("Failed")
    lines = written.getvalue().splitlines()
    begun = [line for line in lines if not line.startswith("    ")]
    assert len(begun) == 3, "one for each call"
    assert log_format == "text" or len(lines) == 3
    assert all("Forged" not in line or "x" in line.partition("Forged")[0] for line in begun)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", written.getvalue())


@pytest.mark.parametrize("log_format", FORMATS)
def test_an_exception_is_shown_with_its_causes(log_format: LogFormat) -> None:
    with log_at("DEBUG", log_format) as written:
        try:
            try:
                raise ValueError("the inner")
            except ValueError as error:
                raise RuntimeError("the outer") from error
        except RuntimeError:
            logger.exception("Failed: message_id=%d", 7)
    text = written.getvalue() if log_format == "text" else json.loads(written.getvalue())["exception"]
    assert text.index("ValueError: the inner") < text.index("RuntimeError: the outer")
    assert text.count("Traceback (most recent call last):") == 2


def test_another_handler_keeps_nothing_unredacted_for_this_one() -> None:
    with log_at("DEBUG") as written:
        record = logger.makeRecord("bot", logging.ERROR, __file__, 1, "Failed", (), None)
        try:
            raise ConnectionError("/interactions/12/aW50ZXI/callback")
        except ConnectionError as error:
            record.exc_info = (type(error), error, error.__traceback__)
        logging.Formatter().format(record)  # keeps the traceback in the record
        logger.handle(record)
    assert "interactions/12/[hidden]/callback" in written.getvalue()
    assert "aW50ZXI" not in written.getvalue()
