"""Opens a model folder: checks that it is complete and reads what its files say, without OpenVINO and torch."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError
from bot.model import source
from bot.model.commands import export_command
from bot.model.config import ModelConfig, eos_token_ids
from bot.model.device_properties import read_device_properties
from bot.model.files import MOST_BYTES, MOST_TOKENIZER_BYTES, TOKENIZER_FILE, parse_object, read_file, text_in
from bot.model.folder_errors import damage_of, errors_of, incomplete, refused, require_folder, resolved
from bot.model.generation_defaults import GenerationDefaults
from bot.model.intermediate_representation import IntermediateRepresentation, read_intermediate_representation
from bot.model.manifest import FILE_NAME as MANIFEST_FILE
from bot.model.manifest import Manifest, read_manifest, wrong_files, wrong_sizes
from bot.model.report import ExportReport, read_report
from bot.model.versions import Choice, ModelVersions, current_model_folder, home_of
from bot.model.weight_recipe import recipe_from_nncf

NEEDED_FILES = ("openvino_model.xml", "openvino_model.bin", "config.json", TOKENIZER_FILE)
_MOST_NAME_CHARACTERS = 200
UNKNOWN_CONTEXT_TOKENS = 2**31 - 1
PYTORCH_PATTERNS = ("*.safetensors", "pytorch_model*.bin")

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A complete model folder and what its files say; None where no file says it.

    Attributes:
        path: absolute.
        version: its name among the versions; None for a folder without versions.
        name: such as `Phi-3-mini-4k-instruct`.
        source: where the model comes from: a hub id, a URL or a path.
        revision: of the source.
        license: the SPDX name.
        weight_format: of most weights, such as `int4`.
        recipe: one line on how the weights were compressed.
        size_bytes: of the weights on disk; 0 if the folder is used without them.
        context_length: how many tokens a prompt and its answer may have together; `UNKNOWN_CONTEXT_TOKENS` if no file
            says it.
        original_context: of a model with LongRoPE, see `ModelConfig`.
        vocabulary_size: rows of the embedding; token ids are below it.
        eos_token_ids: the stop tokens of `generation_config.json` and `config.json` together.
        generation_defaults: the sampling that the model's makers recommend.
        architecture: the model's class in transformers, such as `Phi3ForCausalLM`.
        model_type: the model's family in transformers, such as `phi3`.
        report: of the export; None for a model without one.
        device_properties: what it sets for a processor, such as `DYNAMIC_QUANTIZATION_GROUP_SIZE`.
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
    original_context: int | None
    vocabulary_size: int
    eos_token_ids: frozenset[int]
    generation_defaults: GenerationDefaults
    architecture: str | None
    model_type: str | None
    report: ExportReport | None
    device_properties: Mapping[str, str]

    @property
    def has_weights(self) -> bool:
        """Whether this machine runs the model."""
        return self.size_bytes > 0

    @property
    def title(self) -> str:
        """The name, with the version if there are several."""
        return f"{self.name} ({self.version})" if self.version else self.name


def read_choice(path: Path) -> Choice:
    """Read which model folders a path leads to.

    Args:
        path: a model folder or one with versions; a leading `~` is the user's home.

    Raises:
        ConfigurationError: the folder is missing, or its pointer cannot be read.
    """
    with errors_of(path):
        home = resolved(path)
        require_folder(home)
        return ModelVersions(home).choice


def open_model_folder(path: Path) -> ModelFolder:
    """Check that a model folder is complete, and read what its files say.

    Args:
        path: a model folder, or one with versions, whose current one is opened; a leading `~` is the user's home.

    Raises:
        ConfigurationError: the folder is missing, unreadable or incomplete. The message names the way out.
    """
    with errors_of(path):
        home = resolved(path)
        require_folder(home)
        folder = current_model_folder(home)
        _require_files(folder)
        representation = _read_representation(folder)
        _require_whole(folder, representation)
        return _read(folder, representation)


def verify_model_folder(folder: Path, on_progress: Callable[[str], None] = lambda _name: None) -> None:
    """Read every file of a model folder and compare it with the manifest, if there is one: seconds for a large model.

    Args:
        folder: a model folder, without versions.
        on_progress: called with a file's name before each piece that is read; it may raise to stop.

    Raises:
        ConfigurationError: a file has changed or cannot be read. The message names it and the way out.
    """
    with errors_of(folder):
        manifest = _manifest(folder)
        if manifest is not None and (wrong := wrong_files(folder, manifest, on_progress)):
            raise refused(folder, "is damaged", ", ".join(wrong))


def _require_files(folder: Path) -> None:
    sizes = {entry.name: entry.stat().st_size for entry in folder.iterdir() if entry.is_file()}
    wrong = [f"{name} is {'empty' if name in sizes else 'missing'}" for name in NEEDED_FILES if not sizes.get(name)]
    if not wrong:
        return
    if "openvino_model.xml" not in sizes and any(any(folder.glob(pattern)) for pattern in PYTORCH_PATTERNS):
        exported = folder.with_name(f"{folder.name}-openvino")
        raise ConfigurationError(
            f"{folder} holds PyTorch weights, which must be exported first; run "
            f"`{export_command(str(folder), exported)}` and set MODEL_DIR={exported}"
        )
    raise incomplete(folder, ", ".join(wrong))


def _read_representation(folder: Path) -> IntermediateRepresentation:
    with damage_of(folder):
        return read_intermediate_representation(folder / "openvino_model.xml")


def _require_whole(folder: Path, representation: IntermediateRepresentation) -> None:
    if not representation.is_whole:
        raise incomplete(folder, "openvino_model.xml is cut off")
    with (folder / "openvino_model.bin").open("rb") as weights:  # only OpenVINO reads them: it must be allowed to
        size = os.fstat(weights.fileno()).st_size
    if size < representation.weights_bytes:
        raise incomplete(
            folder, f"openvino_model.bin is cut off ({size} bytes of at least {representation.weights_bytes})"
        )
    manifest = _manifest(folder)
    if manifest is not None and (wrong := wrong_sizes(folder, manifest)):
        raise incomplete(folder, ", ".join(wrong))


def _manifest(folder: Path) -> Manifest | None:
    path = folder / MANIFEST_FILE
    # A pipe would keep its reader waiting forever.
    if path.exists() and (not path.is_file() or path.stat().st_size > MOST_BYTES):
        raise incomplete(folder, f"{path.name} is not a manifest")
    with damage_of(folder):
        return read_manifest(folder)


def _read(folder: Path, representation: IntermediateRepresentation) -> ModelFolder:
    config, context_length, vocabulary_size = _read_config(folder)
    _require_one_vocabulary(folder, representation, vocabulary_size)
    _load(folder / TOKENIZER_FILE, MOST_TOKENIZER_BYTES)
    generation_config = _load_optional(folder / "generation_config.json")
    exporter_config = _load_optional(folder / "openvino_config.json")
    recorded = _load_optional(folder / source.FILE_NAME)
    origin = text_in(recorded, "source") or _exported_from(exporter_config) or config.origin
    stop_tokens = eos_token_ids(generation_config) | config.eos_token_ids
    recipe = recipe_from_nncf(representation.weight_compression)
    with damage_of(folder):
        device_properties = read_device_properties(folder)
    return ModelFolder(
        path=folder,
        version=folder.name if home_of(folder) else None,
        name=one_line(text_in(recorded, "name") or last_part(origin) or "") or folder.name,
        source=origin,
        revision=text_in(recorded, "revision"),
        license=text_in(recorded, "license"),
        weight_format=text_in(recorded, "weight_format") or recipe.weight_format,
        recipe=text_in(recorded, "recipe") or recipe.line,
        size_bytes=(folder / "openvino_model.bin").stat().st_size,
        context_length=context_length,
        original_context=config.original_context,
        vocabulary_size=vocabulary_size,
        eos_token_ids=frozenset(each for each in stop_tokens if 0 <= each < vocabulary_size),
        generation_defaults=GenerationDefaults.read(generation_config),
        architecture=config.architectures[0] if config.architectures else None,
        model_type=config.model_type,
        report=read_report(folder),
        device_properties=device_properties,
    )


def _read_config(folder: Path) -> tuple[ModelConfig, int, int]:
    with damage_of(folder):
        config = ModelConfig.read(folder)
        context_length, vocabulary_size = config.require("context_length", "vocabulary_size")
        return config, context_length, vocabulary_size


def _require_one_vocabulary(folder: Path, representation: IntermediateRepresentation, vocabulary_size: int) -> None:
    """Keep a model from generating ids that no prompt may contain, and from being asked for rows that it lacks."""
    width = representation.logits_width
    if width is not None and width != vocabulary_size:
        cause = f"config.json says vocab_size {vocabulary_size}, but openvino_model.xml chooses among {width} tokens"
        raise refused(folder, "contradicts itself", cause)


def _load(path: Path, most_bytes: int = MOST_BYTES) -> Document:
    with damage_of(path.parent):
        return parse_object(read_file(path, most_bytes), path.name)


def _load_optional(path: Path) -> Document:
    return _load(path) if path.exists() else {}


def _exported_from(exporter_config: Document) -> str | None:
    """The model that optimum exported: its exporter records it as the tokenizer of the compression."""
    settings = exporter_config.get("quantization_config")
    return text_in(settings, "tokenizer") if isinstance(settings, dict) else None


def one_line(name: str) -> str:
    """A name that can stand in a line of the log."""
    return " ".join(name.split())[:_MOST_NAME_CHARACTERS]


def last_part(origin: str | None) -> str | None:
    """The name in a hub id, a URL or a path."""
    return re.split(r"[/\\]", origin.rstrip("/\\"))[-1] if origin else None
