"""Judges a new model before the bot may run it: repairs, checks and measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bot.engine.worker.memory_limit import usable_memory
from bot.errors import ConfigurationError
from bot.export.child_process import ChildError
from bot.export.corpus import READING_TEXT
from bot.export.engine_trial import try_engines
from bot.export.group_size import try_group_sizes
from bot.export.paged_check import check_long_context, check_paged_attention, describe_context
from bot.export.progress import ProgressLine
from bot.export.quality import measure_quality
from bot.export.repair import check_chat_template, check_stop_tokens
from bot.export.tokenizer_check import check_tokenizers
from bot.export.workspace import Workspace
from bot.model.folder import open_model_folder
from bot.model.report import Finding, Quality, Speed
from bot.prompting.prompt import PromptBuilder

PERPLEXITY_LIMIT = 3.0
"""A model with more than this many times its source's perplexity is broken. The worst preset, `npu`, had 1.9 times with
SmolLM2-135M."""

_MEMORY_PART = 0.9


class _HowToRead(TypedDict):
    ids: Sequence[int]
    work: Path
    trust_remote_code: bool
    memory_bytes: int
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings and figures of a model folder."""

    findings: tuple[Finding, ...]
    quality: Quality | None
    speed: Speed | None


def judge(
    workspace: Workspace,
    source: Path | None,
    progress: ProgressLine,
    *,
    trust_remote_code: bool,
    with_quality: bool,
    perplexity_limit: float = PERPLEXITY_LIMIT,
) -> Judgement:
    """Check, repair and measure the workspace's model folder.

    Args:
        source: the checkpoint that it was exported from; None for a fetched model.
        with_quality: measure how well it predicts text, and choose its group size of dynamic quantization.
        perplexity_limit: the most that its perplexity may be, as a multiple of its source's.

    Raises:
        ConfigurationError: the model is refused.
    """
    model = workspace.model
    try:
        progress.stage("Checking the tokenizers")
        findings = check_tokenizers(workspace, source)
        progress.stage("Checking chat template and stop tokens")
        findings += [check_chat_template(model, source), check_stop_tokens(model)]
        ids = PromptBuilder.from_folder(model).tokenizer.encode(READING_TEXT, at_start=True)
        if with_quality:  # before the engines, which run with what it chooses
            findings.append(try_group_sizes(model, ids, workspace.folder, progress.stage))
        tried, speed = try_engines(model, progress.stage)
        findings += tried
        findings.append(check_paged_attention(model, ids, workspace.folder, progress.stage))
        quality = None
        if with_quality:
            memory = int(usable_memory().bytes * _MEMORY_PART)
            how = _HowToRead(
                ids=ids,
                work=workspace.folder,
                trust_remote_code=trust_remote_code,
                memory_bytes=memory,
                say=progress.stage,
            )
            quality, compared = _compare_with_source(model, source, how, perplexity_limit)
            findings += compared
        else:
            findings.append(describe_context(model, "--no-quality"))
    except ChildError as error:
        raise ConfigurationError(f"the new model is refused, so the current version stays: {error}") from error
    open_model_folder(model)  # still complete after the repairs
    return Judgement(tuple(findings), quality, speed)


def _compare_with_source(
    model: Path, source: Path | None, how: _HowToRead, perplexity_limit: float
) -> tuple[Quality, list[Finding]]:
    quality, finding = measure_quality(model, source, **how)
    require_quality(quality, perplexity_limit)
    return quality, [finding, check_long_context(model, source, perplexity_limit=perplexity_limit, **how)]


def require_quality(quality: Quality, limit: float) -> None:
    """Refuse a model whose perplexity is more than `limit` times its source's, if that was measured.

    Raises:
        ConfigurationError: it is.
    """
    if quality.source_perplexity is not None and quality.perplexity > limit * quality.source_perplexity:
        raise ConfigurationError(
            f"the new model is refused, so the current version stays: its perplexity is {quality.perplexity:.2f}, its "
            f"source's {quality.source_perplexity:.2f}; choose a recipe that loses less (--recipe int8), or raise "
            "--perplexity-limit"
        )
