"""How well an exported model predicts a text, beside the model that it was made from."""

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
from bot.export.next_tokens import NextTokens
from bot.export.progress import size
from bot.model.report import Finding, Quality

GOOD_AGREEMENT = 0.5
"""The part of all places in which a sound export finds the same token likeliest, at least. With SmolLM2-135M the worst
preset had 0.54; random weights, to which all tokens are about as likely, have next to nothing."""

WINDOW_TOKENS = 512
"""How many tokens are read in one pass, at most."""

_WORKING_BYTES = 700_000_000
"""What Python, torch, transformers and the intermediate results take, with something to spare. Phi-3-mini, with 7.64 GB
of weights, took 8.54 GB at the peak, of which 0.39 GB were the widest part in 32 bits and 0.13 GB logits."""

_FLOAT32_BYTES = 4


class _SourceNotRunError(Exception):
    """Why the source could not be run, as the end of a sentence."""


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
    """Let the exported model read a text, and its source too where it can be run here: whatever stops it is said.

    Args:
        exported: the folder with `openvino_model.xml` and `config.json`.
        source: the local checkpoint that it was made from; None where there is none.
        ids: the text's tokens for both, at least two.
        work: a folder for the children's files, which the caller removes.
        trust_remote_code: let the source's own Python code run.
        memory_bytes: what a child may take.
        say: told what is being done.

    Returns:
        The figures, and a finding that is `skipped` if the source was not run.

    Raises:
        ChildError: the exported model cannot be loaded, or predicts no numbers. The bot could not use it either.
        ConfigurationError: the exported model's config.json is unusable.
    """
    text = _Text(ids, min(WINDOW_TOKENS, ModelLimits.read(exported).context), work)
    say(f"Reading a text of {len(ids)} tokens with the exported model")
    after = text.read("exported_reading", exported)
    try:
        before = _read_source(text, source, trust_remote_code=trust_remote_code, memory_bytes=memory_bytes, say=say)
    except _SourceNotRunError as reason:
        return _judge_alone(after, str(reason))
    return _compare(after, before)


def source_memory(checkpoint: Checkpoint) -> int:
    """Estimate what `bot.export.source_reading` takes for a checkpoint, in bytes. It errs upwards."""
    vocabulary, layers = checkpoint.config.vocabulary_size, checkpoint.config.layers
    logits = 2 * WINDOW_TOKENS * vocabulary if vocabulary else 0
    # No part has more weights of its own than a whole layer, or the embedding and the last part together.
    per_layer = checkpoint.parameters // layers if layers else checkpoint.parameters
    widened = max(checkpoint.embedding_parameters, per_layer)
    return checkpoint.weights_bytes + (widened + logits) * _FLOAT32_BYTES + _WORKING_BYTES


class _Text:
    """The tokens that both models read, each in a child of its own."""

    def __init__(self, ids: Sequence[int], window: int, work: Path) -> None:
        self._window = window
        self._work = work
        self._ids = work / "ids.npy"
        np.save(self._ids, np.asarray(ids, np.int64))

    def read(self, module: str, model: Path, *options: str) -> NextTokens:
        output = self._work / f"{module}.npz"
        run_child(
            f"bot.export.{module}",
            [str(model), str(self._ids), str(output), "--window", str(self._window), *options],
            log=self._work / f"{module}.log",
            environment={"HF_HUB_OFFLINE": "1"},  # everything is here; a look at the hub would only cost time
        )
        return NextTokens.load(output)


def _read_source(
    text: _Text, source: Path | None, *, trust_remote_code: bool, memory_bytes: int, say: Callable[[str], None]
) -> NextTokens:
    if source is None:
        raise _SourceNotRunError("the model that it was made from is not here")
    if importlib.util.find_spec("torch") is None:
        raise _SourceNotRunError("to run the model that it was made from needs torch: pip install -e '.[optimum]'")
    try:
        needed = source_memory(read_checkpoint(source))
        if needed > memory_bytes:
            raise _SourceNotRunError(
                f"the model that it was made from takes about {size(needed)} of memory, and there are "
                f"{size(memory_bytes)}"
            )
        say(f"Reading it with the model that was exported, which takes about {size(needed)} of memory")
        return text.read("source_reading", source, *(["--trust-remote-code"] if trust_remote_code else []))
    except (ChildError, ConfigurationError) as error:
        raise _SourceNotRunError(f"the model that it was made from could not be run: {error}") from error


def _judge_alone(after: NextTokens, reason: str) -> tuple[Quality, Finding]:
    quality = Quality(tokens=len(after.likeliest), perplexity=after.perplexity)
    detail = f"perplexity {after.perplexity:.2f} over {quality.tokens} tokens, compared with nothing: {reason}"
    return quality, Finding(what="quality", verdict="skipped", detail=detail)


def _compare(after: NextTokens, before: NextTokens) -> tuple[Quality, Finding]:
    agreement = after.agreement(before)
    quality = Quality(
        tokens=len(after.likeliest),
        perplexity=after.perplexity,
        source_perplexity=before.perplexity,
        agreement=agreement,
        source_precision="float32",
    )
    detail = (
        f"the same likeliest token as before the export in {agreement:.1%} of {quality.tokens} places; "
        f"perplexity {after.perplexity:.2f}, {before.perplexity:.2f} before"
    )
    verdict: Literal["good", "noted"] = "good" if agreement >= GOOD_AGREEMENT else "noted"
    return quality, Finding(what="quality", verdict=verdict, detail=detail)
