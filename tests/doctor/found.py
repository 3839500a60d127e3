"""Looks into findings."""

from __future__ import annotations

from bot.doctor.check import Findings


def found(findings: Findings, check: str) -> list[tuple[str, str, str]]:
    """The result, line and way out of each finding of a check."""
    return [(each.result.value, each.line, each.way_out) for each in findings if each.check == check]


def results(findings: Findings) -> dict[str, list[str]]:
    """The results of each check."""
    by_check: dict[str, list[str]] = {}
    for each in findings:
        by_check.setdefault(each.check, []).append(each.result.value)
    return by_check
