"""A streamed text becomes the ids of exactly this text, word by word, and no piece of it waits for long."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.worker.remote.retokenizer import Retokenizer
from tests.prompting.test_exact_text import KINDS, TEXTS, encoder_and_tokenizer, writable


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(pieces=st.lists(TEXTS))
def test_any_pieces_make_the_text(kind: str, pieces: list[str]) -> None:
    encoder, tokenizer = encoder_and_tokenizer(kind)
    pieces = [writable(encoder, piece) for piece in pieces]
    retokenizer, text = Retokenizer(encoder), "".join(pieces)
    ids: list[int] = []
    for piece in pieces:
        ids += retokenizer.add(piece)
        so_far = b"".join(map(encoder.bytes_of, ids))
        assert text.encode().startswith(so_far)
        so_far.decode()  # never half a character
    ids += retokenizer.finish()
    assert b"".join(map(encoder.bytes_of, ids)) == text.encode()
    assert tokenizer.control_ids.isdisjoint(ids)


@pytest.mark.parametrize("kind", KINDS)
@given(words=st.lists(st.sampled_from(["The", "capital", "is", "Paris.", "naïve", "x=1"]), min_size=1), cut=st.data())
def test_words_get_the_ids_of_the_whole_text(kind: str, words: list[str], cut: st.DataObject) -> None:
    encoder, _ = encoder_and_tokenizer(kind)
    retokenizer, text = Retokenizer(encoder), "".join(f" {word}" for word in words)
    place = cut.draw(st.integers(0, len(text)))
    ids = [*retokenizer.add(text[:place]), *retokenizer.add(text[place:]), *retokenizer.finish()]
    assert ids == encoder.encode(text)


def test_a_word_comes_when_the_next_begins() -> None:
    encoder, _ = encoder_and_tokenizer("phi3-made")
    retokenizer = Retokenizer(encoder)
    assert list(retokenizer.add(" Hello")) == []
    assert list(retokenizer.add(" you")) == encoder.encode(" Hello")
    assert list(retokenizer.add("x" * 80)) == encoder.encode(" you" + "x" * 80)


def test_a_pair_that_json_cut_in_two_is_one_character() -> None:
    encoder, _ = encoder_and_tokenizer("phi3-made")
    retokenizer = Retokenizer(encoder)
    ids = [*retokenizer.add("y" * 80 + "\ud83e"), *retokenizer.add("\udd99"), *retokenizer.finish()]
    assert b"".join(map(encoder.bytes_of, ids)).decode() == "y" * 80 + "🦙"
    assert b"".join(map(encoder.bytes_of, [*retokenizer.add("\ud83e"), *retokenizer.finish()])).decode() == "\ufffd"
