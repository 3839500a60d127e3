"""The child that tries a tokenizer: a broken one can end the process that loads it, or take all memory."""

from __future__ import annotations

import tokenizers

from bot.prompting.child_side import answer

_PROCESSOR_SECONDS = 30.0
_MEMORY_BYTES = 1 << 30  # the largest in use take a third of it
_MOST_TIMES = 8


def main() -> None:
    """Answer one job, the path of a `tokenizer.json` and a text to encode, with None."""
    answer(_try, seconds=_PROCESSOR_SECONDS, memory_bytes=_MEMORY_BYTES)


def _try(job: tuple[str, str]) -> None:
    path, sample = job
    tokenizer = tokenizers.Tokenizer.from_file(path)
    ids = tokenizer.encode(sample, add_special_tokens=False).ids
    most = _MOST_TIMES * len(sample.encode())
    if len(ids) > most or len(tokenizer.decode(ids, skip_special_tokens=False)) > most:
        raise ValueError("it makes every text many times longer")
