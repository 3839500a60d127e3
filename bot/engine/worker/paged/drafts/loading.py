"""Loads the draft model, and sizes the KV caches with it. Whatever is wrong with it, the engine serves without it."""

from __future__ import annotations

from collections.abc import Callable

import numpy

from bot.engine.interface import EngineOptions
from bot.engine.worker.backends.backend import one_line
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.precision import check_cache_precision
from bot.errors import ConfigurationError
from bot.model.config import WRONG_ON_PAGED_ATTENTION
from bot.model.draft_folder import open_draft_folder
from bot.model.folder import ModelFolder
from bot.model.same_tokenizer import first_difference


def load_draft_model(
    options: EngineOptions,
    inference: str,
    vocabulary: int,
    plan_blocks: Callable[..., int],
    warn: Callable[[str], None],
) -> tuple[DraftModel | None, int]:
    """Load the draft model that the options name; if it cannot be used, tell the operator why.

    Args:
        inference: the precision in effect, as the device reports it.
        vocabulary: rows of the embedding of the model to draft for, which must not be loaded yet.
        plan_blocks: sizes the KV caches of the model and of the draft models whose folders it is called with.
        warn: called with one line.

    Returns:
        The draft model, and the size of the KV caches in blocks.

    Raises:
        ModelDoesNotFitError: the model does not fit even without a draft model.
    """
    if options.draft_model_dir is None or options.draft_tokens == 0:
        return None, plan_blocks()
    try:
        folder = _usable_folder(options, inference)
        blocks = plan_blocks(folder.path)
        return _load(folder, options, blocks, vocabulary), blocks
    except ConfigurationError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - a broken model folder can make a library raise anything
        reason = f"it does not run: {one_line(error)}"
    warn(
        "Draft model is off, answers only take longer; correct the reason, name another one or leave DRAFT_MODEL_DIR "
        f"out: path={options.draft_model_dir} reason={reason}"
    )
    return None, plan_blocks()


def _usable_folder(options: EngineOptions, inference: str) -> ModelFolder:
    """Open the draft model's folder, and check that it can draft for the model.

    Raises:
        ConfigurationError: it cannot.
    """
    assert options.draft_model_dir is not None
    folder = open_draft_folder(options.draft_model_dir, options.model_dir)
    if folder.model_type in WRONG_ON_PAGED_ATTENTION:
        raise ConfigurationError(f"the engine paged computes models of the type {folder.model_type} wrong")
    difference = first_difference(options.model_dir, folder.path)
    if difference is not None:
        raise ConfigurationError(f"its tokenizer is another than the model's: {difference}")
    if options.device == "CPU":
        check_cache_precision(folder.path, options.properties, inference)
    return folder


def _load(folder: ModelFolder, options: EngineOptions, blocks: int, vocabulary: int) -> DraftModel:
    model = PagedModel(folder.path, options.device, options.properties, blocks)
    # What fails here would fail in the middle of an answer.
    logits = model.advance([Advance([0, 1, 0], 0, [0]), Advance([1], 0, [1])])
    if not numpy.isfinite(logits).all():
        raise ConfigurationError("it computes no finite numbers")
    return DraftModel(model, folder.path, folder.title, folder.context_length, folder.vocabulary_size, vocabulary)
