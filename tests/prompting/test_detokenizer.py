"""Streaming gives the same text as decoding all ids at once."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.prompting.detokenizer import Detokenizer
from bot.prompting.prompt import PromptBuilder
from tests.phi3_tokenizer import Phi3Tokenizer

TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(st.sampled_from(" \n▁aHello🦙👩‍👩‍👧🏽你好e\u0301ก็\t`é½"), max_size=40),
    st.lists(st.sampled_from(["Hello the", "  ", "🚀", "\n\n", "```py\n", "Việt", "कि"])).map("".join),
)


def streamed(builder: PromptBuilder, ids: list[int], sizes: list[int]) -> list[str]:
    """The text after each part, and at the end."""
    detokenizer = Detokenizer(builder.tokenizer.decode)
    remaining = iter(ids)
    texts = []
    for size in itertools.cycle(sizes):
        part = list(itertools.islice(remaining, size))
        if not part:
            break
        texts.append(detokenizer.add(part))
    return [*texts, detokenizer.finish()]


@settings(max_examples=150)
@given(text=TEXTS, sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_any_split_gives_the_same_text(
    phi3: Phi3Tokenizer, builder: PromptBuilder, text: str, sizes: list[int]
) -> None:
    ids = builder.tokenizer.encode(text, at_start=True)
    texts = streamed(builder, ids, sizes)
    assert texts[-1] == phi3.raw.decode(ids, skip_special_tokens=False).rstrip("\ufffd")
    # To these tokenizers, ▁ is a space.
    assert texts[-1] == text.replace("▁", " ").rstrip("\ufffd")
    for before, after in itertools.pairwise(texts):
        assert after.startswith(before)
        assert "\ufffd" in text or "\ufffd" not in before


@settings(max_examples=150)
@given(data=st.data())
def test_the_text_never_shrinks(phi3: Phi3Tokenizer, builder: PromptBuilder, data: st.DataObject) -> None:
    any_id = st.one_of(
        st.integers(0, max(phi3.ids.values())), st.integers(3, 258), st.sampled_from(sorted(phi3.ids.values()))
    )
    ids = data.draw(st.lists(any_id, max_size=30))
    texts = streamed(builder, ids, data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    for before, after in itertools.pairwise(texts):
        assert after.startswith(before)
        assert not before.endswith("\ufffd")


def test_an_emoji_of_four_tokens_appears_whole(builder: PromptBuilder) -> None:
    ids = builder.tokenizer.encode("a🦙b", at_start=True)
    texts = streamed(builder, ids, [1])
    assert set(texts) >= {"a", "a🦙", "a🦙b"}
    assert all("a🦙b".startswith(text) for text in texts)


def test_an_incomplete_character_at_the_end_is_left_out(builder: PromptBuilder) -> None:
    ids = builder.tokenizer.encode("a🦙", at_start=True)
    assert streamed(builder, ids[:-1], [1])[-1] == "a"
    assert streamed(builder, ids[:-1], [9])[-1] == "a"


def test_broken_bytes_right_after_a_character_do_not_stop_the_stream(builder: PromptBuilder) -> None:
    # Once a row of bytes ends inside a character, all of it decodes to U+FFFD, even the "🦙" that is out already.
    broken = builder.tokenizer.encode("🦙🦙", at_start=True)[:-2]
    texts = streamed(builder, broken + builder.tokenizer.encode("the end"), [1])
    assert "🦙" in texts
    assert texts[-1].startswith("🦙\ufffd")
    assert texts[-1].endswith("the end")


def test_ids_are_kept_in_order(builder: PromptBuilder) -> None:
    detokenizer = Detokenizer(builder.tokenizer.decode)
    ids = builder.tokenizer.encode("a🦙b", at_start=True)[:-2]
    detokenizer.add(ids[:2])
    detokenizer.add(ids[2:])
    detokenizer.finish()
    assert detokenizer.ids == ids
