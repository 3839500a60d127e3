"""The text of `/model info`: the model, its quality and speed, and its hardware."""

from __future__ import annotations

import discord

from bot.discord_client.commands.server_paths import public_source, without_server_paths
from bot.engine.interface import EngineFacts
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.folder import UNKNOWN_CONTEXT_TOKENS, ModelFolder
from bot.model.report import ExportReport, Quality, Speed
from bot.model.start_order import RefusedVersion
from bot.serving.service import ModelService
from bot.sizes import size

_MOST_CHARACTERS = 2000
_ROW_CHARACTERS = 200
_REASON_CHARACTERS = 600  # it ends with what to do

_OUTAGE = "unavailable; what is new is stored when it is back"


def describe_model(
    serving: ModelService, metrics: PrometheusMetrics, outage: str | None, *, for_admin: bool = False
) -> str:
    """Write the message from what is in memory, so that a busy engine does not delay it.

    Args:
        serving: owns the model.
        metrics: counts restarts, cache hits and drafts.
        outage: why the database is unavailable; None if it is not.
        for_admin: give causes, which say something of the server.
    """
    folder, answering = serving.folder, serving.answering
    speed, hits = answering.throughput.tokens_per_second, metrics.prefix_hit_rate
    rows = {
        "Model": folder.name,
        "Version": folder.version,
        "Refused version": _refusal_line(serving, serving.refusal, for_admin) if serving.refusal else None,
        "Source": folder.source if for_admin else public_source(folder.source),
        "Revision": folder.revision,
        "Weights": (folder.recipe or folder.weight_format) if folder.has_weights else "on the servers",
        **(_export_rows(folder.report) if folder.report else {}),
        "Size on disk": size(folder.size_bytes) if folder.has_weights else None,
        "Context": _context_line(folder, serving.facts),
        "Stop tokens": None if serving.can_stop else "none: every answer runs to the maximum length",
        **_engine_rows(serving.facts, for_admin),
        "Disk cache": _disk_line(serving.facts, metrics),
        "Drafts": _drafts_line(serving, metrics, for_admin),
        "Engine restarts": str(metrics.restarts) if metrics.restarts else None,
        "Speed (last answers)": f"{speed:.1f} tokens/s" if speed is not None else "no answer yet",
        "Prefix-cache hits": f"{hits:.0%} of all prompt tokens" if hits is not None else None,
        "Database": outage if for_admin or outage is None else _OUTAGE,
        "Questions": f"{answering.queue.running} running, {answering.queue.waiting} waiting",
    }
    lines = (_line(name, value) for name, value in rows.items() if _is_shown(name, value))
    return _short("\n".join(lines), _MOST_CHARACTERS)


def _context_line(folder: ModelFolder, facts: EngineFacts | None) -> str:
    original = "" if folder.original_context is None else f"; LongRoPE beyond {folder.original_context:,}"
    if folder.context_length == UNKNOWN_CONTEXT_TOKENS:
        return "as the servers have it" if facts is None else f"{facts.context_tokens:,} tokens"
    if facts is None or facts.context_tokens == folder.context_length:
        return f"{folder.context_length:,} tokens{original}"
    shortened = f"{facts.context_tokens:,} of the model's {folder.context_length:,} tokens"
    return f"{shortened} ({facts.context_cause}){original}"


def _engine_rows(facts: EngineFacts | None, for_admin: bool) -> dict[str, str | None]:
    if facts is None:
        return {"Engine": "restarting"}
    device = f"{facts.device} · {facts.device_name}"
    if facts.is_remote and not for_admin:
        device = facts.device_name  # the addresses say something of the operator's network
    cache = f"{facts.cache_tokens:,} tokens, {size(facts.cache_bytes)}"
    return {
        "Engine": facts.engine,
        "Device": device,
        "Inference precision": facts.precision,
        "KV cache": cache if facts.cache_tokens else None,
        "Loaded": f"{discord.utils.format_dt(facts.loaded_at, 'R')} in {facts.load_seconds:.1f} s",
    }


def _disk_line(facts: EngineFacts | None, metrics: PrometheusMetrics) -> str | None:
    if facts is None or not facts.disk_cache_bytes:
        return None
    hits = metrics.disk_hit_rate
    loaded = "" if hits is None else f"; {hits:.0%} of all prompt tokens came from it"
    return f"{size(metrics.disk_used_bytes)} of {size(facts.disk_cache_bytes)} used{loaded}"


def _drafts_line(serving: ModelService, metrics: PrometheusMetrics, for_admin: bool) -> str:
    facts, acceptance, parts = serving.facts, metrics.acceptance, []
    if acceptance is not None:
        parts.append(f"{acceptance:.0%} of {metrics.drafted_tokens:,} tokens accepted")
        if facts is not None and facts.draft_model:
            parts.append(f"draft model {facts.draft_model}")
    if for_admin and facts is not None and not facts.draft_model and serving.folders["DRAFT_MODEL_DIR"] is not None:
        parts.append("the draft model is off, and the log says why")
    return "; ".join(parts)


def _export_rows(report: ExportReport) -> dict[str, str | None]:
    repairs = [f"{finding.what}: {finding.detail}" for finding in report.findings if finding.verdict == "repaired"]
    return {
        "Exported": discord.utils.format_dt(report.exported_at, "f"),
        "Quality": _quality_line(report.quality) if report.quality else None,
        "Speed (at export)": _speed_line(report.speed) if report.speed else None,
        "Repairs": "; ".join(repairs),
    }


def _quality_line(quality: Quality) -> str:
    parts = []
    if quality.agreement is not None:
        parts.append(f"agrees with its checkpoint on {quality.agreement:.0%} of {quality.tokens:,} next tokens")
    source = "" if quality.source_perplexity is None else f" (checkpoint {quality.source_perplexity:.2f})"
    return "; ".join([*parts, f"perplexity {quality.perplexity:.2f}{source}"])


def _speed_line(speed: Speed) -> str:
    answers, prompts = speed.answer_tokens_per_second, speed.prompt_tokens_per_second
    return f"{answers:.1f} tokens/s decode, {prompts:.0f} tokens/s prefill, on {speed.device_name}"


def _refusal_line(serving: ModelService, refusal: RefusedVersion, for_admin: bool) -> str:
    name = refusal.choice.folder.name
    if not for_admin:
        return f"{name} cannot be used; {serving.folder.version or 'the model before it'} answers instead"
    return f"{name}: {without_server_paths(refusal.reason, serving.folders)}"


def _is_shown(name: str, value: str | None) -> bool:
    """An unknown origin is shown as unknown; other empty rows are left out."""
    return bool(value) or name in {"Source", "Revision", "Weights"}


def _line(name: str, value: str | None) -> str:
    """One row. A text from a file may have any length and line breaks of its own."""
    most = _REASON_CHARACTERS if name == "Refused version" else _ROW_CHARACTERS
    return f"**{name}:** {_short(' '.join(value.split()), most) if value else 'unknown'}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
