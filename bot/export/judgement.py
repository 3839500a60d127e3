"""Everything that is looked at before a new model may answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.engine.worker.memory_limit import usable_memory
from bot.errors import ConfigurationError
from bot.export.child_process import ChildError
from bot.export.corpus import READING_TEXT
from bot.export.engine_trial import try_engines
from bot.export.progress import ProgressLine
from bot.export.quality import measure_quality
from bot.export.repair import check_chat_template, check_stop_tokens
from bot.export.tokenizer_check import check_tokenizers
from bot.export.workspace import Workspace
from bot.model.folder import open_model_folder
from bot.model.report import Finding, Quality, Speed
from bot.prompting.prompt import PromptBuilder

PERPLEXITY_LIMIT = 3.0
"""A model that is that many times as surprised by plain text as its source is broken. Of the presets, `npu` had the
most with SmolLM2-135M: 1.9 times."""

_MEMORY_PART = 0.9


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found out about a model folder."""

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
    """Check, mend and measure the model folder in the making.

    Args:
        workspace: holds it.
        source: the checkpoint that it was made from; None where there is none.
        progress: told what is being done.
        trust_remote_code: let the checkpoint's own Python code run.
        with_quality: measure how well it predicts text.
        perplexity_limit: how many times the source's its perplexity may be.

    Raises:
        ConfigurationError: it may not answer.
    """
    model = workspace.model
    try:
        progress.stage("Checking the tokenizers")
        findings = check_tokenizers(workspace, source)
        progress.stage("Checking chat template and stop tokens")
        findings += [check_chat_template(model, source), check_stop_tokens(model)]
        tried, speed = try_engines(model, progress.stage)
        findings += tried
        quality = None
        if with_quality:
            quality, finding = measure_quality(
                model,
                source,
                ids=PromptBuilder.from_folder(model).tokenizer.encode(READING_TEXT, at_start=True),
                work=workspace.folder,
                trust_remote_code=trust_remote_code,
                memory_bytes=int(usable_memory().bytes * _MEMORY_PART),
                say=progress.stage,
            )
            findings.append(finding)
            _require_quality(quality, perplexity_limit)
    except ChildError as error:
        raise ConfigurationError(f"the new model was refused, and nothing was switched: {error}") from error
    open_model_folder(model)  # whole, after all that was mended in it
    return Judgement(tuple(findings), quality, speed)


def _require_quality(quality: Quality, limit: float) -> None:
    if quality.source_perplexity is not None and quality.perplexity > limit * quality.source_perplexity:
        raise ConfigurationError(
            f"the new model was refused, and nothing was switched: its perplexity is {quality.perplexity:.2f} and the "
            f"source's {quality.source_perplexity:.2f}; choose a recipe that loses less (--recipe int8), or allow it "
            "with --perplexity-limit"
        )
