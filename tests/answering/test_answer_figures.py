"""The figures of an answer: seconds of each phase that it had, tokens as far as somebody counted them."""

from __future__ import annotations

from bot.answering.answer_figures import AnswerFigures
from bot.engine.usage import NO_USAGE, Usage


def known(figures: AnswerFigures, first_text_at: float | None, ended_at: float) -> dict[str, float | int | None]:
    return {name: value for name, value in figures.fields(first_text_at, ended_at).items() if value is not None}


def test_all_phases() -> None:
    figures = AnswerFigures(100.0, started_at=102.0, first_token_at=105.0, last_token_at=115.0)
    figures.add(21, Usage(50, 200, 30, 12))
    assert known(figures, 106.0, 116.5) == {
        "waited_seconds": 2.0,
        "read_tokens": 50,
        "cached_tokens": 200,
        "drafted_tokens": 30,
        "accepted_tokens": 12,
        "generated_tokens": 21,
        "prefill_seconds": 3.0,
        "generating_seconds": 10.0,
        "sending_seconds": 1.5,
        "first_text_seconds": 6.0,
        "tokens_per_second": 2.0,
    }


def test_what_never_came_is_left_out() -> None:
    assert known(AnswerFigures(100.0), None, 107.0) == {"waited_seconds": 7.0}
    begun = AnswerFigures(100.0, started_at=101.0)
    begun.add(0, NO_USAGE)
    assert known(begun, None, 107.0) == {"waited_seconds": 1.0, "generated_tokens": 0}


def test_a_single_token_has_no_speed() -> None:
    figures = AnswerFigures(100.0, started_at=101.0, first_token_at=102.0, last_token_at=102.0)
    figures.add(1, NO_USAGE)
    assert "tokens_per_second" not in known(figures, None, 103.0)


def test_several_generations_add_up_as_far_as_they_are_known() -> None:
    figures = AnswerFigures(100.0)
    figures.add(5, Usage(read_tokens=10, cached_tokens=0))
    figures.add(6, NO_USAGE)
    figures.add(7, Usage(read_tokens=1, cached_tokens=9, drafted_tokens=4, accepted_tokens=2))
    assert (figures.generated_tokens, figures.usage) == (18, Usage(11, 9, 4, 2))
