"""What counts as an answer that repeats itself for ever, and what is left of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.answering import repetition
from bot.answering.repetition import LEAST_COPIES, LEAST_TOKENS, RepetitionDetector
from bot.prompting.prompt import PromptBuilder

VERSE = "Row, row, row your boat,\nGently down the stream,\nMerrily, merrily, merrily, merrily,\nLife is but a dream.\n"
FIELDS = "    total += weights[index] * values[index]\n"
HARMLESS = {
    "a table's rule": "|" + " --- |" * 60,
    "an empty table": "| | | | | |\n" * 20,
    "a row of dashes": "-" * 300,
    "dashes": "- " * 100,
    "laughter": "ha " * 200,
    "hello": "hello " * 100,
    "a punishment": "I will not talk in class.\n" * 30,
    "the end of 1000!": "0" * 249,
    "a matrix": f"[{'0, ' * 9}0],\n" * 8,
    "a larger matrix": f"[{'0, ' * 9}0],\n" * 10,
    "a square of stars": f"{'* ' * 20}\n" * 20,
    "an array of zero bytes": f"    {'0x00, ' * 8}\n" * 8,
    "a board of emoji": f"{'⬛⬜' * 5}\n" * 10,
    "a chess board": "| . | . | . | . | . | . | . | . |\n" * 8,
    "a poem with a refrain": "".join(f"{VERSE}\nOf verse {number} there is more.\n" for number in range(12)),
    "a refrain three times": VERSE * 3,
    "copied code": FIELDS * 12,
    "a count": "".join(f"{number}. x\n" for number in range(1, 400)),
    "a countdown": ", ".join(str(number) for number in range(500, 0, -1)),
    "unrolled code": "".join(f"    total += weights[{index}]\n" for index in range(200)),
}


def stretch(ids: Sequence[int], period: int) -> int:
    """How many of the last ids repeat with a period."""
    equal = 0
    while equal + period < len(ids) and ids[-1 - equal] == ids[-1 - equal - period]:
        equal += 1
    return equal + period if equal else 0


def kept_of(ids: Sequence[int]) -> int | None:
    """What the definition says, tried with every period at every token."""
    for length in range(1, len(ids) + 1):
        for period in range(1, length):
            repeated = stretch(ids[:length], period)
            if repeated >= max(repetition.LEAST_TOKENS, LEAST_COPIES * period):
                return length - repeated + 2 * period
    return None


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_ordinary_texts_are_no_repetition(chatml: PromptBuilder, text: str) -> None:
    assert not RepetitionDetector().add(chatml.tokenizer.encode(text))


@pytest.mark.parametrize("block", ["hello ", "She is a place of endless possibilities.\n\n", VERSE, VERSE + FIELDS])
def test_a_text_that_goes_on_for_ever_is_cut_to_two_copies(chatml: PromptBuilder, block: str) -> None:
    beginning = "This is what I have to say about it:\n"
    ids = chatml.tokenizer.encode(beginning + block * 600)
    detector = RepetitionDetector()
    assert detector.add(ids)
    kept = chatml.tokenizer.decode(ids[: detector.kept])
    assert kept.startswith(beginning + block)
    assert len(block) < len(kept) - len(beginning) < 3 * len(block)


@pytest.mark.parametrize("period", [1, 2, 7, 64, 65, 200, 1000])
def test_it_fires_at_the_very_token(period: int) -> None:
    tokens = max(LEAST_TOKENS, LEAST_COPIES * period)
    ids = [9_001, 9_002, *(index % period for index in range(tokens))]
    detector = RepetitionDetector()
    assert not detector.add(ids[:-1])
    assert detector.add(ids[-1:])
    assert detector.kept == 2 + 2 * period


SMALL = st.lists(st.integers(0, 2), max_size=12)


@given(SMALL, st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(0, 8), SMALL)
@example([], [0], 8, [])
def test_it_finds_what_trying_every_period_finds(
    before: list[int], block: list[int], copies: int, after: list[int]
) -> None:
    ids = [*before, *block * copies, *after]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repetition, "LEAST_TOKENS", 8)
        one_by_one, at_once = RepetitionDetector(), RepetitionDetector()
        for token in ids:
            one_by_one.add([token])
        at_once.add(ids)
        assert one_by_one.kept == at_once.kept == kept_of(ids)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 40))
def test_a_list_that_counts_is_no_repetition(item: list[int], place: int) -> None:
    ids = [token for number in range(60) for token in (*item[:place], 1000 + number, *item[place:])]
    assert not RepetitionDetector().add(ids)
