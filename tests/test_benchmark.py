"""The benchmark: its arithmetic, what it does with failures, and a small run of the whole script."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from bot.engine.interface import EngineOptions
from bot.model.folder import open_model_folder
from tests.small_model import small_model_dir

__all__ = ["small_model_dir"]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from benchmarking.engine_run import EngineRun  # noqa: E402
from benchmarking.generation import MeasureError, TimedGeneration  # noqa: E402
from benchmarking.loop_lag import LoopLag  # noqa: E402
from benchmarking.measures import agreement  # noqa: E402
from benchmarking.plan import QUICK  # noqa: E402
from benchmarking.prompts import Prompts  # noqa: E402
from benchmarking.statistics import equal_share, gain, identical, percentile  # noqa: E402
from benchmarking.table import markdown_table, rows  # noqa: E402


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2
    assert percentile([7.0], 0.01) == 7
    with pytest.raises(ValueError, match="of 0 values"):
        percentile([], 0.5)


def test_gain_says_how_many_times_better_ours_is() -> None:
    assert gain(2.0, 6.0, lower_is_better=True) == 3
    assert gain(2.0, 6.0, lower_is_better=False) == pytest.approx(1 / 3)
    assert gain(0.0, 6.0, lower_is_better=True) is None


def test_a_missing_token_is_not_equal() -> None:
    ours, theirs = [[1, 2, 3, 4], [5, 6]], [[1, 2, 9, 4], [5, 6, 7, 8]]
    assert equal_share(ours, theirs) == pytest.approx(5 / 8)
    assert identical(ours, theirs) == 0
    assert identical(ours, ours) == 2


def test_the_decode_rate_leaves_the_first_arrival_out() -> None:
    run = TimedGeneration(submitted=10.0, arrivals=((13.0, 2), (14.0, 1), (15.0, 3)), ids=(1, 2, 3, 4, 5, 6))
    assert run.first_token_seconds == 3
    assert run.decode_tokens_per_second == 2
    with pytest.raises(MeasureError, match="one piece"):
        _ = TimedGeneration(0.0, ((1.0, 4),), (1, 2, 3, 4)).decode_tokens_per_second


def test_agreement_needs_answers_of_both_engines() -> None:
    with pytest.raises(MeasureError, match="it broke"):
        agreement({"ids": [[1]], "questions": 1}, {"failed": "it broke"})


async def test_a_blocked_event_loop_is_seen() -> None:
    async with LoopLag() as lag:
        await _ticks(lag, 3)
        before = lag.ticks
        time.sleep(0.2)  # noqa: ASYNC251 - the fault to be seen
        await _ticks(lag, before + 1)
    assert lag.summary(before)["worst_ms"] > 150
    assert lag.summary(lag.ticks) == {}


def test_prompts_are_plain_repeatable_and_unlike(small_model_dir: Path) -> None:
    folder = open_model_folder(small_model_dir)
    prompts = Prompts(folder)
    first = prompts.random_ids("first", 400)
    assert first == Prompts(folder).random_ids("first", 400)
    assert first[:32] != prompts.random_ids("second", 400)[:32]
    assert not set(first) & folder.eos_token_ids
    assert max(first) < folder.vocabulary_size


async def test_an_engine_that_does_not_load_is_reported_with_its_reason(small_model_dir: Path) -> None:
    lines: list[str] = []
    options = EngineOptions(engine="abacus", model_dir=small_model_dir)
    report = await EngineRun(options, open_model_folder(small_model_dir), QUICK, lines.append).measure_all()
    assert "abacus" in report["failed"]
    assert list(report["measures"]) == ["load"]
    assert any("load failed" in line for line in lines)


async def test_a_measure_that_fails_stops_no_other(small_model_dir: Path) -> None:
    folder = open_model_folder(small_model_dir)
    too_long = folder.context_length + 1
    plan = replace(QUICK, one_chat_prompt=too_long, histories=(too_long,), chats=(1,), mentions=1, mention_answer=2)
    options = EngineOptions(engine="genai", model_dir=folder.path, cache_gigabytes=1)
    report = await EngineRun(options, folder, plan, lambda line: None).measure_all()
    measures = report["measures"]
    assert str(too_long) in measures["one_chat"]["failed"]
    assert "do not fit" in measures[f"next_turn_{too_long}"]["skipped"]
    assert measures["together_1"]["tokens_per_second"] > 0
    assert measures["mention"]["own_seconds"] > 0


def test_the_table_compares_and_does_not_hide_what_failed() -> None:
    report = _report(
        genai={"one_chat": {"first_token_seconds": 0.5, "decode_tokens_per_second": 20.0}},
        optimum={"one_chat": {"first_token_seconds": 2.0, "decode_tokens_per_second": 10.0}},
    )
    report["engines"]["optimum"]["measures"]["mention"] = {"failed": "the answer held no text"}
    table = markdown_table(report)
    assert "| First token of a 128-token prompt, s | 0.50 | 2.00 | 4.0× |" in table  # noqa: RUF001
    assert "| 1 chat, decoding, tokens/s | 20.0 | 10.0 | 2.0× |" in table  # noqa: RUF001
    assert "the answer held no text" in table
    assert "not measured" in table


@pytest.mark.timeout(300)
def test_the_script_measures_the_small_model(small_model_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "benchmark"
    result = _run_script("--size", "quick", "--engines", "genai", "--model", small_model_dir, "--output", output)
    assert result.returncode == 0, result.stderr

    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["model"]["name"] == "SmolLM2-135M-Instruct"
    assert report["machine"]["packages"]["openvino-genai"]
    engine = report["engines"]["genai"]
    assert {name: each["failed"] for name, each in engine["measures"].items() if "failed" in each} == {}
    measures = engine["measures"]
    assert {"load", "after_load", "one_chat", "together_1", "together_8", "next_turn_128", "answers", "mention"} <= set(
        measures
    )
    assert measures["one_chat"]["decode_tokens_per_second"] > 1
    assert measures["together_8"]["loop_lag"]["worst_ms"] >= measures["together_8"]["loop_lag"]["p99_ms"] >= 0
    assert 0 < measures["mention"]["own_seconds"] < measures["mention"]["mention_to_text_seconds"]
    assert 0 < engine["memory"]["bot_bytes"] < engine["memory"]["engine_bytes"]

    table = output.with_suffix(".md").read_text(encoding="utf-8")
    assert all(f"| {row.label} |" in table for row in rows(report["plan"]))
    assert "<sup>" not in table  # every line has its figure
    assert table in result.stdout
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")

    resumed = _run_script(
        "--resume", "--size", "quick", "--engines", "genai", "--model", small_model_dir, "--output", output
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "genai: load" not in resumed.stdout  # nothing is measured twice
    assert json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["engines"]["genai"] == engine


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    result = _run_script("--model", tmp_path / "nowhere", "--output", tmp_path / "benchmark")
    assert result.returncode == 2
    assert result.stderr.startswith("error: there is no model folder")
    assert len(result.stderr.splitlines()) == 1


async def _ticks(lag: LoopLag, count: int) -> None:
    async with asyncio.timeout(10):
        while lag.ticks < count:  # noqa: ASYNC110 - the ticker has no event to wait for
            await asyncio.sleep(0.001)


def _run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "benchmark.py", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=280, check=False)


def _report(**measures: dict[str, Any]) -> dict[str, Any]:
    return {
        "plan": asdict(QUICK),
        "machine": {"processor": "CPU", "cores": 2, "memory_bytes": 2**34, "measured_at": "2026-01-01T00:00:00+00:00"},
        "model": {"name": "model", "recipe": None, "size_bytes": 10**9},
        "engines": {engine: {"measures": figures} for engine, figures in measures.items()},
    }
