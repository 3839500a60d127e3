"""Measures how well an exported model predicts a text, compared with its source checkpoint."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from bot.engine.worker.admission import ModelLimits
from bot.errors import ConfigurationError
from bot.export.checkpoint import Checkpoint, read_checkpoint
from bot.export.child_process import ChildError, run_child
from bot.export.next_tokens import PRECISION, NextTokens
from bot.model.report import Finding, Quality
from bot.own_command import install_command
from bot.sizes import size

GOOD_AGREEMENT = 0.5
"""The least agreement of a sound export. With SmolLM2-135M the worst preset had 0.54; random weights, which rate all
tokens about alike, have close to none."""

WINDOW_TOKENS = 512
"""Most tokens in one pass."""

_WORKING_BYTES = 700_000_000
"""Memory of Python, torch, transformers and intermediate results, with a margin. Phi-3-mini, with 7.64 GB of weights,
peaked at 8.54 GB, 0.39 GB of it for the widest part in 32 bits and 0.13 GB for logits."""

_FLOAT32_BYTES = 4


class SourceNotRunError(Exception):
    """The source was not run; the message is the end of a sentence that says why."""


def measure_quality(
    exported: Path,
    source: Path | None,
    *,
    ids: Sequence[int],
    work: Path,
    trust_remote_code: bool,
    memory_bytes: int,
    say: Callable[[str], None],
) -> tuple[Quality, Finding]:
    """Read a text with the exported model, and with its source if this machine can run it.

    Args:
        exported: the folder with `openvino_model.xml` and `config.json`.
        source: the local checkpoint that it was exported from, if any.
        ids: the text's tokens, at least two.
        work: for the children's files; the caller removes it.
        memory_bytes: what a child may use.
        say: receives the name of each stage.

    Returns:
        The figures, and a finding that is `skipped` if the source was not run.

    Raises:
        ChildError: the exported model cannot be loaded, or its logits are not finite. The bot could not run it either.
        ConfigurationError: the exported model's config.json is unusable.
    """
    text = Text(ids, work, "--window", min(WINDOW_TOKENS, ModelLimits.read(exported).context))
    say(f"Reading a text of {len(ids)} tokens with the exported model")
    predicted = text.read("exported_reading", exported)
    try:
        source_predicted = read_source(
            text, source, trust_remote_code=trust_remote_code, memory_bytes=memory_bytes, say=say
        )
    except SourceNotRunError as reason:
        return _alone(predicted, str(reason))
    return _compared(predicted, source_predicted)


def source_memory(checkpoint: Checkpoint) -> int:
    """Estimate the peak memory of `bot.export.source_reading` in bytes, rather too high than too low."""
    vocabulary, layers = checkpoint.config.vocabulary_size, checkpoint.config.layers
    logits = 2 * WINDOW_TOKENS * vocabulary if vocabulary else 0
    # Upper bound for the weights that are widened at once: a whole layer, or the embedding and the last layer.
    per_layer = checkpoint.parameters // layers if layers else checkpoint.parameters
    widened = max(checkpoint.embedding_parameters, per_layer)
    return checkpoint.weights_bytes + (widened + logits) * _FLOAT32_BYTES + _WORKING_BYTES


class Text:
    """The tokens that both models read, each in its own child."""

    def __init__(self, ids: Sequence[int], work: Path, option: Literal["--window", "--last"], tokens: int) -> None:
        self._how = (option, str(tokens))
        self._work = work
        self._ids = work / "ids.npy"
        np.save(self._ids, np.asarray(ids, np.int64))

    def read(self, module: str, model: Path, *options: str) -> NextTokens:
        """Read them with a model.

        Args:
            module: the child's, such as `exported_reading`.

        Raises:
            ChildError: it failed.
        """
        output = self._work / f"{module}.npz"
        run_child(
            f"bot.export.{module}",
            [str(model), str(self._ids), str(output), *self._how, *options],
            log=self._work / f"{module}.log",
            environment={"HF_HUB_OFFLINE": "1"},  # every file is local; asking the hub only costs time
        )
        return NextTokens.load(output)


def read_source(
    text: Text,
    source: Path | None,
    *,
    trust_remote_code: bool,
    memory_bytes: int,
    say: Callable[[str], None],
    memory_of: Callable[[Checkpoint], int] = source_memory,
) -> NextTokens:
    """Read a text with the source checkpoint.

    Args:
        memory_of: estimates what that takes, in bytes.

    Raises:
        SourceNotRunError: there is no source, or this machine cannot run it.
    """
    if source is None:
        raise SourceNotRunError("its source checkpoint is not here")
    if importlib.util.find_spec("torch") is None:
        raise SourceNotRunError(f"running its source checkpoint needs torch: `{install_command('optimum')}`")
    try:
        needed = memory_of(read_checkpoint(source))
        if needed > memory_bytes:
            raise SourceNotRunError(
                f"its source checkpoint needs about {size(needed)} of memory, and {size(memory_bytes)} is available"
            )
        say(f"Reading it with the source checkpoint, which takes about {size(needed)} of memory")
        return text.read("source_reading", source, *(["--trust-remote-code"] if trust_remote_code else []))
    except (ChildError, ConfigurationError) as error:
        raise SourceNotRunError(f"its source checkpoint could not be run: {error}") from error


def _alone(exported: NextTokens, reason: str) -> tuple[Quality, Finding]:
    quality = Quality(tokens=len(exported.likeliest), perplexity=exported.perplexity, precision=PRECISION)
    figures = f"perplexity {exported.perplexity:.2f} over {quality.tokens} tokens, computed in {PRECISION}"
    detail = f"{figures}, without a comparison: {reason}"
    return quality, Finding(what="quality", verdict="skipped", detail=detail)


def _compared(exported: NextTokens, source: NextTokens) -> tuple[Quality, Finding]:
    agreement = exported.agreement(source)
    quality = Quality(
        tokens=len(exported.likeliest),
        perplexity=exported.perplexity,
        source_perplexity=source.perplexity,
        agreement=agreement,
        source_precision="float32",
        precision=PRECISION,
    )
    detail = (
        f"predicts the same token as its source in {agreement:.1%} of {quality.tokens} positions; "
        f"perplexity {exported.perplexity:.2f}, source {source.perplexity:.2f}; both computed in {PRECISION}"
    )
    verdict: Literal["good", "noted"] = "good" if agreement >= GOOD_AGREEMENT else "noted"
    return quality, Finding(what="quality", verdict=verdict, detail=detail)
