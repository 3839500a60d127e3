"""A child that asks optimum-intel and transformers whether they can export a model, from its `config.json` alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten
from typing import Any

from bot.errors import ConfigurationError
from bot.export.child_process import die_with_parent
from bot.export.recipe import TASK
from bot.model.config import WRONG_ON_PAGED_ATTENTION, ModelConfig

_MOST_CAUSE_CHARACTERS = 200


def main() -> int:
    """Check the `config.json` that the command line names, and return the exit code."""
    die_with_parent()
    try:
        document = json.loads(Path(sys.argv[1]).read_bytes())
        _require_type(document.get("model_type"))
        _require_readable_weights(document.get("quantization_config"))
        _require_runnable(document)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    return 0


def supported_types() -> list[str]:
    """All types that the installed exporter exports and the bot runs, sorted."""
    return sorted(each for each in _known_types() if _is_supported(each))


def _is_supported(model_type: str) -> bool:
    try:
        _require_type(model_type)
        _require_runnable({"model_type": model_type})
    except ConfigurationError:
        return False
    return True


def _require_type(model_type: object) -> None:
    """Refuse a type that the exporter does not know, or not with the installed transformers."""
    if not isinstance(model_type, str):
        raise ConfigurationError("its config.json names no model_type")
    installed = version("transformers")
    if model_type not in set(_known_types()):
        raise ConfigurationError(f"optimum-intel {version('optimum-intel')} does not know its type, {model_type}")
    oldest, newest = _transformers_versions(model_type)
    if not _is_within(installed, oldest, newest):
        wanted = " to ".join(each for each in (oldest, newest) if each)
        raise ConfigurationError(
            f"optimum-intel {version('optimum-intel')} exports its type, {model_type}, only with transformers "
            f"{wanted}, and {installed} is installed"
        )


def _require_readable_weights(quantization: object) -> None:
    """Refuse weights that are already compressed in a way that transformers cannot read here."""
    if not isinstance(quantization, Mapping):
        return
    from transformers.quantizers.auto import AutoHfQuantizer

    try:
        quantizer = AutoHfQuantizer.from_config(dict(quantization), pre_quantized=True)
        quantizer.validate_environment(device_map=None)
    except Exception as error:  # each format has checks of its own, and errors of any type
        method = quantization.get("quant_method", "in an unknown way")
        cause = shorten(str(error), _MOST_CAUSE_CHARACTERS, placeholder=" ...")
        raise ConfigurationError(
            f"its weights are already compressed ({method}), and transformers cannot read them here ({cause})"
        ) from error


def _require_runnable(document: Mapping[str, Any]) -> None:
    """Refuse what the exporter exports and the bot's engines cannot run."""
    from transformers import CONFIG_MAPPING

    model_type = document["model_type"]
    if model_type not in CONFIG_MAPPING:  # the model's own code reads its config.json
        return
    try:
        config = CONFIG_MAPPING[model_type].from_dict(dict(document))  # adds what a file leaves to the defaults
    except Exception as error:  # each type has checks of its own, and errors of any type
        cause = shorten(f"{type(error).__name__}: {error}", _MOST_CAUSE_CHARACTERS, placeholder=" ...")
        raise ConfigurationError(f"transformers cannot read its config.json ({cause})") from error
    if getattr(config, "is_encoder_decoder", False) or model_type in WRONG_ON_PAGED_ATTENTION:
        raise ConfigurationError(f"the bot's engines cannot run its type, {model_type}")
    try:
        ModelConfig.from_document(config.to_dict()).require(
            "context_length", "vocabulary_size", "layers", "key_value_heads", "head_size"
        )
    except ValueError as error:
        raise ConfigurationError(f"the bot's engines cannot run its type, {model_type}: its {error}") from error


def _known_types() -> Iterator[str]:
    import optimum.exporters.openvino.model_configs  # noqa: F401 - fills the registry
    from optimum.exporters.tasks import TasksManager

    for model_type, exporters in TasksManager._SUPPORTED_MODEL_TYPE.items():
        if TASK in exporters.get("openvino", {}):
            yield model_type


def _transformers_versions(model_type: str) -> tuple[str | None, str | None]:
    """The oldest and the newest transformers with which the exporter exports a type; None where it sets no limit."""
    from optimum.exporters.tasks import TasksManager

    make: Any = TasksManager.get_exporter_config_constructor(
        exporter="openvino", model_type=model_type, task=TASK, library_name="transformers"
    )
    limits = (getattr(make.func, name, None) for name in ("MIN_TRANSFORMERS_VERSION", "MAX_TRANSFORMERS_VERSION"))
    oldest, newest = (None if each is None else str(each) for each in limits)
    return oldest, newest


def _is_within(installed: str, oldest: str | None, newest: str | None) -> bool:
    from packaging.version import Version

    found = Version(installed)
    return (oldest is None or found >= Version(oldest)) and (newest is None or found <= Version(newest))


if __name__ == "__main__":
    sys.exit(main())
