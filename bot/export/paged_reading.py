"""A child that reads a text as the bot's default engine does: with paged attention, in pieces, then token by token.

It predicts only at the text's end, because paged attention computes no logits inside a prompt.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.precision import INFERENCE_PROPERTY
from bot.errors import ConfigurationError
from bot.export.child_process import die_with_parent
from bot.export.next_tokens import PRECISION, LogitsOf, TokenIds
from bot.export.reading_child import reading_parser, write_reading
from bot.model.config import ModelConfig

_PIECE_TOKENS = 200  # not a multiple of a cache block


def main() -> int:
    """Read the text that the command line names, and return the exit code."""
    die_with_parent()
    parser = reading_parser(__doc__)
    parser.add_argument("--cache-precision", help="of the KV cache (default: the bot's)")
    arguments = parser.parse_args()
    return write_reading(arguments, lambda: _open_paged(arguments.model, arguments.last, arguments.cache_precision))


def _open_paged(folder: Path, last: int, cache_precision: str | None) -> LogitsOf:
    cache = {"KV_CACHE_PRECISION": cache_precision} if cache_precision else {}
    properties = loading_properties("paged", "CPU", folder, {INFERENCE_PROPERTY: PRECISION, **cache})

    def logits_of(ids: TokenIds) -> NDArray[np.float32]:
        try:
            model = PagedModel(folder, "CPU", properties, blocks_for(len(ids)))
        except RuntimeError as error:
            raise ConfigurationError(f"OpenVINO cannot load {folder} ({' '.join(str(error).split())})") from error
        original = ModelConfig.read(folder).original_context
        is_long = original is not None and len(ids) > original
        if is_long and model.original_context is None:
            raise ConfigurationError("the engine stays within it, because it does not know this model's LongRoPE")
        ends = [*range(_PIECE_TOKENS, len(ids) - last, _PIECE_TOKENS), *range(len(ids) - last, len(ids) + 1)]
        logits = []
        for start, end in zip([0, *ends], ends, strict=False):
            piece = Advance(ids[start:end].tolist(), start, range(blocks_for(end)), is_long)
            logits.append(model.advance([piece])[0].copy())
        return np.stack(logits[-last:])

    return logits_of


if __name__ == "__main__":
    sys.exit(main())
