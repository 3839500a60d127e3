"""A child that reads a text with an export's source checkpoint, through transformers.

It computes in float32 even if the weights have 16 bits: rounding in between changes the likeliest token at one position
in twenty (SmolLM2-135M), and the export would get the blame. Only the running layer's weights are widened, so that
memory never holds a second, 32-bit copy of all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bot.errors import ConfigurationError
from bot.export.child_process import die_with_parent
from bot.export.next_tokens import LogitsOf, TokenIds
from bot.export.reading_child import reading_parser, write_reading

if TYPE_CHECKING:
    import torch

_MOST_CAUSE_CHARACTERS = 300


def main() -> int:
    """Read the text that the command line names, and return the exit code."""
    die_with_parent()
    parser = reading_parser(__doc__)
    parser.add_argument("--trust-remote-code", action="store_true", help="run the model's own Python code")
    arguments = parser.parse_args()
    return write_reading(
        arguments,
        lambda: _open_source(arguments.model, arguments.last, trust_remote_code=arguments.trust_remote_code),
    )


def _open_source(folder: Path, last: int | None, *, trust_remote_code: bool) -> LogitsOf:
    import torch
    from transformers import AutoModelForCausalLM

    with _explained("cannot load it"):
        model, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            # A long text's attention, written out, would take several GB.
            attn_implementation="sdpa" if last else "eager",
            local_files_only=True,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    if loading["missing_keys"]:  # transformers fills them with random numbers
        raise ConfigurationError(f"its files lack weights, such as {min(loading['missing_keys'])}")
    model.eval()
    _compute_in_float32(model)

    kept = {"logits_to_keep": last} if last else {}

    def logits_of(ids: TokenIds) -> NDArray[np.float32]:
        with torch.inference_mode(), _explained("cannot run it"):
            computed = model(torch.from_numpy(ids[None]), use_cache=False, **kept)
            logits: NDArray[np.float32] = computed.logits[0].float().numpy()
            return logits

    return logits_of


def _compute_in_float32(model: torch.nn.Module) -> None:
    """Widen each part's own 16-bit weights before it runs, and restore them after it."""
    import torch

    stored: dict[torch.nn.Parameter, torch.Tensor] = {}

    def widen(part: torch.nn.Module, _inputs: Any) -> None:
        for parameter in part.parameters(recurse=False):
            if parameter.dtype in (torch.float16, torch.bfloat16):
                stored[parameter] = parameter.data
                parameter.data = parameter.data.float()

    def put_back(part: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        for parameter in part.parameters(recurse=False):
            if parameter in stored:
                parameter.data = stored.pop(parameter)

    for part in model.modules():
        part.register_forward_pre_hook(widen)
        part.register_forward_hook(put_back)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # transformers, and a model's own code, may raise anything.
        cause = shorten(f"{type(error).__name__}: {error}", _MOST_CAUSE_CHARACTERS, placeholder=" ...")
        raise ConfigurationError(f"transformers {what} ({cause})") from error


if __name__ == "__main__":
    sys.exit(main())
