"""Reads what an export must know of a checkpoint, without loading its weights."""

from __future__ import annotations

import importlib.util
import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.config import ModelConfig

_BYTES = {"float32": 4, "float64": 8, "float16": 2, "bfloat16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1}
_MOST_HEADER_BYTES = 100_000_000  # the format's own limit
SIXTEEN_BITS = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's configuration and size.

    Attributes:
        name: the hub id, or the folder as the admin typed it.
        config: its `config.json`.
        weights_bytes: size of all weight files.
        parameters: how many numbers they hold.
        config_content: the bytes of the `config.json`.
    """

    name: str
    config: ModelConfig
    weights_bytes: int
    parameters: int
    config_content: bytes = b"{}"

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding, and of the last layer unless it shares them."""
        rows, width = self.config.vocabulary_size, self.config.hidden_size
        if rows is None or width is None:
            return 0
        return rows * width * (1 if self.config.ties_embeddings else 2)

    @property
    def sixteen_bit_bytes(self) -> int:
        """Size of the weights at 16 bits each."""
        return self.parameters * SIXTEEN_BITS

    def require_language_model(self, *, trust_remote_code: bool) -> None:
        """Refuse before the download what the exporter would refuse after it.

        Raises:
            ConfigurationError: it is not a causal language model, or needs its own Python code.
        """
        classes = self.config.architectures
        if classes and not any(each.endswith(("ForCausalLM", "LMHeadModel")) for each in classes):
            raise ConfigurationError(
                f"{self.name} is a {classes[0]}, not a causal language model; choose an instruct model such as "
                "microsoft/Phi-3-mini-4k-instruct"
            )
        if self.config.has_own_code and not _is_native(self.config.model_type) and not trust_remote_code:
            raise ConfigurationError(
                f"{self.name} needs its own Python code; if you have read it and trust it, add --trust-remote-code"
            )


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read a local checkpoint.

    Raises:
        ConfigurationError: the folder holds none, or a damaged one.
    """
    if (folder / "openvino_model.xml").exists():
        raise ConfigurationError(f"{folder} is already an OpenVINO model; set MODEL_DIR={folder}")
    content = (folder / "config.json").read_bytes() if (folder / "config.json").exists() else None
    config = None if content is None else read_config(content, folder)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if content is None or config is None or not weights:
        missing = "config.json" if config is None else "weights (*.safetensors or pytorch_model*.bin)"
        raise ConfigurationError(f"{folder} is not a checkpoint: it has no {missing}; name a model's folder or hub id")
    in_bytes = sum(each.stat().st_size for each in weights)
    if weights[0].suffix == ".safetensors":
        parameters = sum(count_parameters(each) for each in weights)
    else:
        parameters = in_bytes // bytes_per_parameter(config)
    return Checkpoint(str(folder), config, in_bytes, parameters, content)


def read_config(content: bytes, where: object) -> ModelConfig:
    """Read the content of a `config.json`.

    Raises:
        ConfigurationError: it is damaged.
    """
    try:
        return ModelConfig.parse(content)
    except ValueError as error:
        raise ConfigurationError(f"{where} is damaged: its {error}; fetch it again") from error


def _is_native(model_type: object) -> bool:
    """Whether transformers implements the model: Phi-3 is native although its repository still names its own code."""
    module = str(model_type).replace("-", "_")
    return module.isidentifier() and importlib.util.find_spec(f"transformers.models.{module}") is not None


def bytes_per_parameter(config: ModelConfig) -> int:
    """Size of one stored number, from the `config.json`."""
    return _BYTES.get(str(config.dtype), _BYTES["float32"])


def count_parameters(path: Path) -> int:
    """Count a safetensors file's parameters from its header (https://huggingface.co/docs/safetensors).

    Raises:
        ConfigurationError: the file is truncated or not a safetensors file.
    """
    try:
        with path.open("rb") as file:
            [length] = struct.unpack("<Q", file.read(8))
            if length > _MOST_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = 8 + length + max((entry["data_offsets"][1] for entry in tensors), default=0)
        if path.stat().st_size < end:
            raise ValueError(f"it has {path.stat().st_size} of {end} bytes")
        return sum(prod(entry["shape"]) for entry in tensors)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise ConfigurationError(f"{path} is damaged: {error}; fetch it again") from error
