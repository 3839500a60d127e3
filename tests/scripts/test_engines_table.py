"""The table of the engines, from made-up rounds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from benchmarking import machine
from benchmarking.engines_table import engines_table
from benchmarking.plan import QUICK
from benchmarking.table import machine_line

_SPEED = "| 1 chat, decoding, tokens/s | "
_FIRST = "| First token of a 128-token prompt, s | "


def test_a_cell_is_the_median_of_the_rounds_and_a_ratio_is_of_one_round() -> None:
    report = _report(
        {"paged": _chat(0.5, 20.0), "genai": _chat(1.0, 19.0)},
        {"genai": _chat(0.8, 25.0), "paged": _chat(0.4, 24.0)},
        {"paged": _chat(0.6, 30.0), "genai": _chat(1.1, 31.0)},
    )
    table = engines_table(report)
    assert table.startswith("| | ours 1.0 | theirs 2.0 | against genai |\n|---|---:|---:|---:|\n")
    assert f"{_FIRST}0.50 (0.40 to 0.60) | 1.00 (0.80 to 1.10) | 2.00× (1.83 to 2.00), ahead |" in table  # noqa: RUF001
    speed = "24.0 (20.0 to 30.0) | 25.0 (19.0 to 31.0) | 0.97× (0.96 to 1.05), within the spread |"  # noqa: RUF001
    assert _SPEED + speed in table
    assert "Median (least to most) of 3 rounds" in table
    assert "Load and warm-up" not in table  # no engine measured it
    assert "Crowd" not in table
    assert "<sup>" not in table


def test_what_is_behind_is_called_so() -> None:
    rounds = [{"paged": _chat(2.0 + each, 5.0), "genai": _chat(1.0 + each, 5.0)} for each in (0.0, 0.1, 0.2)]
    table = engines_table(_report(*rounds))
    assert "0.52× (0.50 to 0.55), behind |" in table  # noqa: RUF001
    assert "1.00× (1.00 to 1.00), within the spread |" in table  # noqa: RUF001


@pytest.mark.parametrize("rounds", [1, 2])
def test_fewer_than_three_rounds_claim_nothing(rounds: int) -> None:
    table = engines_table(_report(*[{"paged": _chat(1.0, 9.0), "genai": _chat(2.0, 3.0)}] * rounds))
    assert "2.00×" in table  # noqa: RUF001
    assert not any(verdict in table for verdict in (", ahead", ", behind", ", within"))


def test_a_failure_is_a_footnote_and_its_round_has_no_ratio() -> None:
    failed = {"name": "theirs 2.0", "measures": {"one_chat": {"failed": "it broke"}}}
    slow = {"name": "theirs 2.0", "measures": {"one_chat": {"skipped": "one after another"}}}
    rounds = [{"paged": _chat(0.5, 20.0), "genai": _chat(1.0, 10.0), "optimum": slow} for _ in range(3)]
    table = engines_table(_report(*rounds, {"paged": _chat(0.5, 20.0), "genai": failed, "optimum": slow}))
    assert "| 1.00 (1.00 to 1.00)<sup>1</sup> | –<sup>2</sup> | 2.00× (2.00 to 2.00), ahead |  |" in table  # noqa: RUF001
    assert "<sup>1</sup> without 1 of 4 rounds: it broke" in table
    assert "<sup>2</sup> one after another" in table


def test_an_engine_that_never_loads_shows_the_reason() -> None:
    lost = {"measures": {"load": {"failed": "no torch"}}, "failed": "no torch"}
    found = _chat(0.5, 20.0)
    found["measures"]["load"] = {"start_to_ready_seconds": 3.0}
    table = engines_table(_report({"paged": found, "optimum": lost}))
    assert table.startswith("| | ours 1.0 | optimum |")
    assert "| Load and warm-up, s | 3.0 | –<sup>1</sup> |  |" in table  # noqa: RUF001
    assert f"{_SPEED}20.0 | –<sup>1</sup> |  |" in table  # noqa: RUF001
    assert "<sup>1</sup> no torch" in table
    assert "mention" not in table.lower()  # nobody tried


def test_what_only_the_first_round_measures_has_no_verdict() -> None:
    once = _chat(0.5, 20.0)
    once["measures"]["after_load"] = {"first_token_seconds": 0.25}
    table = engines_table(_report({"paged": once, "genai": once}, *[{"paged": _chat(0.5, 20.0)}] * 2))
    assert "| First token right after that, s | 0.25 | 0.25 | 1.00× |" in table  # noqa: RUF001


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        ({"VNNI": True, "BF16": True, "AMX": True}, "2 cores with VNNI, BF16 and AMX, 24 GiB"),
        ({"VNNI": True, "BF16": False, "AMX": False}, "2 cores with VNNI, without BF16 and AMX, 24 GiB"),
        ({"VNNI": False, "BF16": False, "AMX": False}, "2 cores without VNNI, BF16 and AMX, 24 GiB"),
        ({}, "2 cores, 24 GiB"),  # of an operating system that does not say
    ],
)
def test_the_machine_line_says_which_instructions_the_processor_has(
    instructions: dict[str, bool], expected: str
) -> None:
    described = {"processor": "P", "cores": 2, "memory_bytes": 24 * 2**30, "measured_at": "2026-11-28T12:00"}
    model = {"name": "M", "recipe": None, "size_bytes": 10**9}
    assert expected in machine_line({"machine": described | {"instructions": instructions}, "model": model})


def test_instructions_are_read_from_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_PROCESSORS", file)
    assert machine.describe_machine()["instructions"] == {}  # another operating system
    file.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx_vnni amx_tile\nbugs\t\t: none\n", encoding="utf-8")
    assert machine.describe_machine()["instructions"] == {"VNNI": True, "BF16": False, "AMX": True}
    file.write_text("Features\t: fp asimd bf16\n", encoding="utf-8")
    assert machine.describe_machine()["instructions"] == {}  # another kind of processor


def _chat(first_token_seconds: float, tokens_per_second: float) -> dict[str, Any]:
    figures = {"first_token_seconds": first_token_seconds, "decode_tokens_per_second": tokens_per_second}
    return {"measures": {"one_chat": figures}}


def _report(*rounds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = {"paged": "ours 1.0", "genai": "theirs 2.0"}
    named = [
        {key: {**({"name": names[key]} if key in names else {}), **turn} for key, turn in turns.items()}
        for turns in rounds
    ]
    return {"plan": asdict(QUICK), "rounds": named}
