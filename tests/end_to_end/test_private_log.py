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


def test_a_question_that_the_bots_source_has_is_found(log: PrivateLog) -> None:
    log.add_event("MESSAGE_CREATE", {"content": "<@1> What is the capital of France?", "author": {"username": "x"}})
    log.emit(record("Failed: cause=%s", "no capital of France"))
    with pytest.raises(AssertionError, match="capital of france"):
        log.check()


def test_answers_are_found(log: PrivateLog) -> None:
    answer = {"content": "It was a dark and stormy night", "author": {"username": "Phi", "bot": True}}
    log.add_event("MESSAGE_UPDATE", answer)
    log.emit(record("Failed: cause=%s", "a dark and stormy night"))
    with pytest.raises(AssertionError, match="a dark and stormy night"):
        log.check()


def test_what_the_bot_says_in_the_log_and_to_members_is_not_private(log: PrivateLog) -> None:
    note = {"content": "Ask a moderator for the permission Send Messages.", "author": {"username": "Phi", "bot": True}}
    log.add_event("MESSAGE_CREATE", note)
    log.add_event("MESSAGE_CREATE", {"content": "What are permissions?", "author": {"username": "x"}})
    log.emit(record("Cannot answer here: channel=%d permission=%s told=%s", 5, "Send Messages", "permissions"))
    log.check()
