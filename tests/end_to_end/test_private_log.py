"""The check of every end-to-end test's log finds what is private, in whatever way it is written."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from tests.end_to_end.private_log import PrivateLog

TEXT = "Why does Zoë hide\n100 % of the «money»?"
LONG = "the password is UNMENTIONABLE, Ada"
TOKEN = "dG9rZW4-of_an.interaction"
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "as Python shows it": repr,
    "as JSON": json.dumps,
    "as JSON in JSON": lambda text: json.dumps(json.dumps({"text": text})),
    "in an address": lambda text: f"GET /search?q={quote(text)}",
    "in a form": quote_plus,
    "a part of it": lambda text: text[4:-4],
}


@pytest.fixture
def log() -> PrivateLog:
    log = PrivateLog()
    log.add_event("MESSAGE_CREATE", {"content": TEXT, "author": {"username": "grace", "global_name": "Grace"}})
    log.add_event("INTERACTION_CREATE", {"token": TOKEN, "data": {"options": [{"name": "question", "value": LONG}]}})
    return log


def record(template: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("bot.answering.answer", logging.INFO, "", 0, template, arguments, None)


@pytest.mark.parametrize("private", [TEXT, LONG, f"/interactions/{TOKEN}/callback"], ids=["text", "value", "token"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_private_is_found(log: PrivateLog, way: str, private: str) -> None:
    log.emit(record("Failed: message_id=%d cause=%s", 5, WAYS[way](private)))
    with pytest.raises(AssertionError):
        log.check()


def test_it_is_found_in_what_child_processes_wrote(log: PrivateLog) -> None:
    with pytest.raises(AssertionError, match="unmentionable"):
        log.check(f"Traceback: {LONG}")


def test_names_and_single_long_words_are_found(log: PrivateLog) -> None:
    log.emit(record("Welcome: member=%s", "Grace"))
    with pytest.raises(AssertionError, match="grace"):
        log.check()
    log.emit(record("Found: word=%s", "Unmentionable"))
    with pytest.raises(AssertionError, match="unmentionable"):
        log.check()


def test_the_bots_own_words_are_not_private(log: PrivateLog) -> None:
    log.add_event("MESSAGE_CREATE", {"content": "A conversation was summarized: Question taken in", "author": {}})
    log.emit(record("Question taken in: message_id=%d position=%d", 5, 0))
    log.emit(record("Conversation summarized: channel=%d", 5))
    log.check()
