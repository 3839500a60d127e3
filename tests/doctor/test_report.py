"""Findings as text and as JSON, the exit code, and secrets that never get through."""

from __future__ import annotations

import json

import pytest

from bot.cli.log.redaction import Redaction
from bot.doctor.check import Finding, Result
from bot.doctor.report import as_json, as_text, exit_code, redacted

OK = Finding("token", Result.OK, "Discord accepts it")
WARNING = Finding("metrics port", Result.WARNING, "odd", "change it")
ERROR = Finding("model", Result.ERROR, "missing", "get one")
SKIPPED = Finding("clock", Result.SKIPPED, "not asked (--offline)")


@pytest.mark.parametrize(
    ("findings", "code", "strict_code"),
    [([], 0, 0), ([OK, SKIPPED], 0, 0), ([OK, WARNING], 0, 1), ([ERROR], 2, 2), ([WARNING, ERROR, OK], 2, 2)],
)
def test_the_worst_finding_decides_the_exit_code(findings: list[Finding], code: int, strict_code: int) -> None:
    assert (exit_code(findings), exit_code(findings, strict=True)) == (code, strict_code)


def test_text_is_aligned_and_counts() -> None:
    assert as_text([OK, WARNING, ERROR, SKIPPED]).splitlines() == [
        "ok       token         Discord accepts it",
        "warning  metrics port  odd",
        "                       → change it",
        "error    model         missing",
        "                       → get one",
        "skipped  clock         not asked (--offline)",
        "",
        "1 error, 1 warning. 1 not checked.",
    ]
    assert as_text([ERROR, ERROR]).count("→ get one") == 1
    assert as_text([OK]).splitlines()[-1] == "Nothing is wrong."
    assert as_text([ERROR, ERROR]).splitlines()[-1] == "2 errors."


def test_long_lines_are_wrapped_and_commands_stay_whole() -> None:
    command = "`python -m bot export --output a/very/long/path/of/a/model --rollback 2026-11-28-101500-sample`"
    finding = Finding("model", Result.ERROR, "word " * 40, f"go back with {command}, or export again")
    lines = as_text([finding]).splitlines()
    assert command in [line.strip().removesuffix(",") for line in lines]
    assert max(len(line) for line in lines if command not in line) <= 100
    assert {line[:16] for line in lines[1:-2]} <= {" " * 16, " " * 16}


def test_a_narrow_terminal_wraps_no_line_itself() -> None:
    finding = Finding("model", Result.ERROR, "word " * 40, "word " * 40)
    for columns, longest in ((80, 80), (200, 100), (5, 60)):
        assert longest - 5 < max(map(len, as_text([finding], columns).splitlines())) <= longest


def test_json_is_a_list_of_four_texts() -> None:
    assert json.loads(as_json([WARNING, OK])) == [
        {"check": "metrics port", "result": "warning", "line": "odd", "way_out": "change it"},
        {"check": "token", "result": "ok", "line": "Discord accepts it", "way_out": ""},
    ]


def test_secrets_are_hidden_wherever_they_are() -> None:
    finding = Finding("x", Result.ERROR, "me:hunter2@host is wrong", "replace hunter2")
    [hidden] = redacted([finding], Redaction(["hunter2"]))
    assert (hidden.line, hidden.way_out) == ("me:[hidden]@host is wrong", "replace [hidden]")
    assert (hidden.check, hidden.result) == ("x", Result.ERROR)
