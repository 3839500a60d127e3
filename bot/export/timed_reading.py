"""A child that reads a text with a paged model and properties of the caller's choice, and times it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.engine.worker.backends.backend import one_line
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.errors import ConfigurationError
from bot.export.child_process import die_with_parent
from bot.export.next_tokens import TimedReading, TokenIds, read_next_tokens

_PIECES = 5


def main() -> int:
    """Read the text that the command line names, and return the exit code."""
    die_with_parent()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's folder")
    parser.add_argument("ids", type=Path, help="a .npy file with the text's token ids, int64, shape [tokens]")
    parser.add_argument("output", type=Path, help="the .npz file to write: see bot.export.next_tokens.TimedReading")
    parser.add_argument("steps", type=int, help="tokens to decode after the text")
    parser.add_argument("properties", type=json.loads, help="on top of the bot's own, a JSON object")
    arguments = parser.parse_args()
    ids = np.load(arguments.ids)
    try:
        properties = loading_properties("paged", "CPU", arguments.model, arguments.properties)
        model = PagedModel(arguments.model, "CPU", properties, blocks_for(len(ids) + arguments.steps))
        read_timed(model, ids, arguments.steps).save(arguments.output)
    except (ConfigurationError, RuntimeError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return ConfigurationError.EXIT_CODE
    return 0


def read_timed(model: PagedModel, ids: TokenIds, steps: int) -> TimedReading:
    """Read a text in equal pieces, then decode after it; the first piece and step are not timed.

    Args:
        model: with cache blocks for all of it.
        ids: the text's tokens, at least two; with the steps they stay within LongRoPE's original context.
        steps: tokens to decode after the text.

    Raises:
        ConfigurationError: the model does not know a token, or a logit is not finite.
    """
    piece_seconds: list[float] = []
    past = 0

    def compute(tokens: TokenIds, past: int) -> tuple[NDArray[np.float32], float]:
        piece = Advance(tokens.tolist(), past, range(blocks_for(past + len(tokens))), every_token=True)
        started = time.perf_counter()
        logits = model.advance([piece])
        return logits, time.perf_counter() - started

    def logits_of(piece: TokenIds) -> NDArray[np.float32]:
        nonlocal past
        logits, seconds = compute(piece, past)
        past += len(piece)
        piece_seconds.append(seconds)
        return logits

    piece_tokens = -(-(len(ids) - 1) // _PIECES)
    predicted = read_next_tokens(ids, piece_tokens, logits_of)
    step_seconds = [compute(ids[-1:], past + number)[1] for number in range(steps)]
    # The first call of either kind also prepares its kernels.
    return TimedReading(predicted, piece_seconds[1:], step_seconds[1:])


if __name__ == "__main__":
    sys.exit(main())
