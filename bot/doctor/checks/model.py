"""The model folder: complete, unchanged, and which version answers."""

from __future__ import annotations

from bot.doctor.check import Finding, Findings, Result, refused
from bot.errors import ConfigurationError
from bot.model.draft_folder import open_draft_folder
from bot.model.folder import ModelFolder, open_model_folder, verify_model_folder
from bot.model.manifest import FILE_NAME as MANIFEST_NAME
from bot.model.same_tokenizer import first_difference
from bot.model.start_order import StartOrder
from bot.model.tokenizer_folder import open_tokenizer_folder
from bot.settings import Settings
from bot.sizes import size

NAME, DRAFT_MODEL = "model", "draft model"


def usable_model(settings: Settings) -> tuple[ModelFolder | None, Findings]:
    """The model that the bot would start with, and why other versions, or all, cannot be used."""
    try:
        order = StartOrder(settings.model_dir)
    except ConfigurationError as error:
        return None, [refused(NAME, error)]
    try:
        model = order.next_usable(open_tokenizer_folder if settings.engine == "openai" else open_model_folder)
    except ConfigurationError as error:
        return None, [refused(NAME, error)]
    # The bot starts with an earlier version then, and says so.
    return model, [refused(NAME, each, Result.WARNING) for each in order.refusals]


def check_model(model: ModelFolder | None, refusals: Findings, settings: Settings) -> Findings:
    """Read every file of a model and compare it with its manifest: seconds for a large one.

    Args:
        model: as `usable_model` returns it; so is `refusals`.
        settings: may name a draft model.
    """
    if model is None:
        return refusals
    if not model.has_weights:  # its opening has compared its files
        return [*refusals, Finding(NAME, Result.OK, f"{model.title}: its tokenizer can be used; servers run the model")]
    try:
        verify_model_folder(model.path)
    except ConfigurationError as error:
        return [*refusals, refused(NAME, error)]
    line = f"{model.title}, {size(model.size_bytes)}: {_checked(model)}"
    return [*refusals, Finding(NAME, Result.OK, line), *_check_draft_model(model, settings)]


def usable_draft_model(model: ModelFolder, settings: Settings) -> ModelFolder | None:
    """The draft model for a model; None if none is set or in use.

    Raises:
        ConfigurationError: it cannot draft for this model; the bot answers without it then.
    """
    draft_dir = settings.engine_options.draft_model_dir
    if draft_dir is None:
        return None
    draft = open_draft_folder(draft_dir, model.path)
    difference = first_difference(model.path, draft.path)
    if difference is not None:
        raise ConfigurationError(
            f"the tokenizer of {draft.path} is another than the model's: {difference}; fetch a draft model that was "
            "made for this model, or leave DRAFT_MODEL_DIR out"
        )
    return draft


def _check_draft_model(model: ModelFolder, settings: Settings) -> Findings:
    try:
        draft = usable_draft_model(model, settings)
    except ConfigurationError as error:
        return [refused(DRAFT_MODEL, error, Result.WARNING)]
    if draft is None:
        return []
    return [Finding(DRAFT_MODEL, Result.OK, f"{draft.title}, {size(draft.size_bytes)}: it has the model's tokenizer")]


def _checked(model: ModelFolder) -> str:
    has_manifest = (model.path / MANIFEST_NAME).exists()
    return "every file is as its manifest says" if has_manifest else "complete; it has no manifest to compare it with"
