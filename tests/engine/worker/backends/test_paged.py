"""Continuous batching on a real model, step by step, compared with openvino-genai's answers."""

from __future__ import annotations

import random

import pytest

from bot.engine.interface import FinishReason, GenerationRequest, Outcome, Sampling
from bot.engine.protocol import Ended, PromptTaken, Tokens
from tests.engine.conftest import request
from tests.engine.worker.backends.conftest import LENGTH, LONGEST_ANSWER, Expected, Load

CANCELLED = Outcome(FinishReason.CANCELLED)

_words = random.Random(0)
STORY = tuple(_words.choices(range(3, 32000), k=600))
OTHERS = [tuple(_words.choices(range(3, 32000), k=length)) for length in (3, 31, 32, 33, 64, 150)]


def test_answers_are_those_of_openvino_genai(load: Load, expected: Expected) -> None:
    driver = load()
    for prompt in (*OTHERS, STORY):
        assert driver.answer(*prompt, limit=LONGEST_ANSWER) == expected(prompt)


def test_answers_do_not_depend_on_the_rest_of_the_batch(load: Load, expected: Expected) -> None:
    driver = load()
    prompts = [*OTHERS, STORY, STORY[:90], (*STORY[:90], 5)]
    running = {driver.add(request(*prompt, limit=10 + 3 * index)): prompt for index, prompt in enumerate(prompts)}
    late = (9, 8, 7)
    for _ in range(3):
        driver.step()
    running[driver.add(request(*late, limit=5))] = late
    driver.run()
    for request_id, prompt in running.items():
        assert driver.outcomes(request_id) == [LENGTH]
        ids = driver.ids(request_id)
        assert ids == expected(prompt)[: len(ids)]


@pytest.mark.usefixtures("smallest_pieces")
def test_prefill_takes_small_pieces_while_an_answer_streams(load: Load, expected: Expected) -> None:
    driver = load(longest_pause_seconds=0)
    streaming = driver.add(request(*OTHERS[0], limit=60))
    while not driver.ids(streaming):
        driver.step()
    newcomer = driver.add(request(*STORY[:150]))
    steps = 0
    while not driver.ids(newcomer):
        assert [event.request_id for event in driver.step() if isinstance(event, Tokens)][:1] == [streaming]
        steps += 1
    assert steps > 20
    driver.run()
    assert driver.ids(newcomer) == expected(STORY[:150])[:20]
    assert driver.ids(streaming)[:LONGEST_ANSWER] == expected(OTHERS[0])
    assert len(driver.ids(streaming)) == 60


def test_prefill_takes_large_pieces_while_no_answer_streams(load: Load) -> None:
    driver = load()
    driver.answer(*OTHERS[-1])  # teaches the cost of a step
    driver.add(request(*STORY, limit=1))
    assert driver.run() <= 2


def test_a_prefix_is_reused_to_the_token_where_the_prompt_diverges(load: Load, expected: Expected) -> None:
    driver = load(blocks=8)
    for kept in (1, 31, 32, 33, 45, 50, 59):
        text = STORY[kept : kept + 50]
        conversation = [*text, *driver.answer(*text, limit=10)]
        prompt = (*conversation[:kept], 77, *STORY[300:340])
        parting = driver.add(request(*prompt))
        driver.run()
        assert driver.cached(parting) == kept
        assert driver.ids(parting) == expected(prompt)[:20]


def test_a_conversations_next_turn_reuses_all_before_it(load: Load, expected: Expected) -> None:
    driver = load(blocks=12)
    conversation: tuple[int, ...] = ()
    for turn in range(5):
        known = max(len(conversation) - 1, 0)  # an answer's last token was chosen but never computed
        prompt = (*conversation, *STORY[40 * turn : 40 * turn + 30])
        request_id = driver.add(request(*prompt, limit=23))
        driver.run()
        assert driver.cached(request_id) == known
        assert driver.ids(request_id) == expected(prompt)[:23]
        conversation = (*prompt, *driver.ids(request_id))


def test_a_repeated_prompt_computes_only_its_last_token(load: Load, expected: Expected) -> None:
    driver = load()
    for length, known in ((96, 0), (96, 95), (95, 94), (97, 96)):
        request_id = driver.add(request(*STORY[:length]))
        driver.run()
        assert driver.cached(request_id) == known
        assert driver.ids(request_id) == expected(STORY[:length])[:20]


@pytest.mark.usefixtures("smallest_pieces")
def test_a_prefix_can_be_shared_while_its_answer_is_generated(load: Load, expected: Expected) -> None:
    driver = load(longest_pause_seconds=0)
    first = driver.add(request(*STORY[:70], limit=LONGEST_ANSWER))
    while len(driver.ids(first)) < 7:
        driver.step()
    conversation = (*STORY[:70], *driver.ids(first))
    others = [driver.add(request(*conversation[:length], 5)) for length in (70, 74, 76)]
    driver.run()
    assert driver.ids(first) == expected(STORY[:70])
    for request_id, length in zip(others, (70, 74, 76), strict=True):
        assert driver.cached(request_id) == length
        assert driver.ids(request_id) == expected((*conversation[:length], 5))[:20]


def test_more_than_the_cache_holds_waits_in_order(load: Load, expected: Expected) -> None:
    driver = load(blocks=8)
    prompts = [(token, *STORY[:40]) for token in range(100, 107)]
    ids = [driver.add(request(*prompt, limit=30)) for prompt in prompts]  # 3 of 7 blocks each
    waiting = []
    while driver.backend.busy:
        driver.step()
        state = driver.backend.state
        assert state.batch <= 2
        assert state.cache_used <= 6 / 8
        waiting.append(state.waiting)
    assert waiting[0] == 5
    assert waiting == sorted(waiting, reverse=True)
    assert [event.request_id for event in driver.events if isinstance(event, PromptTaken)] == ids
    for request_id, prompt in zip(ids, prompts, strict=True):
        assert driver.outcomes(request_id) == [LENGTH]
        assert driver.ids(request_id) == expected(prompt)[:30]


def test_no_more_run_together_than_allowed(load: Load) -> None:
    driver = load(max_batch=3)
    for token in range(8):
        driver.add(request(token, limit=4))
    driver.step()
    assert (driver.backend.state.batch, driver.backend.state.waiting) == (3, 5)
    driver.run()
    assert (driver.backend.state.batch, driver.backend.state.waiting) == (0, 0)


def test_a_request_that_can_never_fit_ends_at_once(load: Load) -> None:
    driver = load(blocks=8)
    fits, too_long = driver.add(request(*STORY[:204])), driver.add(request(*STORY[:205]))
    assert driver.outcomes(too_long) == [
        Outcome(
            FinishReason.NO_ROOM, "Question and answer may take 225 tokens; the engine's memory for them holds 224."
        )
    ]
    driver.run()
    assert driver.outcomes(fits) == [LENGTH]
    assert driver.cached(too_long) is None


def test_a_stop_token_ends_the_answer_and_is_not_part_of_it(load: Load, expected: Expected) -> None:
    driver = load()
    stop = expected(OTHERS[1])[7]
    request_id = driver.add(request(*OTHERS[1], stop=frozenset({stop, 32000})))
    driver.run()
    assert driver.ids(request_id) == expected(OTHERS[1])[: expected(OTHERS[1]).index(stop)]
    assert driver.outcomes(request_id) == [Outcome(FinishReason.STOP)]


def test_a_random_answer_resumed_in_the_middle_goes_on_as_it_would_have(load: Load) -> None:
    # A penalty below 1 is a reward, so the answer's own tokens repeat.
    sampling = Sampling(temperature=1.5, top_k=50, repetition_penalty=0.5, seed=5)
    whole, part = load(), load()
    first = whole.add(request(*OTHERS[0], sampling=sampling))
    whole.run()
    again = part.add(request(*OTHERS[0], *whole.ids(first)[:8], limit=12, sampling=sampling, resumed_tokens=8))
    part.run()
    assert part.ids(again) == whole.ids(first)[8:]


@pytest.mark.usefixtures("smallest_pieces")
def test_ended_requests_emit_nothing_and_leave_their_prefix_cached(load: Load, expected: Expected) -> None:
    driver = load(blocks=30, max_batch=3, longest_pause_seconds=0)
    neighbour, in_answer, in_prompt, waiting = (
        driver.add(request(*prompt, limit=30)) for prompt in (OTHERS[0], OTHERS[1], STORY[:300], OTHERS[2])
    )
    while len(driver.ids(in_answer)) < 5:
        driver.step()
    assert not driver.ids(in_prompt)
    for request_id, reason in (
        (in_answer, FinishReason.CANCELLED),
        (in_prompt, FinishReason.TIMEOUT),
        (waiting, FinishReason.CANCELLED),
        (99, FinishReason.CANCELLED),  # unknown
        (in_answer, FinishReason.TIMEOUT),  # has ended
    ):
        driver.backend.end(request_id, reason)
    assert [driver.outcomes(each) for each in (in_answer, in_prompt)] == [[CANCELLED], [Outcome(FinishReason.TIMEOUT)]]
    assert driver.outcomes(waiting) == [CANCELLED]
    so_far = len(driver.events)
    again = driver.add(request(*STORY[:300]))
    driver.run()
    assert not {in_answer, in_prompt, waiting} & {getattr(event, "request_id", 0) for event in driver.events[so_far:]}
    assert 0 < (driver.cached(again) or 0) < 299
    assert driver.ids(again) == expected(STORY[:300])[:20]
    assert driver.ids(neighbour) == expected(OTHERS[0])[:30]


def test_prefill_only_requests_leave_their_whole_prompt_cached(load: Load, expected: Expected) -> None:
    driver = load()
    prompts = (STORY[:150], *OTHERS[3:5])
    prefill = [driver.add(request(*prompt, limit=0, prefill_only=True)) for prompt in prompts]
    driver.run()
    assert driver.events == [Ended(request_id, LENGTH) for request_id in prefill]
    for prompt in prompts:
        question = driver.add(request(*prompt))
        driver.step()
        assert driver.cached(question) == len(prompt) - 1
        assert len(driver.ids(question)) == 1
        driver.run()
        assert driver.ids(question) == expected(prompt)[:20]
        longer = driver.add(request(*prompt, 5, 6))
        driver.run()
        assert driver.cached(longer) == len(prompt)


@pytest.mark.usefixtures("smallest_pieces")
def test_a_request_preempts_prefill_only_requests_and_reuses_their_blocks(load: Load, expected: Expected) -> None:
    driver = load(longest_pause_seconds=0)
    both = [driver.add(request(*prompt, limit=0, prefill_only=True)) for prompt in (STORY, OTHERS[0])]
    for _ in range(5):
        driver.step()
    assert driver.events == []
    question = driver.add(request(*STORY[:300]))
    assert driver.events == [Ended(each, CANCELLED) for each in both]
    for _ in range(2):  # while the question waits, and while it runs
        late = driver.add(request(*STORY, limit=0, prefill_only=True))
        assert driver.outcomes(late) == [CANCELLED]
        driver.step()
    driver.run()
    assert driver.cached(question) == 64 + 4 * 4  # the first guess, then the minimum
    assert driver.ids(question) == expected(STORY[:300])[:20]


def test_a_prefill_only_request_can_be_ended(load: Load) -> None:
    driver = load()
    prefill = driver.add(request(*STORY, limit=0, prefill_only=True))
    driver.step()
    driver.backend.end(prefill, FinishReason.TIMEOUT)
    assert driver.events == [Ended(prefill, Outcome(FinishReason.TIMEOUT))]
    assert not driver.backend.busy


@pytest.mark.parametrize("seed", range(2))
def test_random_requests_in_a_tiny_cache_all_get_the_right_answer(load: Load, expected: Expected, seed: int) -> None:
    draw = random.Random(seed)
    driver = load(blocks=9, max_batch=4, longest_pause_seconds=1.5 * seed)
    prompts = [STORY[:length] for length in (1, 20, 32, 45, 64, 110)]
    prompts += [(*prompt[:-4], 9, 9) for prompt in prompts[1:]] + OTHERS[:4]
    asked: dict[int, GenerationRequest] = {}
    for _ in range(200):
        action = draw.random()
        if action < 0.25:
            wanted = request(
                *draw.choice(prompts), limit=draw.randrange(1, LONGEST_ANSWER), prefill_only=draw.random() < 0.2
            )
            asked[driver.add(wanted)] = wanted
        elif action < 0.35 and asked:
            driver.backend.end(draw.choice(list(asked)[-6:]), FinishReason.CANCELLED)
        elif driver.backend.busy:
            driver.step()
            assert driver.backend.state.cache_used <= 8 / 9
    driver.run()
    for request_id, wanted in asked.items():
        (outcome,) = driver.outcomes(request_id)
        last = [event for event in driver.events if getattr(event, "request_id", 0) == request_id][-1]
        assert last == Ended(request_id, outcome)
        ids = driver.ids(request_id)
        assert ids == expected(wanted.prompt_ids)[: len(ids)]
        assert outcome == CANCELLED or len(ids) == (0 if wanted.prefill_only else wanted.max_new_tokens)
    assert len(driver.answer(*STORY[300:536])) == 20  # takes the whole cache, so no block has leaked
