"""A child that reads a text with an exported model.

It computes on the processor in f32, as the bot does by default. Left alone, OpenVINO takes bf16 where the processor has
it, and the same model then gets other figures on other machines. All other properties are the model folder's own, or
OpenVINO's defaults; they round activations to 8 bits for compressed weights, and what this costs belongs to the model's
quality. What keys and values lose in an 8-bit cache does not show: a text that is read in one pass is not read back
from there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from bot.engine.worker.precision import INFERENCE_PROPERTY
from bot.errors import ConfigurationError
from bot.export.child_process import die_with_parent
from bot.export.next_tokens import PRECISION, LogitsOf, TokenIds
from bot.export.reading_child import reading_parser, write_reading
from bot.model.device_properties import read_device_properties


def main() -> int:
    """Read the text that the command line names, and return the exit code."""
    die_with_parent()
    arguments = reading_parser(__doc__).parse_args()
    return write_reading(arguments, lambda: _open_exported(arguments.model))


def _open_exported(folder: Path) -> LogitsOf:
    path = folder / "openvino_model.xml"
    try:
        compiled = openvino.Core().compile_model(
            path, "CPU", {INFERENCE_PROPERTY: PRECISION, **read_device_properties(folder)}
        )
    except RuntimeError as error:
        cause = " ".join(str(error).split())
        raise ConfigurationError(f"OpenVINO cannot load {path} ({cause})") from error
    request = compiled.create_infer_request()
    kinds = {each.get_any_name(): each.get_element_type().to_dtype() for each in compiled.inputs}

    def logits_of(ids: TokenIds) -> NDArray[np.float32]:
        request.reset_state()
        request.infer({name: _input(name, ids).astype(kind) for name, kind in kinds.items()})
        logits: NDArray[np.float32] = request.get_tensor("logits").data[0]
        return logits

    return logits_of


def _input(name: str, ids: TokenIds) -> TokenIds:
    """The value of one input for a window of one text, with nothing read before it."""
    match name:
        case "input_ids":
            return ids[None]
        case "attention_mask":
            return np.ones_like(ids)[None]
        case "position_ids":
            return np.arange(len(ids))[None]
        case "beam_idx":
            return np.zeros(1, np.int64)
    raise ConfigurationError(f"the exported model has an input that the bot does not know: {name}")


if __name__ == "__main__":
    sys.exit(main())
