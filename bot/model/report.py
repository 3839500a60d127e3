"""The `report.json` of an exported model: what its export checked and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, field_validator

from bot.model.files import read_file

FILE_NAME = "report.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Finding(_Part):
    """The result of one check.

    Attributes:
        what: such as `stop tokens`.
        verdict: `repaired` if the export repaired it, `noted` if it is wrong without any effect on this bot, `skipped`
            if it could not be checked.
        detail: one line for the admin.
    """

    what: str
    verdict: Literal["good", "repaired", "noted", "skipped"]
    detail: str

    @field_validator("verdict", mode="before")
    @classmethod
    def _rename(cls, verdict: object) -> object:
        return "repaired" if verdict == "mended" else verdict  # reports written before November 2026 say "mended"


class Quality(_Part):
    """How well the exported model predicts a short built-in text, compared with its checkpoint.

    Attributes:
        tokens: how many were predicted.
        perplexity: 1 is perfect, higher is worse.
        source_perplexity: the checkpoint's; None if it was not run.
        agreement: the share of tokens, 0 to 1, for which both predict the same.
        source_precision: the checkpoint's, such as `float32`.
    """

    tokens: int
    perplexity: float
    source_perplexity: float | None = None
    agreement: float | None = None
    source_precision: str | None = None
    precision: str | None = None  # the exported model's, such as `f32`; older reports left it to OpenVINO


class Speed(_Part):
    """How fast the bot's engine answered one conversation on the machine of the export.

    Attributes:
        engine: its name and version.
        load_seconds: including the warm-up.
        prompt_tokens_per_second: in prefill.
        answer_tokens_per_second: in decode.
        peak_memory_bytes: of the engine process, with a KV cache for one short conversation.
    """

    engine: str
    device_name: str
    load_seconds: float
    prompt_tokens_per_second: float
    answer_tokens_per_second: float
    peak_memory_bytes: int


class ExportReport(_Part):
    """The whole report; None for what could not be measured.

    Attributes:
        seconds: how long the export took, with its checks.
        packages: the versions of the packages that exported the model, by name.
    """

    exported_at: AwareDatetime
    seconds: float
    findings: tuple[Finding, ...] = ()
    quality: Quality | None = None
    speed: Speed | None = None
    packages: dict[str, str] = {}


def write_report(folder: Path, report: ExportReport) -> None:
    """Write `report.json` into a model folder."""
    (folder / FILE_NAME).write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_report(folder: Path) -> ExportReport | None:
    """Return a model folder's report; None without a valid one."""
    try:
        return ExportReport.model_validate_json(read_file(folder / FILE_NAME))
    except (FileNotFoundError, ValueError):  # pydantic's ValidationError is one
        return None
