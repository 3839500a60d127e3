"""Formats reports and versions as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from bot.model.folder import ModelFolder
from bot.model.report import ExportReport, Finding, Speed
from bot.sizes import size

_MARKS: dict[str, str] = {"good": "ok", "repaired": "repaired", "noted": "note", "skipped": "-"}


def report_table(folder: ModelFolder, report: ExportReport) -> list[str]:
    """One row for each finding of an export, and one for its speed."""
    rows = [
        (
            "model",
            folder.name,
            f"{folder.recipe or folder.weight_format or 'unknown weights'}, {size(folder.size_bytes)}",
        ),
        *(_finding_row(each) for each in report.findings),
    ]
    if report.speed is not None:
        rows.append(("speed", "", speed_line(report.speed)))
    return ["", *columns(rows), ""]


def speed_line(speed: Speed) -> str:
    """A speed's figures on one line."""
    return (
        f"prefill {speed.prompt_tokens_per_second:.0f} tokens/s, decode {speed.answer_tokens_per_second:.1f} tokens/s, "
        f"load {speed.load_seconds:.1f} s, memory {size(speed.peak_memory_bytes)} ({speed.device_name})"
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows in columns; the last column is not padded."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _finding_row(finding: Finding) -> tuple[str, str, str]:
    return finding.what, _MARKS[finding.verdict], finding.detail
