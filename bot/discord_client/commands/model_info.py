"""What `/model info` says: the model that answers, how good and how fast it is, and on what it runs."""

from __future__ import annotations

import discord

from bot.engine.interface import EngineFacts
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.report import ExportReport, Quality, Speed
from bot.serving.service import ModelService, RefusedVersion

_MOST_CHARACTERS = 2000
_ROW_CHARACTERS = 200
_REASON_CHARACTERS = 600  # with its way out


def describe_model(serving: ModelService, metrics: PrometheusMetrics) -> str:
    """Write the message. Everything is known here already, so neither the busy engine nor the disk is asked."""
    folder, answering = serving.folder, serving.answering
    speed, hits = answering.throughput.tokens_per_second, metrics.prefix_hit_rate
    rows = {
        "Model": folder.name,
        "Version": folder.version,
        "Refused": _refusal_line(serving.refusal) if serving.refusal else None,
        "From": folder.source,
        "Revision": folder.revision,
        "Weights": folder.recipe or folder.weight_format,
        **(_export_rows(folder.report) if folder.report else {}),
        "Size on disk": f"{folder.size_bytes / 1e9:.2f} GB",
        "Context": f"{folder.context_length:,} tokens",
        "End tokens": None if serving.can_stop else "none: answers end only at their longest",
        **_engine_rows(serving.facts),
        "Restarts": str(metrics.restarts) if metrics.restarts else None,
        "Speed lately": f"{speed:.1f} tokens/s" if speed is not None else "no answer yet",
        "Read before already": f"{hits:.0%} of all prompt tokens" if hits is not None else None,
        "Not kept for now": metrics.database_line,
        "Conversations": f"{answering.queue.running} active, {answering.queue.waiting} waiting",
    }
    lines = (_line(name, value) for name, value in rows.items() if _is_told(name, value))
    return _short("\n".join(lines), _MOST_CHARACTERS)


def _engine_rows(facts: EngineFacts | None) -> dict[str, str | None]:
    if facts is None:
        return {"Engine": "being started again"}
    cache = f"{facts.cache_tokens:,} tokens, {facts.cache_bytes / 1e9:.2f} GB"
    return {
        "Engine": facts.engine,
        "Device": f"{facts.device} · {facts.device_name}",
        "Inference precision": facts.precision,
        "KV cache": cache if facts.cache_tokens else None,
        "Loaded": f"{discord.utils.format_dt(facts.loaded_at, 'R')} in {facts.load_seconds:.1f} s",
    }


def _export_rows(report: ExportReport) -> dict[str, str | None]:
    mended = [f"{finding.what}: {finding.detail}" for finding in report.findings if finding.verdict == "mended"]
    return {
        "Exported": discord.utils.format_dt(report.exported_at, "f"),
        "Quality": _quality_line(report.quality) if report.quality else None,
        "Speed when exported": _speed_line(report.speed) if report.speed else None,
        "Mended": "; ".join(mended),
    }


def _quality_line(quality: Quality) -> str:
    parts = []
    if quality.agreement is not None:
        parts.append(f"same next token as the source in {100 * quality.agreement:.0f} % of {quality.tokens:,} scopes")
    source = "" if quality.source_perplexity is None else f" (source {quality.source_perplexity:.2f})"
    return "; ".join([*parts, f"perplexity {quality.perplexity:.2f}{source}"])


def _speed_line(speed: Speed) -> str:
    answers, prompts = speed.answer_tokens_per_second, speed.prompt_tokens_per_second
    return f"{answers:.1f} tokens/s answering, {prompts:.0f} reading prompts, on {speed.device_name}"


def _refusal_line(refusal: RefusedVersion) -> str:
    return f"version {refusal.choice.folder.name}: {refusal.reason}"


def _is_told(name: str, value: str | None) -> bool:
    """Unknown origins are said to be unknown; what does not apply is left out."""
    return bool(value) or name in {"From", "Revision", "Weights"}


def _line(name: str, value: str | None) -> str:
    """One row. What stands in files may have any length and line breaks of its own."""
    most = _REASON_CHARACTERS if name == "Refused" else _ROW_CHARACTERS
    return f"**{name}:** {_short(' '.join(value.split()), most) if value else 'unknown'}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
