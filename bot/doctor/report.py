"""Shows findings: as aligned text for people, or as JSON for programs."""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Callable
from itertools import zip_longest

from bot.doctor.check import Finding, Findings, Result
from bot.errors import ConfigurationError

_WIDTH = 100
_NARROWEST = 60
_RESULT_WIDTH = max(map(len, Result)) + 2
_COMMAND = re.compile(r"`[^`]*`")
_UNBREAKABLE = "\N{NO-BREAK SPACE}"
_WARNED = 1


def exit_code(findings: Findings, *, strict: bool = False) -> int:
    """2 with an error, as for every mistake in the setup; with `strict`, 1 with a warning; otherwise 0."""
    results = {each.result for each in findings}
    if Result.ERROR in results:
        return ConfigurationError.EXIT_CODE
    return _WARNED if strict and Result.WARNING in results else 0


def redacted(findings: Findings, hide: Callable[[str], str]) -> Findings:
    """The findings with their texts as they may be shown.

    Args:
        hide: returns a text without its secrets.
    """
    return [Finding(each.check, each.result, hide(each.line), hide(each.way_out)) for each in findings]


def as_json(findings: Findings) -> str:
    """A JSON list of objects with `check`, `result`, `line` and `way_out`."""
    rows = [
        {"check": each.check, "result": each.result.value, "line": each.line, "way_out": each.way_out}
        for each in findings
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def as_text(findings: Findings, columns: int = _WIDTH) -> str:
    """A line for each finding, its way out below it, and a last line that counts them.

    Findings in a row with the same way out show it once.

    Args:
        columns: of the terminal; lines are at most 100 characters long in a wider one.
    """
    width = max(_NARROWEST, min(columns, _WIDTH))
    check_width = max((len(each.check) for each in findings), default=0) + 2
    lines = []
    for each, following in zip_longest(findings, findings[1:]):
        lines += _wrapped(f"{each.result:<{_RESULT_WIDTH}}{each.check:<{check_width}}", each.line, width)
        is_shared = following is not None and (each.check, each.way_out) == (following.check, following.way_out)
        if each.way_out and not is_shared:
            lines += _wrapped(f"{'':<{_RESULT_WIDTH + check_width}}→ ", each.way_out, width)
    return "\n".join([*lines, "", _summary(findings)])


def _wrapped(head: str, text: str, width: int) -> list[str]:
    """Lines of at most so many characters, unless a path or a command is longer: these stay whole, to be copied."""
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", _UNBREAKABLE), text)
    lines = textwrap.wrap(
        whole,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBREAKABLE, " ") for line in lines] or [head.rstrip()]


def _summary(findings: Findings) -> str:
    count = Counter(each.result for each in findings)
    parts = [
        f"{count[result]} {name if count[result] == 1 else f'{name}s'}"
        for result, name in ((Result.ERROR, "error"), (Result.WARNING, "warning"))
        if count[result]
    ]
    skipped = f" {count[Result.SKIPPED]} not checked." if count[Result.SKIPPED] else ""
    return f"{', '.join(parts) or 'Nothing is wrong'}.{skipped}"
