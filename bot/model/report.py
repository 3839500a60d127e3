"""What an export found out about its own result: the `report.json` in a model folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

FILE_NAME = "report.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Finding(_Part):
    """One thing that was looked at.

    Attributes:
        what: such as `stop tokens`.
        verdict: `good`; `mended` in the exported folder; `noted` where it is not as it should be but does not touch
            this bot; `skipped` where it could not be judged here.
        detail: one line for people.
    """

    what: str
    verdict: Literal["good", "mended", "noted", "skipped"]
    detail: str


class Quality(_Part):
    """How well the exported model predicts a small built-in text, beside the model that it was made from.

    Attributes:
        tokens: how many next tokens were predicted.
        perplexity: of the exported model; lower is better, 1 is perfect.
        source_perplexity: of the source; None where it was not run.
        agreement: the part of the places, 0 to 1, where both find the same token likeliest.
        source_precision: what the source was run in, such as `float32`.
    """

    tokens: int
    perplexity: float
    source_perplexity: float | None = None
    agreement: float | None = None
    source_precision: str | None = None
    precision: str | None = None  # the exported model's, such as `f32`; older reports left it to OpenVINO


class Speed(_Part):
    """How fast one conversation was on the machine that exported the model, in the bot's own engine.

    Attributes:
        engine: its name and version.
        device_name: the processor.
        load_seconds: to load and warm up.
        prompt_tokens_per_second: reading a prompt.
        answer_tokens_per_second: generating an answer.
        peak_memory_bytes: what the engine process took at most, its cache for one short conversation included.
    """

    engine: str
    device_name: str
    load_seconds: float
    prompt_tokens_per_second: float
    answer_tokens_per_second: float
    peak_memory_bytes: int


class ExportReport(_Part):
    """The whole report.

    Attributes:
        exported_at: when the export was done, with a time zone.
        seconds: what it took, checks included.
        findings: everything that was looked at.
        quality: None where it could not be measured.
        speed: None where it could not be measured.
        packages: the versions of what made the model, by name.
    """

    exported_at: datetime
    seconds: float
    findings: tuple[Finding, ...] = ()
    quality: Quality | None = None
    speed: Speed | None = None
    packages: dict[str, str] = {}


def write_report(folder: Path, report: ExportReport) -> None:
    """Write `report.json` into a model folder."""
    (folder / FILE_NAME).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_report(folder: Path) -> ExportReport | None:
    """Return a model folder's report; None where there is none, or one of another kind."""
    try:
        return ExportReport.model_validate_json((folder / FILE_NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
