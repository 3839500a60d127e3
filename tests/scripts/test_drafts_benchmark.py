"""The benchmark of drafts: what the oracle proposes, how runs alternate, and what the tables say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import pytest
from benchmarking.drafts import OFF, ON, Answer, work_figures
from benchmarking.drafts_backend import Streaming
from benchmarking.drafts_comparison import alternating, ratios_to_off
from benchmarking.drafts_oracle import Oracle
from benchmarking.drafts_oracle_measures import oracle_measures
from benchmarking.drafts_oracle_runs import OracleRuns, Run, oracle_figures
from benchmarking.drafts_prompts import WORK, work_prompts
from benchmarking.drafts_random_model import write_random_draft_model
from benchmarking.drafts_table import KINDS, drafts_table, oracle_table
from benchmarking.plan import FULL, QUICK
from benchmarking.prompts import Prompts

from bot.engine.interface import GenerationRequest
from bot.engine.worker.paged.schedule import RunningRequest
from bot.errors import ConfigurationError
from bot.export.timed_generation import MeasureError, TimedGeneration
from bot.model.folder import open_model_folder
from bot.model.same_tokenizer import first_difference
from tests.scripts.run_script import run_script

ANSWER = [7 * position % 500 for position in range(2000)]


class SlowDraftModel:
    """Drafts one constant, and counts how often it was asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked = 0
        self.followed = 0

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        self.asked += 1
        return [[3] * count for _, count in wanted]

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        self.followed += len(shares)


def _request(said: int) -> RunningRequest:
    request = RunningRequest.of(1, GenerationRequest((5, 6), frozenset(), len(ANSWER)))
    request.tokens += ANSWER[:said]
    return request


def _drafts(oracle: Oracle, count: int = 8) -> list[Sequence[int]]:
    return [oracle.draft([(_request(said), count)])[0] for said in range(0, len(ANSWER) - count, count)]


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.7, 0.9, 1.0])
def test_each_token_of_the_oracle_is_right_with_the_set_probability(chance: float) -> None:
    oracle = Oracle(500, None)
    oracle.begin(chance, "seed")
    oracle.expect(1, ANSWER)
    drafts = _drafts(oracle)
    right = [
        token == ANSWER[8 * number + index] for number, draft in enumerate(drafts) for index, token in enumerate(draft)
    ]
    assert sum(right) / len(right) == pytest.approx(chance, abs=0.03 if 0 < chance < 1 else 0)
    # After a right token the next one is right no more often than after a wrong one.
    if 0 < chance < 1:
        after_right = [later for sooner, later in pairwise(right) if sooner]
        assert sum(after_right) / len(after_right) == pytest.approx(chance, abs=0.05)
    assert oracle.drafted == len(right)
    heads = [right[begin : begin + 8] for begin in range(0, len(right), 8)]
    assert oracle.right == sum((*head, False).index(False) for head in heads)


def test_the_oracle_is_repeatable_and_every_seed_is_another() -> None:
    oracle = Oracle(500, None)
    found = []
    for seed in ("one", "one", "other"):
        oracle.begin(0.5, seed)
        oracle.expect(1, ANSWER)
        found.append(_drafts(oracle))
    assert found[0] == found[1] != found[2]


def test_the_oracle_takes_the_draft_models_time_and_lets_it_draft_as_it_is() -> None:
    model = SlowDraftModel()
    oracle = Oracle(500, model)
    oracle.begin(1.0, "")
    oracle.expect(1, ANSWER)
    assert oracle.draft([(_request(4), 3)]) == [ANSWER[4:7]]
    oracle.follow([(_request(0), 2)])
    assert (model.asked, model.followed) == (1, 1)
    assert "oracle" in oracle.name
    oracle.begin(None, "")
    assert oracle.draft([(_request(4), 3)]) == [[3, 3, 3]]
    assert "oracle" not in oracle.name


def test_every_run_with_drafts_lies_between_two_without() -> None:
    order = alternating(("0", "0.7"), 3)
    assert order == ["off", "0", "0.7", "off", "0.7", "0", "off", "0", "0.7", "off"]
    rates = [10, 9, 15, 10, 20, 10, 30, 24, 30, 10]
    assert ratios_to_off(order, rates) == {"0": [0.9, 0.5, 1.2], "0.7": [1.5, 1.0, 1.5]}


def test_figures_count_what_was_drafted_while_all_answers_streamed() -> None:
    def run(rate: float, *drafted: int, right: int = 0, looked_up: int = 0) -> Run:
        tokens = int(10 * rate)
        return Run(Streaming(10.0, tokens // 4, tokens, *drafted), sum(drafted[1:]), right, looked_up)

    order = ["off", "0.7", "off"]
    figures = oracle_figures(order, [run(2.0), run(6.0, 40, 20, right=25, looked_up=3), run(4.0)], chats=2)
    assert figures["off"]["tokens_per_second"]["all"] == [2, 4]
    found = figures["conditions"]["0.7"]
    assert found["ratio"]["median"] == 2
    assert (found["acceptance"], found["kept"], found["looked_up"]) == (0.5, 0.8, 3)
    assert found["tokens_a_step"] == 2  # four for both answers
    silent = oracle_figures(order, [run(2.0), run(2.0), run(2.0)], chats=1)["conditions"]["0.7"]
    assert (silent["acceptance"], silent["kept"]) == (None, None)


def test_kinds_of_work_compare_rounds_and_answers() -> None:
    def answer(seconds: float, ids: tuple[int, ...], accepted: int = 0) -> Answer:
        run = TimedGeneration(0.0, ((1.0, 1), (1.0 + seconds, len(ids) - 1)), ids)
        return Answer(run, len(ids) + 1, 2 * accepted, accepted)

    same, other = (1, 2, 3, 4, 5), (1, 2, 9, 9, 9)
    found = {
        ON: [[answer(1, same, 3)], [answer(2, same, 3)]],
        OFF: [[answer(2, same)], [answer(2, other)]],
    }
    figures = work_figures(found)
    assert figures["tokens_per_second"]["on"]["all"] == [4, 2]
    assert figures["ratio"]["all"] == [2, 1]
    assert (figures["acceptance"], figures["tokens_a_step"]) == (0.5, 2)
    assert (figures["equal_share"], figures["identical"], figures["answers"]) == (0.7, 1, 2)
    assert figures["off_again"] == {"answers": 1, "equal_share": 0.4, "identical": 0}
    with pytest.raises(MeasureError, match="in one piece"):
        work_figures({ON: [[answer(0, same)]], OFF: [[answer(1, same)]]})


def test_every_kind_of_work_has_questions_in_the_chat_format(small_model_dir: Path) -> None:
    prompts = Prompts(open_model_folder(small_model_dir))
    built = work_prompts(prompts, FULL.drafts_prompts)
    assert set(built) == set(WORK) == set(KINDS)
    assert all(len(set(each)) == FULL.drafts_prompts for each in built.values())
    assert all(set(ids) & prompts.builder.tokenizer.control_ids for each in built.values() for ids in each)


def test_a_draft_model_as_it_is_needs_one(small_model_dir: Path) -> None:
    prompts = Prompts(open_model_folder(small_model_dir))
    with_model = oracle_measures(prompts, QUICK, has_draft_model=True)
    without = oracle_measures(prompts, QUICK, has_draft_model=False)
    assert with_model["one_chat"].conditions == ("draft model", "0", "0.5", "0.7", "0.9")
    assert without["one_chat"].conditions == ("0", "0.5", "0.7", "0.9")
    assert [len(each.prompts) for each in without.values()] == [1, 1, *QUICK.oracle_chats]


def test_the_tables_say_what_is_missing() -> None:
    assert drafts_table({"failed": "no memory"}, asdict(QUICK)) == "Drafts on and off: no memory\n"
    assert oracle_table({"failed": "no memory"}) == "An oracle's drafts: no memory\n"
    figures = {
        "draft_model": "",
        "draft_tokens": 8,
        "measures": {"history": {"title": "1 chat after 3,000 tokens", "skipped": "3064 tokens do not fit"}},
    }
    table = oracle_table(figures)
    assert "1 chat after 3,000 tokens: 3064 tokens do not fit" in table
    assert "no draft model" in table


def test_the_script_measures_drafts(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "drafts"
    model, draft = tiny_chat_model_dir, shutil.copytree(tiny_chat_model_dir, tmp_path / "draft")
    sizes = ("--size", "quick", "--only", "drafts,oracle")
    result = run_script(*sizes, "--model", model, "--draft-model", draft, "--output", output)
    assert result.returncode == 0, result.stderr
    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    kinds, measures = report["drafts"]["kinds"], report["oracle"]["measures"]
    assert set(kinds) == set(KINDS)
    for each in kinds.values():
        assert each["ratio"]["least"] > 0
        assert each["tokens_a_step"] >= 1
    assert list(measures) == ["one_chat", "history", "together_2"]
    for each in measures.values():
        for condition, found in each["conditions"].items():
            assert found["ratio"]["least"] > 0
            assert found["looked_up"] == 0  # the oracle drafts alone
            assert condition != "0" or not found["acceptance"]
    # Drafts need not pay with so small a model, but where there are any, the model chooses the right ones.
    kept = [found["kept"] for each in measures.values() for found in each["conditions"].values() if found["kept"]]
    assert kept == [1.0] * len(kept)
    table = output.with_suffix(".md").read_text(encoding="utf-8")
    assert "oracle right at 0.7" in table
    assert "the draft model as it is, no oracle" in table
    assert f"It takes the time of the draft model {open_model_folder(draft).title}" in table
    assert table in result.stdout


def test_a_draft_model_with_another_tokenizer_is_refused(tiny_chat_model_dir: Path, small_model_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="its tokenizer is another than the model's"):
        OracleRuns.load(open_model_folder(tiny_chat_model_dir), small_model_dir, [], 1)


def test_an_oracle_needs_no_draft_model(tiny_chat_model_dir: Path) -> None:
    runs = OracleRuns.load(open_model_folder(tiny_chat_model_dir), None, [], 1)
    assert runs.draft_model == ""


@pytest.mark.long
def test_a_random_draft_model_has_the_models_tokenizer_and_50_million_weights(
    tiny_chat_model_dir: Path, tmp_path: Path
) -> None:
    model = open_model_folder(tiny_chat_model_dir)
    draft = open_model_folder(write_random_draft_model(tmp_path, model))
    assert first_difference(model.path, draft.path) is None
    assert (draft.name, draft.context_length) == ("random-weights", model.context_length)
    assert 45e6 < draft.size_bytes < 60e6  # a byte each
