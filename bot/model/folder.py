"""Reads a model folder: checks that it is complete and tells what is in it. Needs neither OpenVINO nor torch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError
from bot.model import source
from bot.model.commands import EXPORT, export_command, prebuilt_command, rollback_command
from bot.model.config import ModelConfig, eos_token_ids
from bot.model.generation_defaults import GenerationDefaults
from bot.model.intermediate_representation import IntermediateRepresentation, read_intermediate_representation
from bot.model.manifest import Manifest, read_manifest, wrong_files, wrong_sizes
from bot.model.report import ExportReport, read_report
from bot.model.versions import Choice, ModelVersions, current_model_folder, home_of
from bot.model.weight_recipe import recipe_from_nncf

EXPORTED_MODEL = "microsoft/Phi-3-mini-4k-instruct"
NEEDED_FILES = ("openvino_model.xml", "openvino_model.bin", "config.json", "tokenizer.json")
PYTORCH_PATTERNS = ("*.safetensors", "pytorch_model*.bin")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A complete model folder, and what its files say. None means that no file says it.

    Attributes:
        path: the folder with the model's files, absolute.
        version: its name among the versions side by side; None for a folder without versions.
        name: what people call the model, such as `Phi-3-mini-4k-instruct`.
        source: where it was taken from: a hub id, an address or a path.
        revision: which version of the source.
        license: the SPDX name of the model's licence.
        weight_format: how most weights are stored, such as `int4`.
        recipe: one human line on how the weights were compressed.
        size_bytes: what the model's weights take on disk, in bytes.
        context_length: how many tokens a prompt and its answer may have together. A sliding window does not
            shorten it.
        vocabulary_size: rows of the embedding; token ids are below it.
        eos_token_ids: the tokens that end an answer, from `generation_config.json` and `config.json` together.
        generation_defaults: how the model's makers want tokens to be chosen.
        architecture: the model's class in transformers, such as `Phi3ForCausalLM`.
        model_type: the model's family in transformers, such as `phi3`.
        report: what its export found out; None where it left no report.
    """

    path: Path
    version: str | None
    name: str
    source: str | None
    revision: str | None
    license: str | None
    weight_format: str | None
    recipe: str | None
    size_bytes: int
    context_length: int
    vocabulary_size: int
    eos_token_ids: frozenset[int]
    generation_defaults: GenerationDefaults
    architecture: str | None
    model_type: str | None
    report: ExportReport | None

    @property
    def title(self) -> str:
        """Its name, and which version of it where there are several."""
        return f"{self.name} ({self.version})" if self.version else self.name


def read_choice(path: Path) -> Choice:
    """Read which model folders a path stands for.

    Args:
        path: a model folder, or one with versions side by side; a leading `~` is the user's home.

    Raises:
        ConfigurationError: the folder or its pointer is not there or cannot be read.
    """
    with _errors_of(path):
        home = path.expanduser().resolve()
        _require_folder(home)
        return ModelVersions(home).choice


def open_model_folder(path: Path) -> ModelFolder:
    """Check a model folder and read what it says of itself.

    Args:
        path: the folder, or one with versions side by side, of which the current one is read; a leading `~` is the
            user's home.

    Raises:
        ConfigurationError: the folder is not there, cannot be read or is not complete. The message names what is
            missing and the one command that mends it.
    """
    with _errors_of(path):
        home = path.expanduser().resolve()
        _require_folder(home)
        folder = current_model_folder(home)
        _require_files(folder)
        representation = read_intermediate_representation(folder / "openvino_model.xml")
        _require_whole(folder, representation)
        return _read(folder, representation)


def verify_model_folder(folder: Path, on_progress: Callable[[str], None] = lambda _name: None) -> None:
    """Read every file of a model folder and compare it with the manifest, if there is one: some seconds if it is large.

    Args:
        folder: the model folder.
        on_progress: called with a file's name before each piece of it that is read; what it raises ends the reading.

    Raises:
        ConfigurationError: a file was changed or cannot be read. The message names it and the way out.
    """
    with _errors_of(folder):
        manifest = _manifest(folder)
        if manifest is not None and (wrong := wrong_files(folder, manifest, on_progress)):
            raise _refused(folder, "is damaged", ", ".join(wrong))


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Tell the operating system's errors in one line."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # RuntimeError: no home for `~`, or links that run in a circle
        cause = getattr(error, "strerror", None) or error
        culprit = getattr(error, "filename", None) or path
        raise ConfigurationError(
            f"the model folder cannot be read: {culprit}: {cause}; check MODEL_DIR and the permissions"
        ) from error


def _require_folder(folder: Path) -> None:
    if not folder.exists():
        raise ConfigurationError(
            f"there is no model folder at MODEL_DIR={folder}; fetch one that is ready with "
            f"`{prebuilt_command(folder)}`, make your own with `{export_command(EXPORTED_MODEL, folder)}`, or try the "
            "bot without one: make demo"
        )
    if not folder.is_dir():
        raise ConfigurationError(f"MODEL_DIR={folder} is a file; name the folder that `{EXPORT}` wrote")


def _require_files(folder: Path) -> None:
    sizes = {entry.name: entry.stat().st_size for entry in folder.iterdir() if entry.is_file()}
    wrong = [f"{name} is {'empty' if name in sizes else 'missing'}" for name in NEEDED_FILES if not sizes.get(name)]
    if not wrong:
        return
    if "openvino_model.xml" not in sizes and any(any(folder.glob(pattern)) for pattern in PYTORCH_PATTERNS):
        exported = folder.with_name(f"{folder.name}-openvino")
        raise ConfigurationError(
            f"MODEL_DIR={folder} holds PyTorch weights, which must be exported first: run "
            f"`{export_command(str(folder), exported)}` and set MODEL_DIR={exported}"
        )
    raise _incomplete(folder, ", ".join(wrong))


def _require_whole(folder: Path, representation: IntermediateRepresentation) -> None:
    if not representation.is_whole:
        raise _incomplete(folder, "openvino_model.xml is cut off")
    size = (folder / "openvino_model.bin").stat().st_size
    if size < representation.weights_bytes:
        raise _incomplete(
            folder, f"openvino_model.bin is cut off ({size} bytes of at least {representation.weights_bytes})"
        )
    manifest = _manifest(folder)
    if manifest is not None and (wrong := wrong_sizes(folder, manifest)):
        raise _incomplete(folder, ", ".join(wrong))


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except ValueError as error:
        raise _incomplete(folder, str(error)) from error


def _read(folder: Path, representation: IntermediateRepresentation) -> ModelFolder:
    config, context_length, vocabulary_size = _read_config(folder)
    _load(folder / "tokenizer.json")
    generation_config = _load_optional(folder / "generation_config.json")
    exporter_config = _load_optional(folder / "openvino_config.json")
    noted = _load_optional(folder / source.FILE_NAME)
    origin = _text(noted, "source") or _exported_from(exporter_config) or config.origin
    recipe = recipe_from_nncf(representation.weight_compression)
    return ModelFolder(
        path=folder,
        version=folder.name if home_of(folder) else None,
        name=_text(noted, "name") or _last_part(origin) or folder.name,
        source=origin,
        revision=_text(noted, "revision"),
        license=_text(noted, "license"),
        weight_format=_text(noted, "weight_format") or recipe.weight_format,
        recipe=_text(noted, "recipe") or recipe.line,
        size_bytes=(folder / "openvino_model.bin").stat().st_size,
        context_length=context_length,
        vocabulary_size=vocabulary_size,
        eos_token_ids=eos_token_ids(generation_config) | config.eos_token_ids,
        generation_defaults=GenerationDefaults.read(generation_config),
        architecture=config.architectures[0] if config.architectures else None,
        model_type=config.model_type,
        report=read_report(folder),
    )


def _read_config(folder: Path) -> tuple[ModelConfig, int, int]:
    try:
        config = ModelConfig.read(folder)
        context_length, vocabulary_size = config.require("context_length", "vocabulary_size")
    except ValueError as error:
        raise _incomplete(folder, str(error)) from error
    return config, context_length, vocabulary_size


def _load(path: Path) -> Document:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # broken JSON, or bytes that are not UTF-8
        raise _incomplete(path.parent, f"{path.name} is not valid JSON") from error
    if not isinstance(document, dict):
        raise _incomplete(path.parent, f"{path.name} is not a JSON object")
    return document


def _load_optional(path: Path) -> Document:
    return _load(path) if path.exists() else {}


def _exported_from(exporter_config: Document) -> str | None:
    """Return the model that optimum's exporter was given: it notes it as the tokenizer of its compression."""
    settings = exporter_config.get("quantization_config")
    return _text(settings, "tokenizer") if isinstance(settings, dict) else None


def _text(document: Document, key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) and value else None


def _last_part(origin: str | None) -> str | None:
    return re.split(r"[/\\]", origin.rstrip("/\\"))[-1] if origin else None


def _incomplete(folder: Path, what: str) -> ConfigurationError:
    return _refused(folder, "is not complete", what)


def _refused(folder: Path, how: str, what: str) -> ConfigurationError:
    home = home_of(folder)
    if home is None:
        way_out = f"make it again with `{export_command(EXPORTED_MODEL, folder)}`"
        return ConfigurationError(f"the model folder MODEL_DIR={folder} {how}: {what}; {way_out}")
    way_out = f"go back with `{rollback_command(home)}`, or make another with `{export_command(EXPORTED_MODEL, home)}`"
    return ConfigurationError(f"the version {folder.name} in MODEL_DIR={home} {how}: {what}; {way_out}")
