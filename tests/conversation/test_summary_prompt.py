"""When a summary is due, what it covers, and how it takes the place of what it covers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.summaries import MOST_COVERED, covers_of, summary_of
from bot.conversation.turn import Turn
from bot.conversation.wording import SUMMARY_REQUEST
from bot.prompting.prompt import Message, PromptBuilder
from tests.conversation.memory import HERE, SYSTEM, asked, message_ids, turn

LIMIT = 600


def window_of(builder: PromptBuilder, prompt_limit: int = LIMIT) -> ContextWindow:
    return ContextWindow(builder, Budget(prompt_limit + 20, 20))


def turns(count: int, words: int = 20, *people: str) -> list[Turn]:
    names = people or ("Ada",)
    return [turn(asked("the " * words, names[number % len(names)]), "you") for number in range(count)]


def summary(covered: list[Turn], text: str = "Hello you") -> Turn:
    return summary_of(HERE, covered, Message("assistant", text), next(message_ids))


def talk(window: ContextWindow, *people: str) -> list[Turn]:
    """The shortest branch for which a summary is due."""
    branch = turns(2, 20, *people)
    while window.summary_prompt(SYSTEM, branch) is None:
        branch = [*branch, *turns(1, 20, *people)]
    return branch


def test_it_is_due_before_a_trim_and_covers_the_oldest_turns(builder: PromptBuilder) -> None:
    window = window_of(builder)
    branch = talk(window)
    assert not window.is_nearly_full(SYSTEM, branch)
    prompt = window.summary_prompt(SYSTEM, branch)
    assert prompt is not None
    assert 0 < len(prompt.turns) < len(branch)
    assert list(prompt.turns) == branch[: len(prompt.turns)]
    assert {source.message_id for source in prompt.sources} == {turn.id for turn in prompt.turns}
    assert prompt.max_new_tokens <= LIMIT / 10
    known = window.prefix(SYSTEM, prompt.turns).ids[:-1]
    assert prompt.ids[: len(known)] == known, "the engine has read that before"
    assert builder.tokenizer.decode(prompt.ids).rstrip().count(SUMMARY_REQUEST.text) == 1


def test_none_is_due_once_there_is_one(builder: PromptBuilder) -> None:
    window = window_of(builder)
    branch = talk(window)
    prompt = window.summary_prompt(SYSTEM, branch)
    assert prompt is not None
    count = len(prompt.turns)
    branch[count:count] = [summary(branch[:count])]
    assert window.summary_prompt(SYSTEM, [*branch, *turns(9)]) is None


def test_the_next_trim_puts_it_before_all_that_came_since(builder: PromptBuilder) -> None:
    window = window_of(builder)
    branch = talk(window)
    prompt = window.summary_prompt(SYSTEM, branch)
    assert prompt is not None
    count = len(prompt.turns)
    branch[count:count] = [summary(branch[:count])]
    while not window.is_nearly_full(SYSTEM, branch):
        branch += turns(1)
    trimmed = window.roomy(SYSTEM, branch)
    assert list(trimmed) == branch[count:]
    again = window.summary_prompt(SYSTEM, [*trimmed, *turns(5)])
    assert again is not None
    assert again.turns[0].is_summary
    assert {covered.turn_id for covered in covers_of(again.turns)} > {turn.id for turn in prompt.turns}


def test_the_latest_turn_is_never_covered(builder: PromptBuilder) -> None:
    window = window_of(builder)
    assert window.summary_prompt(SYSTEM, turns(1, 500)) is None
    prompt = window.summary_prompt(SYSTEM, [*turns(1), *turns(1, 500)])
    assert prompt is not None
    assert len(prompt.turns) == 1


def test_erased_turns_alone_need_none(builder: PromptBuilder) -> None:
    window = window_of(builder)
    assert window.summary_prompt(SYSTEM, [turn(None), turn(None), *turns(1, 400)]) is None


def test_a_tiny_context_has_no_room_for_one(builder: PromptBuilder) -> None:
    assert window_of(builder, 150).summary_prompt(SYSTEM, turns(9)) is None


def test_it_covers_a_limited_number_of_messages(builder: PromptBuilder) -> None:
    window = window_of(builder, 12_000)
    earlier = turns(MOST_COVERED, 1)
    branch = [summary(earlier), *turns(700, 10)]
    prompt = window.summary_prompt(SYSTEM, branch)
    assert prompt is not None
    assert 100 < len(covers_of(prompt.turns)) <= MOST_COVERED
    assert not prompt.turns[0].is_summary
    assert prompt.turns[-1].id < branch[-1].id


@pytest.mark.parametrize(("people", "named"), [(("Ada",), True), (("Ada", "Grace"), False)])
def test_a_lone_speaker_is_named_in_the_request(builder: PromptBuilder, people: tuple[str, ...], named: bool) -> None:
    window = window_of(builder)
    prompt = window.summary_prompt(SYSTEM, talk(window, *people))
    assert prompt is not None
    text = builder.tokenizer.decode(prompt.ids)
    assert ("(Until now Ada was speaking.)\nSummarize" in text) is named


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 150), min_size=1, max_size=12),
    places=st.sets(st.integers(0, 11), max_size=2),
    said=st.integers(1, 60),
    question=st.integers(1, 500),
    limit=st.integers(170, 600),
)
def test_every_prompt_fits_and_its_trim_is_final(
    builder: PromptBuilder, lengths: list[int], places: set[int], said: int, question: int, limit: int
) -> None:
    window = window_of(builder, limit)
    branch: list[Turn] = []
    for number, words in enumerate(lengths):
        branch += turns(1, words)
        if number in places:
            branch.append(summary(branch[:], "you " * said))
    fitted = window.fit(SYSTEM, branch, asked("the " * question))
    assert len(fitted.prompt.ids) <= limit
    kept = [turn for turn in fitted.branch if not turn.is_summary]
    assert kept == [turn for turn in branch if not turn.is_summary][len(lengths) - len(kept) :]
    roomy = tuple(window.roomy(SYSTEM, branch))
    assert tuple(window.roomy(SYSTEM, roomy)) == roomy
    due = window.summary_prompt(SYSTEM, branch)
    assert due is None or len(due.ids) <= limit
