"""Makes checkpoints of tiny Phi-3 models, their exports, and torch's logits for a text.

A process of its own does this, because torch and the exporter would stay in the tests' process.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOCABULARY = 500
EXPORTS = ("float32", "int8", "int4")
"""The source's exports by weight format; int4 in groups, as in the sample's recipe."""

_CONTEXT = 600
_SHORT_CONTEXT = 100


@dataclass(frozen=True)
class TinyCheckpoints:
    """The folders that the process wrote."""

    folder: Path

    @property
    def source(self) -> Path:
        """A checkpoint with bfloat16 weights that takes more than a window of 512 tokens."""
        return self.folder / "source"

    @property
    def other(self) -> Path:
        """Another one with other weights and a context of 100 tokens. Its only export is `float32`."""
        return self.folder / "other"

    @staticmethod
    def export(checkpoint: Path, name: str) -> Path:
        """The folder of a checkpoint's export; `EXPORTS` has the names."""
        return checkpoint.with_name(f"{checkpoint.name}-{name}")

    @staticmethod
    def logits(checkpoint: Path) -> NDArray[np.float64]:
        """Torch's float32 logits for the text without its last token, shape [positions, vocabulary]."""
        logits: NDArray[np.float64] = np.load(checkpoint / "logits.npy")
        return logits


def write_tiny_checkpoints(folder: Path, ids: NDArray[np.int64]) -> TinyCheckpoints:
    """Write everything into a new folder; `ids` are the text."""
    folder.mkdir()
    np.save(folder / "ids.npy", ids)
    done = subprocess.run([sys.executable, __file__, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return TinyCheckpoints(folder)


def _write(checkpoints: TinyCheckpoints) -> None:
    ids = np.load(checkpoints.folder / "ids.npy")
    _save_model(checkpoints.source, ids, seed=0, context=_CONTEXT, window=512)
    float32, int8, int4 = (checkpoints.export(checkpoints.source, name) for name in EXPORTS)
    _export(checkpoints.source, float32)
    _compress(float32, int8, "INT8_ASYM")
    _compress(float32, int4, "INT4_SYM", group_size=64, ratio=1.0)
    _save_model(checkpoints.other, ids, seed=1, context=_SHORT_CONTEXT, window=_SHORT_CONTEXT)
    _export(checkpoints.other, checkpoints.export(checkpoints.other, "float32"))


def _save_model(folder: Path, ids: NDArray[np.int64], *, seed: int, context: int, window: int) -> None:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    config = Phi3Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=context,
        original_max_position_embeddings=context,
        initializer_range=0.2,  # ten times the usual, so that the likeliest token leads clearly
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    Phi3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    # Written out: torch's fused kernel once rounded the rows of a second block to about three digits.
    model = Phi3ForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.inference_mode():
        windows = torch.from_numpy(ids[:-1]).split(window)
        logits = torch.cat([model(each[None]).logits[0] for each in windows])
    np.save(folder / "logits.npy", logits.double().numpy())


def _export(checkpoint: Path, folder: Path) -> None:
    from optimum.intel import OVModelForCausalLM

    model = OVModelForCausalLM.from_pretrained(checkpoint, export=True, compile=False, load_in_8bit=False)
    model.save_pretrained(folder)


def _compress(exported: Path, folder: Path, mode: str, **recipe: Any) -> None:
    """Compress as the exporter does, without a second export."""
    import nncf  # type: ignore[import-untyped]
    import openvino

    folder.mkdir()
    shutil.copy(exported / "config.json", folder)
    model = openvino.Core().read_model(exported / "openvino_model.xml")
    compressed = nncf.compress_weights(model, mode=nncf.CompressWeightsMode[mode], **recipe)
    openvino.save_model(compressed, folder / "openvino_model.xml")


if __name__ == "__main__":
    _write(TinyCheckpoints(Path(sys.argv[1])))
