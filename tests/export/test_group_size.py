"""Which group size of dynamic quantization a new model gets, from measured speeds and predictions."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from tiny_models.phi3 import write_tiny_phi3

from bot.export.group_size import EXACT, choose_group_size, try_group_sizes
from bot.export.next_tokens import NextTokens, TimedReading
from bot.model.device_properties import FILE_NAME, read_device_properties, write_device_properties
from tests.shared_folder import shared_folder

GROUP = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
POSITIONS = 700
STEADY = (1.0, 1.02, 0.98, 1.01)
IDS = random.Random(0).choices(range(3, 1000), k=300)


@dataclass
class Machine:
    """Measures what a test says.

    Attributes:
        prompt_seconds: of a piece, by group size.
        step_seconds: of a step of the decode, by group size.
        wrong: positions without the exact arithmetic's token, by group size.
        slower: how many times as long as usual each piece takes, in each turn of a group size.
        quantizes: whether the group size changes any figure.
        loads: the group sizes in the order in which they were loaded.
    """

    prompt_seconds: Mapping[str, float] = field(default_factory=lambda: {"32": 1.3, "64": 1.1, "128": 1.0, "0": 2.0})
    step_seconds: Mapping[str, float] = field(default_factory=dict)
    wrong: Mapping[str, range] = field(default_factory=dict)
    slower: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    quantizes: bool = True
    loads: list[str] = field(default_factory=list)

    def read(self, properties: Mapping[str, str]) -> TimedReading:
        size = properties[GROUP]
        slower = self.slower[size][self.loads.count(size)] if size in self.slower else STEADY
        self.loads.append(size)
        likeliest = np.zeros(POSITIONS, np.int64)
        likeliest[list(self.wrong.get(size, ()))] = 1
        probabilities = np.full(POSITIONS, -float(size) if self.quantizes else -1.0)
        return TimedReading(
            NextTokens(likeliest, probabilities),
            [each * self.prompt_seconds[size] for each in slower],
            [self.step_seconds.get(size, 0.15)] * 7,
        )


def test_the_fastest_that_loses_nothing_is_chosen() -> None:
    machine = Machine(wrong={"32": range(14), "64": range(16), "128": range(11)})
    choice = choose_group_size(machine.read)
    assert choice.size == "128"
    assert choice.why == (
        "prompts 1.30 times as fast as with 32 (spread 0.00), agreement with exact arithmetic 98.4% against 98.0% in "
        "700 positions"
    )
    assert machine.loads == ["32", "64", "128", EXACT[GROUP], "128", "32"]


def test_what_loses_agreement_is_passed_over() -> None:
    machine = Machine(wrong={"32": range(14), "64": range(2, 16), "128": range(35)})
    choice = choose_group_size(machine.read)
    assert choice.size == "64"
    assert machine.loads[-2:] == ["64", "32"]


def test_the_default_stays_where_all_others_lose_agreement() -> None:
    machine = Machine(wrong={"32": range(14), "64": range(30), "128": range(35)})
    choice = choose_group_size(machine.read)
    assert choice.size == "32"
    assert "128 loses agreement, prompts 1.30 times as fast as with 32" in choice.why
    assert "95.0% against 98.0% in 700 positions" in choice.why
    assert machine.loads == ["32", "64", "128", "0"], "what loses agreement is not timed again"


@pytest.mark.parametrize(
    ("ours", "defaults", "chosen"),
    [
        (range(3), range(0), "32"),  # three lost and none won is no chance
        (range(1), range(0), "128"),
        (range(20, 40), range(18), "128"),  # two fewer of 38 that differ
        (range(20, 42), range(18), "32"),  # four fewer are more than half a percent
    ],
)
def test_losing_nothing_means_no_more_than_chance_takes(ours: range, defaults: range, chosen: str) -> None:
    all_wrong = range(POSITIONS)
    machine = Machine(wrong={"32": defaults, "64": all_wrong, "128": ours})
    assert choose_group_size(machine.read).size == chosen


def test_a_gain_below_the_spread_changes_nothing() -> None:
    machine = Machine(slower={"128": [(1.0, 1.4, 0.8, 0.7), (1.3, 0.9, 1.0, 0.7)]})
    choice = choose_group_size(machine.read)
    assert choice.size == "32"
    assert choice.why.startswith("128 gains no more than the spread, prompts 1.3")


def test_a_gain_that_does_not_come_back_changes_nothing() -> None:
    machine = Machine(slower={"128": [STEADY, [each * 1.35 for each in STEADY]]})
    assert choose_group_size(machine.read).size == "32"


def test_a_gain_too_small_to_matter_changes_nothing() -> None:
    machine = Machine(prompt_seconds={"32": 1.03, "64": 1.03, "128": 1.0, "0": 2.0})
    assert choose_group_size(machine.read).size == "32"


def test_slower_answers_rule_a_group_size_out() -> None:
    machine = Machine(step_seconds={"32": 0.15, "128": 0.18})
    choice = choose_group_size(machine.read)
    assert choice.size == "32"
    assert choice.why.startswith("128 slows answers down to 0.83 times the speed, prompts 1.30 times as fast")


def test_a_machine_that_does_not_quantize_keeps_the_default_whatever_its_speeds_say() -> None:
    machine = Machine(quantizes=False)
    choice = choose_group_size(machine.read)
    assert (choice.size, choice.why) == ("32", "others change nothing with this model on this machine")
    assert "0" not in machine.loads


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "tiny-phi3", write_tiny_phi3)


def test_a_real_model_gets_what_its_finding_says(tiny_model: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    model = shutil.copytree(tiny_model, tmp_path / "model")
    write_device_properties(model, {GROUP: "64"})  # of an earlier trial
    finding = try_group_sizes(model, IDS, tmp_path, stages.append)
    assert finding.verdict == "good"
    size = finding.detail.split(":")[0].removeprefix("group size ")
    assert read_device_properties(model).get(GROUP, "32") == size
    assert stages[:3] == [f"Trying {GROUP}={each}" for each in ("32", "64", "128")]


def test_a_model_that_cannot_be_read_gets_none(tiny_model: Path, tmp_path: Path) -> None:
    model = shutil.copytree(tiny_model, tmp_path / "model")
    (model / "openvino_model.xml").write_text("<net>", encoding="utf-8")
    finding = try_group_sizes(model, IDS, tmp_path, lambda line: None)
    assert finding.verdict == "skipped"
    assert finding.detail.startswith("the engine's own group size; not measured: ")
    assert "\n" not in finding.detail
    assert not (model / FILE_NAME).exists()
