"""The benchmark: its arithmetic, its handling of failures, and a small run of the whole script."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from benchmarking import discord_crowd_table, idle_table, returning_table
from benchmarking.crowd_figures import CrowdTurn, begun_out_of_turn, crowd_figures, hit_rates
from benchmarking.decode_rate import decode_rate_together
from benchmarking.engine_run import EngineRun
from benchmarking.loop_lag import LoopLag
from benchmarking.measures import agreement
from benchmarking.plan import LLAMA_CPP, QUICK, SIZES, Plan
from benchmarking.prompts import Prompts
from benchmarking.properties import compare_with_exact
from benchmarking.report import new_report, resumed_report, write_report
from benchmarking.rounds import Rounds, bot_engine
from benchmarking.statistics import Verdict
from benchmarking.table import rows

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.export.timed_generation import MeasureError, TimedGeneration
from bot.model.folder import open_model_folder
from tests.scripts.benchmark_figures import check_crowd, check_discord, check_returning
from tests.scripts.run_script import run_script


def test_the_decode_rate_leaves_the_first_arrival_out() -> None:
    run = TimedGeneration(submitted=10.0, arrivals=((13.0, 2), (14.0, 1), (15.0, 3)), ids=(1, 2, 3, 4, 5, 6))
    assert run.first_token_seconds == 3
    assert run.decode_tokens_per_second == 2
    with pytest.raises(MeasureError, match="one piece"):
        _ = TimedGeneration(0.0, ((1.0, 4),), (1, 2, 3, 4)).decode_tokens_per_second


def test_the_rate_together_counts_only_while_all_stream() -> None:
    early = TimedGeneration(submitted=0.0, arrivals=((1.0, 1), (3.0, 1), (5.0, 1)), ids=(1, 2, 3))
    late = TimedGeneration(submitted=0.0, arrivals=((2.0, 1), (4.0, 2), (6.0, 1), (8.0, 1)), ids=(1, 2, 3, 4, 5))
    assert decode_rate_together([early, late]) == pytest.approx(4 / 3)  # from 2 to 5: at 3, 4 (two) and 5
    after = TimedGeneration(submitted=0.0, arrivals=((9.0, 1), (10.0, 1)), ids=(1, 2))
    with pytest.raises(MeasureError, match="did not all stream"):
        decode_rate_together([early, after])


def test_a_second_start_while_another_member_waits_is_counted() -> None:
    greedy = [CrowdTurn("greedy", str(number), 1, asked_at=0.0, waited_seconds=number) for number in (1, 2, 3)]
    fair = CrowdTurn("patient", "9", 1, asked_at=0.5, waited_seconds=1.0)  # after the first, before the second
    assert begun_out_of_turn([*greedy, fair]) == 0
    passed_over = CrowdTurn("patient", "9", 1, asked_at=0.5, waited_seconds=2.0)
    assert begun_out_of_turn([*greedy, passed_over]) == 1
    # A member who has started meanwhile waits from there.
    again = CrowdTurn("patient", "10", 1, asked_at=0.5, waited_seconds=2.0)
    assert begun_out_of_turn([*greedy, fair, again]) == 0


def test_the_many_questions_are_compared_with_those_at_the_same_time() -> None:
    def asked(person: str, number: int, at: float, first_token: float | None) -> CrowdTurn:
        turn = CrowdTurn(person, f"{person} {at}", number, asked_at=at, first_token_seconds=first_token)
        turn.ended_at, turn.tokens, turn.times_answered = at + 10, 5, 1
        return turn

    many = [asked("many", 1, 20.0, seconds) for seconds in (1.0, 8.0)]
    ordinary = [asked("a", 1, 0.0, 2.0), asked("b", 2, 19.0, 3.0), asked("c", 2, 27.0, 4.0), asked("d", 2, 29.0, 9.0)]
    ordinary[0].times_answered = 2
    figures = crowd_figures([*many, *ordinary], "many")
    beside = figures["many_at_once"]
    assert (beside["first_seconds"], beside["last_seconds"]) == (1, 8)
    assert (beside["others"], beside["others_median_seconds"]) == (2, 3.5)  # b and c
    assert figures["later_turns"]["p50_seconds"] == 4
    assert figures["first_token"]["worst_seconds"] == 9
    assert (figures["questions"], figures["answered_once"]) == (6, 5)
    assert figures["tokens_per_second"] == pytest.approx(30 / 39)
    with pytest.raises(MeasureError, match="no question"):
        crowd_figures([asked("many", 1, 0.0, None), asked("a", 1, 0.0, None)], "many")


def test_the_hit_rate_is_relative_to_what_the_turn_before_left() -> None:
    first = CrowdTurn("a", "a", 1, prompt_tokens=40, cached_tokens=10, tokens=10)
    second = CrowdTurn("a", "a", 2, prompt_tokens=60, cached_tokens=45, tokens=10)
    assert hit_rates([second, first]) == {"all": 0.55, "later_turns": 0.75, "known": 0.9}


def test_quality_is_agreement_with_the_first_set() -> None:
    sets: list[dict[str, Any]] = [{"next_ids": [1, 2, 3, 4]}, {"failed": "refused"}, {"next_ids": [1, 2, 3, 9]}]
    compare_with_exact({"sets": sets})
    assert [each.get("agreement") for each in sets] == [1.0, None, 0.75]


def test_agreement_needs_answers_of_both_engines() -> None:
    with pytest.raises(MeasureError, match="it broke"):
        agreement({"ids": [[1]], "questions": 1}, {"failed": "it broke"})


async def test_a_blocked_event_loop_shows() -> None:
    async with LoopLag() as lag:
        await _ticks(lag, 3)
        before = lag.ticks
        time.sleep(0.2)  # noqa: ASYNC251 - the fault to show
        await _ticks(lag, before + 1)
    assert lag.summary(before)["worst_ms"] > 150
    assert lag.summary(lag.ticks) == {}


def test_prompts_are_ordinary_repeatable_and_distinct(small_model_dir: Path) -> None:
    folder = open_model_folder(small_model_dir)
    prompts = Prompts(folder)
    first = prompts.random_ids("first", 400)
    assert first == Prompts(folder).random_ids("first", 400)
    assert first[:32] != prompts.random_ids("second", 400)[:32]
    assert not set(first) & folder.eos_token_ids
    assert max(first) < folder.vocabulary_size
    questions = [prompts.made_up_question(str(number)) for number in range(50)]
    assert questions == [prompts.made_up_question(str(number)) for number in range(50)]
    lengths = [len(prompts.builder.tokenizer.encode(question)) for question in questions]
    assert 8 <= min(lengths) < 20 < 45 < max(lengths) <= 62


async def test_an_engine_that_does_not_load_is_reported_with_the_reason(small_model_dir: Path) -> None:
    lines: list[str] = []
    options = EngineOptions(engine="abacus", model_dir=small_model_dir)
    report = await _run(options, QUICK, QUICK.measures, lines.append).measure_all()
    assert "abacus" in report["failed"]
    assert list(report["measures"]) == ["load"]
    assert any("load failed" in line for line in lines)


def test_impossible_measures_are_skipped_with_the_reason() -> None:
    assert QUICK.left_out("paged", context_length=4096) == {}
    optimum = QUICK.left_out("optimum", context_length=4096)
    assert list(optimum) == ["newcomer", "crowd"]
    assert "one question after another" in optimum["crowd"]
    assert list(QUICK.left_out(LLAMA_CPP, context_length=4096)) == ["crowd", "mention"]
    small = QUICK.left_out("genai", context_length=256)
    assert list(small) == ["next_turn_256", "newcomer"]
    assert "257 tokens do not fit" in small["newcomer"]


@pytest.mark.parametrize("plan", SIZES.values(), ids=SIZES)
def test_every_size_compares_measures_that_it_has(plan: Plan) -> None:
    assert set(plan.measures_in(2)) < set(plan.measures_in(1)) <= set(plan.measures)
    assert len(plan.measures_in(1)) == len(set(plan.measures_in(1)))


async def test_a_measure_that_fails_stops_no_other(small_model_dir: Path) -> None:
    folder = open_model_folder(small_model_dir)
    too_long = folder.context_length + 1
    plan = replace(QUICK, one_chat_prompt=too_long, histories=(too_long,), newcomer_prompt=4096, newcomer_seconds=0.3)
    options = EngineOptions(engine="paged", model_dir=folder.path, cache_gigabytes=1)
    names = ("one_chat", f"next_turn_{too_long}", "newcomer", "together_1")
    measures = (await _run(options, plan, names).measure_all())["measures"]
    assert str(too_long) in measures["one_chat"]["failed"]
    assert "do not fit" in measures[f"next_turn_{too_long}"]["skipped"]
    assert "not read within" in measures["newcomer"]["skipped"]
    assert measures["newcomer"]["longest_pause_seconds"] >= measures["newcomer"]["p99_pause_seconds"] > 0
    assert measures["together_1"]["tokens_per_second"] > 0
    assert "answers" not in measures


def test_the_script_measures_a_model(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "benchmark"
    result = run_script(
        *("--size", "quick", "--engines", "paged", "--rounds", "1"),
        *("--model", tiny_chat_model_dir, "--output", output),
    )
    assert result.returncode == 0, result.stderr

    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["model"]["name"] == open_model_folder(tiny_chat_model_dir).name
    assert report["machine"]["packages"]["openvino-genai"]
    [turns] = report["rounds"]
    turn = turns["paged"]
    measures = turn["measures"]
    assert set(measures) == {"load", *QUICK.measures}
    assert measures["one_chat"]["decode_tokens_per_second"] > 1
    assert measures["together_8"]["loop_lag"]["worst_ms"] >= measures["together_8"]["loop_lag"]["p99_ms"] >= 0
    newcomer = measures["newcomer"]
    assert newcomer["streamed_tokens_meanwhile"] > 0
    assert newcomer["longest_pause_seconds"] >= newcomer["p99_pause_seconds"] > 0
    assert newcomer["first_token_seconds"] > 0
    assert newcomer["longest_pause_before_seconds"] > 0
    check_crowd(measures["crowd"])
    assert 0 < measures["mention"]["own_seconds"] < measures["mention"]["mention_to_text_seconds"]
    assert 0 < turn["memory"]["bot_bytes"] < turn["memory"]["engine_bytes"]

    check_discord(report)
    check_returning(report["returning"])

    table = output.with_suffix(".md").read_text(encoding="utf-8")
    all_rows = (
        *rows(report["plan"]),
        *idle_table.ROWS,
        *discord_crowd_table.ROWS,
        *returning_table.AFTER_KILL_ROWS,
        *returning_table.MANY_ROWS,
    )
    assert all(f"| {row.label} |" in table for row in all_rows)
    assert "not measured" not in table
    assert "<sup>" not in table  # every row has its figure
    assert table in result.stdout
    assert {each.name for each in output.parent.iterdir()} == {"benchmark.json", "benchmark.md"}


async def test_a_turn_keeps_its_figures_when_others_are_asked_for(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    folder, output = open_model_folder(tiny_chat_model_dir), tmp_path / "benchmark"
    report = new_report(folder, QUICK)
    figures = {"first_token_seconds": 1.0, "decode_tokens_per_second": 2.0}
    report["rounds"] = [{"paged": {"measures": {"one_chat": figures}, "complete": True}}]
    write_report(report, output)
    engines = {"paged": bot_engine("paged", folder)}
    resumed = resumed_report(folder, QUICK, output)
    await Rounds(engines, folder, QUICK, resumed, output, ["one_chat", "together_1"], lambda line: None).measure(1)
    measures = resumed["rounds"][0]["paged"]["measures"]
    assert set(measures) == {"load", "one_chat", "together_1"}
    assert measures["one_chat"] == figures


def test_engines_take_turns_and_whole_turns_are_kept(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "benchmark"
    file = output.with_suffix(".json")
    arguments = (
        *("--size", "quick", "--engines", "paged,genai", "--only", "one_chat,newcomer"),
        *("--model", tiny_chat_model_dir, "--output", output),
    )
    result = run_script("--rounds", "2", *arguments)
    assert result.returncode == 0, result.stderr
    report = json.loads(file.read_text(encoding="utf-8"))
    assert [list(turns) for turns in report["rounds"]] == [["paged", "genai"], ["genai", "paged"]]
    every_turn = [turn for turns in report["rounds"] for turn in turns.values()]
    assert all(set(turn["measures"]) == {"load", "one_chat", "newcomer"} for turn in every_turn)
    assert all(turn["measures"]["newcomer"]["p99_pause_seconds"] > 0 for turn in every_turn)
    assert ", ahead" not in result.stdout  # two rounds claim nothing

    del report["rounds"][1]["genai"]["complete"]
    file.write_text(json.dumps(report), encoding="utf-8")
    resumed = run_script("--rounds", "3", "--resume", *arguments)
    assert resumed.returncode == 0, resumed.stderr
    loads = [line.split("  ")[-1] for line in resumed.stdout.splitlines() if line.endswith(": load")]
    assert loads == ["round 2 of 3, genai: load", "round 3 of 3, paged: load", "round 3 of 3, genai: load"]
    kept = json.loads(file.read_text(encoding="utf-8"))["rounds"]
    assert kept[0] == report["rounds"][0]
    assert kept[1]["paged"] == report["rounds"][1]["paged"]
    assert kept[1]["genai"]["complete"]
    speed = next(line for line in resumed.stdout.splitlines() if line.startswith("| 1 chat, decoding"))
    assert any(speed.endswith(f", {verdict} |") for verdict in Verdict)
    assert len(re.findall(r"\(\S+ to \S+\)", speed)) == 3  # of both engines and of their ratio


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    result = run_script("--model", tmp_path / "nowhere", "--output", tmp_path / "benchmark")
    assert result.returncode == 2
    assert result.stderr.startswith("error: argument --model: ")
    assert len(result.stderr.splitlines()) == 1


def test_properties_are_compared_by_speed_and_quality(small_model_dir: Path, tmp_path: Path) -> None:
    output, sets = tmp_path / "properties", '[{"KV_CACHE_PRECISION": "papyrus"}]'
    arguments = ("--quick", "--sets", sets, "--model", small_model_dir, "--output", output)
    result = run_script(*arguments, script="compare_properties.py")
    assert result.returncode == 0, result.stderr
    exact, refused = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["sets"]
    assert exact["agreement"] == 1
    f32 = 30 * 3 * 2 * 64 * 4  # layers, heads, key and value, head size, bytes
    assert exact["cache_bytes_per_token"] == pytest.approx(f32, rel=0.02)
    speeds = ("prefill_tokens_per_second", "one_chat_tokens_per_second", "together_tokens_per_second")
    assert all(exact[speed] > 0 for speed in speeds)
    assert "the KV cache cannot be stored as papyrus" in refused["failed"]
    assert "papyrus | the KV cache cannot" in result.stdout
    assert output.with_suffix(".md").read_text(encoding="utf-8") in result.stdout


@pytest.mark.parametrize("sets", ["[", '["u8"]'])
def test_wrong_sets_are_refused(sets: str, tmp_path: Path) -> None:
    result = run_script("--sets", sets, "--model", tmp_path, script="compare_properties.py")
    assert result.returncode == 2
    assert "argument --sets: this is not" in result.stderr


async def _ticks(lag: LoopLag, count: int) -> None:
    async with asyncio.timeout(10):
        while lag.ticks < count:  # noqa: ASYNC110 - the ticker has no event to wait for
            await asyncio.sleep(0.001)


def _run(
    options: EngineOptions, plan: Plan, names: Sequence[str], say: Callable[[str], None] = lambda line: None
) -> EngineRun:
    folder = open_model_folder(options.model_dir)
    return EngineRun(options.engine, partial(EngineSupervisor, options), folder, plan, say, names)
