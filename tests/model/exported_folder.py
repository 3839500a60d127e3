"""Folders with the files of an exported model, but no model in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder

# The end of an openvino_model.xml as `optimum-cli export openvino --weight-format int4 --group-size 128 --ratio 0.6
# --sym` of optimum-intel 2.1.0 wrote it.
RUNTIME_INFORMATION = """\t<rt_info>
\t\t<Runtime_version value="2026.4.1-22982-e213a147257-releases/2026/4" />
\t\t<conversion_parameters>
\t\t\t<framework value="pytorch" />
\t\t</conversion_parameters>
\t\t<nncf>
\t\t\t<version value="3.4.0" />
\t\t\t<weight_compression>
\t\t\t\t<advanced_parameters value="{'group_size_fallback_mode': 'error', 'gptq_params': {'block_size': 128}}" />
\t\t\t\t<backup_mode value="int8_asym" />
\t\t\t\t<group_size value="GROUP_SIZE" />
\t\t\t\t<mode value="MODE" />
\t\t\t\t<ratio value="RATIO" />
\t\t\t\t<sensitivity_metric value="weight_quantization_error" />
\t\t\t</weight_compression>
\t\t</nncf>
\t</rt_info>
"""
CONSTANT = (
    '\t\t<layer id="{id}" type="Const"><data element_type="u8" shape="{size}" offset="{offset}" size="{size}" />\n'
)
PHI3_CONFIG: dict[str, Any] = {
    "architectures": ["Phi3ForCausalLM"],
    "eos_token_id": 32000,
    "max_position_embeddings": 4096,
    "model_type": "phi3",
    "sliding_window": 2047,
    "vocab_size": 32064,
}
# As the same exporter writes it, without the compression settings.
OPTIMUM_CONFIG = {
    "dtype": "",
    "optimum_version": "2.3.0",
    "quantization_config": {
        "default_config": {"quant_method": "default"},
        "quantization_configs": {},
        "tokenizer": "microsoft/Phi-3-mini-4k-instruct",
    },
}


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def write_model(
    folder: Path,
    *,
    mode: str | None = "int4_sym",
    group_size: str = "128",
    ratio: str = "0.6",
    padding: int = 0,
) -> Path:
    """Write such a folder with 100 bytes of weights, and `padding` spaces behind the constants in the XML."""
    folder.mkdir(parents=True, exist_ok=True)
    information = RUNTIME_INFORMATION.replace("GROUP_SIZE", group_size).replace("RATIO", ratio)
    information = information.replace("MODE", mode) if mode else ""
    constants = CONSTANT.format(id=1, offset=40, size=60) + CONSTANT.format(id=2, offset=0, size=40)
    (folder / "openvino_model.xml").write_text(
        f'<?xml version="1.0"?>\n<net>\n{constants}{" " * padding}\n{information}</net>\n', encoding="utf-8"
    )
    (folder / "openvino_model.bin").write_bytes(bytes(100))
    write_json(folder / "config.json", PHI3_CONFIG)
    write_json(folder / "generation_config.json", {"eos_token_id": [32001, 32007]})
    write_json(folder / "openvino_config.json", OPTIMUM_CONFIG)
    write_json(folder / "tokenizer.json", {"model": {}})
    return folder


def error_line(path: Path, use: Callable[[Path], object] = open_model_folder) -> str:
    """Return the one line with which `use` refuses the path."""
    with pytest.raises(ConfigurationError) as raised:
        use(path)
    message = str(raised.value)
    assert "\n" not in message
    return message
