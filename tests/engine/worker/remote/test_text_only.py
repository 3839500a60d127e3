"""A server that returns text alone, and shows stop tokens instead of ending there."""

from __future__ import annotations

import pytest

from bot.engine.interface import GenerationRequest
from bot.engine.worker.remote.dialects import text_only
from tests.prompting.test_exact_text import encoder_and_tokenizer

END, ASSISTANT = 32007, 32001
STOP_TEXTS = {END: "<|end|>", ASSISTANT: "<|assistant|>"}


def read(pieces: list[str], stop_ids: frozenset[int] = frozenset({END, ASSISTANT})) -> tuple[str, list[int]]:
    """The text of an answer in these pieces, and the stop ids that were read."""
    encoder, _ = encoder_and_tokenizer("phi3-made")
    reader = text_only(encoder, STOP_TEXTS).open_reader(GenerationRequest((1,), stop_ids, 10))
    ids: list[int] = []
    for piece in pieces:
        ids += reader.add({"text": piece})
        if STOP_TEXTS.keys() & ids:
            break
    else:
        ids += reader.finish()
    plain = [id for id in ids if id not in STOP_TEXTS]
    return b"".join(map(encoder.bytes_of, plain)).decode(), [id for id in ids if id in STOP_TEXTS]


@pytest.mark.parametrize(
    "pieces",
    [
        [" Paris.<|end|><|assistant|> And more"],
        [" Par", "is.<|e", "nd|>", " And more"],
        [*" Paris.<|end|> And more"],
    ],
)
def test_a_stop_token_that_is_shown_ends_the_answer(pieces: list[str]) -> None:
    assert read(pieces) == (" Paris.", [END])


@pytest.mark.parametrize("text", [" a < b", " a <", " <|end", " <|end| >", " <<|en<|", " <|assistant"])
def test_what_only_begins_like_one_is_text(text: str) -> None:
    assert read([*text]) == (text, [])


def test_a_control_token_that_stops_nothing_is_text() -> None:
    assert read([" <|end|>."], frozenset({ASSISTANT})) == (" <|end|>.", [])
