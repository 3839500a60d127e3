"""The export's report in the model folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.model.report import ExportReport, Finding, Quality, Speed, read_report, write_report

WHOLE = ExportReport(
    exported_at=datetime(2026, 11, 28, 10, 15, tzinfo=UTC),
    seconds=412.5,
    findings=(
        Finding(what="stop tokens", verdict="repaired", detail="<|end|> (32007) was missing"),
        Finding(what="quality", verdict="skipped", detail="the source does not fit the memory"),
    ),
    quality=Quality(tokens=600, perplexity=8.31, source_perplexity=8.02, agreement=0.97, source_precision="float32"),
    speed=Speed(
        engine="paged 2026.4.1",
        device_name="Intel(R) Core(TM) Grüße",
        load_seconds=8.5,
        prompt_tokens_per_second=79.0,
        answer_tokens_per_second=7.9,
        peak_memory_bytes=6_000_000_000,
    ),
    packages={"openvino": "2026.4.1"},
)


@pytest.mark.parametrize("report", [WHOLE, ExportReport(exported_at=WHOLE.exported_at, seconds=1)])
def test_a_written_report_is_read(tmp_path: Path, report: ExportReport) -> None:
    write_report(tmp_path, report)
    assert read_report(tmp_path) == report


def test_unmeasured_parts_are_none(tmp_path: Path) -> None:
    write_report(tmp_path, ExportReport(exported_at=WHOLE.exported_at, seconds=1))
    read = read_report(tmp_path)
    assert read is not None
    assert (read.quality, read.speed, read.findings) == (None, None, ())


def test_a_folder_exported_by_hand_has_none(tmp_path: Path) -> None:
    assert read_report(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[1]", b'{"exported_at": "yesterday", "seconds": 1}'])
def test_an_invalid_report_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "report.json").write_bytes(content)
    assert read_report(tmp_path) is None


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(ValidationError):
        Finding.model_validate({"what": "stop tokens", "verdict": "splendid", "detail": ""})


def test_a_report_with_an_earlier_name_of_a_verdict_is_read() -> None:
    finding = Finding.model_validate({"what": "stop tokens", "verdict": "mended", "detail": "one was missing"})
    assert finding.verdict == "repaired"
