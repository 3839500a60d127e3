"""A short run of the disk cache's fault suite, and proof that its verdict catches each mistake."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from disk_cache_faults.conversations import Turn
from disk_cache_faults.damage import Damage, block_files, inflict
from disk_cache_faults.kills import Victim, plan_rounds
from disk_cache_faults.report import Mistake, Report, describe, judge
from disk_cache_faults.suite import DiskCacheFaultSuite, exact_options

from bot.engine.worker.paged.disk_cache.block_file import DamagedBlockError, StoredBlock, read_payload, write_block

ROUNDS = 6
PAYLOAD = 4000
PROMPT = tuple(range(100, 180))  # two full blocks, and a part of one


@pytest.mark.skipif(os.name != "posix", reason="the kills are POSIX signals")
async def test_kills_and_damage_cost_no_token(wordy_model: Path, tmp_path: Path) -> None:
    suite = DiskCacheFaultSuite(exact_options(wordy_model), tmp_path / "cache", rounds=ROUNDS, seed=1, say=print)
    report = await suite.run()
    figures = "\n".join(report.lines())
    assert report.passed, figures
    assert report.rounds == ROUNDS, figures
    assert report.writing >= 1, figures
    assert report.damages.total() >= len(Damage), figures


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The files of two blocks, as an engine writes them."""
    folder = tmp_path / "identity"
    folder.mkdir()
    parent = folder.name
    for begin in (0, 32):
        block = StoredBlock(parent, False, PROMPT[begin : begin + 32])
        write_block(folder, block, [memoryview(random.Random(begin).randbytes(PAYLOAD))])
        parent = block.key
    return block_files(folder, PROMPT)


def test_the_files_of_a_prompt_are_found(files: list[Path]) -> None:
    assert len(files) == 2
    folder = files[0].parent
    assert block_files(folder, (*PROMPT[:32], *range(32))) == files[:1]
    files[0].unlink()
    assert block_files(folder, PROMPT) == []  # nobody finds the second one without the first


@pytest.mark.parametrize("damage", Damage)
def test_a_damaged_file_is_there_until_it_is_deleted_or_whole_again(damage: Damage, files: list[Path]) -> None:
    whole = {path: path.read_bytes() for path in files}
    damaged = inflict(damage, files, random.Random(3))
    assert damaged.is_there
    assert whole.get(damaged.path) != damaged.path.read_bytes()
    damaged.path.write_bytes(whole.get(damaged.path, b"another"))
    assert not damaged.is_there
    damaged.path.unlink()
    assert not damaged.is_there


@pytest.mark.parametrize("seed", range(8))
def test_a_flipped_bit_is_in_the_payload(seed: int, files: list[Path]) -> None:
    damaged = inflict(Damage.PAYLOAD_FLIPPED, files[:1] * 2, random.Random(seed))
    block = StoredBlock(damaged.path.parent.name, False, PROMPT[:32])
    with pytest.raises(DamagedBlockError, match="its checksum differs"):
        read_payload(damaged.path.parent, block, [memoryview(bytearray(PAYLOAD))])


def test_a_plan_is_repeatable_and_has_every_victim_and_every_damage_equally_often() -> None:
    plan = plan_rounds(105, random.Random(5))
    assert plan == plan_rounds(105, random.Random(5))
    assert Counter(each.victim for each in plan) == dict.fromkeys(Victim, 35)
    assert Counter(damage for each in plan for damage in each.damages) == dict.fromkeys(Damage, 30)
    assert not any(each.damages for each in plan if each.victim is Victim.ENGINE)


def test_another_token_is_a_mistake() -> None:
    turn = Turn(PROMPT, (1, 2, 3))
    assert judge(turn, (1, 2, 3)) is None
    assert judge(turn, (1, 2, 4)) is judge(turn, (1, 2)) is Mistake.OTHER_TOKENS
    assert judge(turn, None) is Mistake.UNANSWERED
    assert describe(turn, (1, 2, 4)) == "a prompt of 80 tokens, 3 of 3 tokens came, the first other token is number 2"
    assert "0 of 3 tokens came" in describe(turn, None)


@pytest.mark.parametrize(
    "fail",
    [
        lambda report: report.kills.subtract({"bot": 1}),
        lambda report: report.mistakes.update([Mistake.DAMAGE_KEPT]),
        lambda report: setattr(report, "from_disk", 0),
    ],
    ids=["a missing round", "a mistake", "a disk cache without use"],
)
def test_a_report_fails_for(fail: Callable[[Report], None]) -> None:
    report = Report(rounds_planned=2, kills=Counter({"bot": 1, "engine": 1}), from_disk=100)
    assert report.passed
    assert report.lines()[-1] == "passed"
    fail(report)
    assert not report.passed
    assert report.lines()[-1] == "FAILED"
