"""Makes damaged models, and kinds of models that the tiny checkpoints are not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tests.export.tiny_checkpoints import VOCABULARY, TinyCheckpoints


def changed_source(tiny: TinyCheckpoints, folder: Path, **changes: Any) -> Path:
    """Copy the source and change its config.json."""
    source = folder / "source"
    shutil.copytree(tiny.source, source)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    (source / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    return source


def grown_source(tiny: TinyCheckpoints, folder: Path) -> Path:
    """Write a source of 200 MB with 16-bit weights, all of them zero."""
    layers, hidden, inner = 24, 512, 2048
    sizes = {"num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": inner}
    source = changed_source(tiny, folder, dtype="float16", **sizes)
    layer = {
        "self_attn.qkv_proj": (3 * hidden, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_up_proj": (2 * inner, hidden),
        "mlp.down_proj": (hidden, inner),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    shapes = {f"model.layers.{number}.{name}": shape for number in range(layers) for name, shape in layer.items()}
    shapes |= {"model.embed_tokens": (VOCABULARY, hidden), "model.norm": (hidden,), "lm_head": (VOCABULARY, hidden)}
    weights = {f"{name}.weight": np.zeros(shape, np.float16) for name, shape in shapes.items()}
    save_file(weights, source / "model.safetensors", metadata={"format": "pt"})
    return source


def source_with_code(tiny: TinyCheckpoints, folder: Path) -> Path:
    """Copy the source as a type that transformers does not know, with its own code that leaves a mark."""
    names = {"AutoConfig": "tiny_code.TinyConfig", "AutoModelForCausalLM": "tiny_code.TinyModel"}
    source = changed_source(tiny, folder, model_type="unheard_of", auto_map=names)
    lines = [
        "from pathlib import Path",
        "from transformers import Phi3Config, Phi3ForCausalLM",
        f"Path({str(source / 'code_has_run')!r}).touch()",
        "class TinyConfig(Phi3Config):",
        "    model_type = 'unheard_of'",
        "class TinyModel(Phi3ForCausalLM):",
        "    config_class = TinyConfig",
    ]
    (source / "tiny_code.py").write_text("\n".join(lines), encoding="utf-8")
    return source


def write_table_model(folder: Path, table: NDArray[np.float32], second_input: str) -> None:
    """Write a model that looks up its logits in a table by the last token."""
    import openvino
    from openvino import opset13

    inputs = [opset13.parameter([-1, -1], np.int64, name=name) for name in ("input_ids", second_input)]
    for each in inputs:
        each.output(0).set_names({each.get_friendly_name()})
    logits = opset13.gather(opset13.constant(table), inputs[0], opset13.constant(0))
    logits.output(0).set_names({"logits"})
    openvino.save_model(openvino.Model([logits], inputs), folder / "openvino_model.xml", compress_to_fp16=False)
