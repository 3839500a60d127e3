"""Opens the folder of a model whose weights are elsewhere: a tokenizer is enough to write its prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError
from bot.model import source
from bot.model.config import FILE_NAME as CONFIG_FILE
from bot.model.config import ModelConfig, eos_token_ids
from bot.model.files import MOST_TOKENIZER_BYTES, TOKENIZER_FILE, parse_object, read_file, text_in
from bot.model.folder import UNKNOWN_CONTEXT_TOKENS, ModelFolder, last_part, one_line
from bot.model.folder_errors import errors_of, refused, require_folder, resolved
from bot.model.generation_defaults import GenerationDefaults
from bot.model.manifest import read_manifest, wrong_files
from bot.model.same_tokenizer import read_ids
from bot.model.versions import current_model_folder, home_of

_GENERATION_FILE = "generation_config.json"
_FILES = (TOKENIZER_FILE, "tokenizer_config.json", "chat_template.jinja", CONFIG_FILE, _GENERATION_FILE)


def open_tokenizer_folder(path: Path) -> ModelFolder:
    """Read what the files of a model folder say, without asking for weights.

    Args:
        path: a folder with a tokenizer, or one with versions, whose current one is opened; a leading `~` is the user's
            home.

    Raises:
        ConfigurationError: the folder is missing, or has no usable tokenizer. The message names the way out.
    """
    with errors_of(path):
        home = resolved(path)
        require_folder(home)
        folder = current_model_folder(home)
        if not (folder / TOKENIZER_FILE).is_file():
            raise _unusable(folder, f"has no {TOKENIZER_FILE}")
        try:
            _require_unchanged(folder)
            return _read(folder)
        except ValueError as error:
            raise _unusable(folder, f"is damaged: {error}") from error


def _require_unchanged(folder: Path) -> None:
    """Compare the files that are there with the manifest of an export, if there is one."""
    manifest = read_manifest(folder)
    if manifest is None:
        return
    ours = {name: record for name, record in manifest.files.items() if name in _FILES and (folder / name).exists()}
    if wrong := wrong_files(folder, manifest.model_copy(update={"files": ours})):
        raise refused(folder, "is damaged", ", ".join(wrong))


def _read(folder: Path) -> ModelFolder:
    config = ModelConfig.from_document(_document(folder, CONFIG_FILE))
    generation_config = _document(folder, _GENERATION_FILE)
    recorded = _document(folder, source.FILE_NAME)
    ids = read_ids(read_file(folder / TOKENIZER_FILE, MOST_TOKENIZER_BYTES))
    vocabulary_size = config.vocabulary_size or max(ids, default=-1) + 1
    origin = text_in(recorded, "source") or config.origin
    stop_tokens = eos_token_ids(generation_config) | config.eos_token_ids
    return ModelFolder(
        path=folder,
        version=folder.name if home_of(folder) else None,
        name=one_line(text_in(recorded, "name") or last_part(origin) or "") or folder.name,
        source=origin,
        revision=text_in(recorded, "revision"),
        license=text_in(recorded, "license"),
        weight_format=None,
        recipe=None,
        size_bytes=0,
        context_length=config.context_length or UNKNOWN_CONTEXT_TOKENS,
        original_context=None,
        vocabulary_size=vocabulary_size,
        eos_token_ids=frozenset(each for each in stop_tokens if 0 <= each < vocabulary_size),
        generation_defaults=GenerationDefaults.read(generation_config),
        architecture=config.architectures[0] if config.architectures else None,
        model_type=config.model_type,
        report=None,
        device_properties={},
    )


def _document(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return parse_object(read_file(path), name) if path.exists() else {}


def _unusable(folder: Path, state: str) -> ConfigurationError:
    return ConfigurationError(
        f"the model folder {folder} {state}; copy {TOKENIZER_FILE}, tokenizer_config.json and {CONFIG_FILE} of the "
        "model that the servers run into it, or set MODEL_DIR to a folder that has them"
    )
