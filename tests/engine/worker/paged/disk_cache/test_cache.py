"""What was read once is loaded, from memory or from real files, and never wrong."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

from bot.engine.interface import Erasure, GenerationRequest, Source
from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.disk_cache import budget as cache_budget
from bot.engine.worker.paged.disk_cache import cache as disk_cache
from bot.engine.worker.paged.disk_cache.block_file import DamagedBlockError, read_stored_block
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.worker.paged.disk_cache.keys_and_values import PAYLOAD_BYTES, Engine
from tests.small_disk import fill, small_disk_at

TEXT = tuple(range(1000, 1200))
OTHER = tuple(range(2000, 2200))
FILLER = tuple(range(3000, 3200))


def source(start: int, message_id: int = 1, author_id: int = 7, channel_id: int = 3) -> Source:
    return Source(start, message_id, author_id, channel_id)


def test_everything_but_the_last_token_is_loaded_after_a_restart(tmp_path: Path) -> None:
    first = Engine(tmp_path)
    first.read(*TEXT[:70])
    assert first.from_disk == 0
    first.close()
    second = Engine(tmp_path)
    second.read(*TEXT[:70])
    assert second.from_disk == 69
    second.read(*TEXT[:70])
    assert second.from_disk == 0, "it is in memory now"


@pytest.mark.parametrize("kept", [1, 31, 32, 33, 63, 64, 69])
def test_a_prefix_is_loaded_to_the_token_where_the_prompt_diverges(tmp_path: Path, kept: int) -> None:
    first = Engine(tmp_path)
    first.read(*TEXT[:70])
    first.close()
    second = Engine(tmp_path)
    second.read(*TEXT[:kept], *OTHER[:50])
    assert second.from_disk == kept
    second.read(*TEXT[:kept], *OTHER[:50], *TEXT[:9])
    assert second.from_disk == 0


def test_the_disk_continues_what_memory_has_a_part_of(tmp_path: Path) -> None:
    first = Engine(tmp_path)
    first.read(*TEXT[:150])
    first.close()
    second = Engine(tmp_path)
    second.read(*TEXT[:50])
    sequence = second.begin(*TEXT[:150])
    assert (sequence.read, second.from_disk) == (149, 149 - BLOCK_TOKENS)


def test_what_memory_evicts_is_loaded_again(tmp_path: Path) -> None:
    engine = Engine(tmp_path, blocks=6)
    for text in (TEXT, OTHER):
        engine.read(*text[:100])
    for text in (TEXT, OTHER, TEXT):
        engine.read(*text[:100])
        assert 0 < engine.from_disk < 99, "some of it is still in memory"
        assert engine.cached(*text[:100]) == 99


def test_a_growing_conversation_is_stored_once(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    for length in (20, 25, 40, 60, 130, 131):
        engine.read(*TEXT[:length])
    assert len(engine.files) == blocks_for(131)


def test_a_file_holds_nothing_of_what_its_block_was_used_for_before(tmp_path: Path) -> None:
    engine = Engine(tmp_path, blocks=3)
    engine.read(*FILLER[:64])
    engine.read(*TEXT[:40])
    [file] = [each for each in engine.files if len(read_stored_block(each, None).tokens) == 8]
    cells = numpy.frombuffer(file.read_bytes()[-PAYLOAD_BYTES:], numpy.uint32).reshape(-1, BLOCK_TOKENS)
    assert cells[:, :8].all()
    assert not cells[:, 8:].any()


def test_two_kinds_of_factors_do_not_mix(tmp_path: Path) -> None:
    engine = Engine(tmp_path, blocks=6)
    engine.read(*TEXT[:100])
    engine.read(*OTHER[:100])  # evicts it
    sequence = engine.begin(*OTHER[:100])
    engine.cache.release(sequence)
    sequence.long_factors = True
    engine.cache.find(sequence)
    assert engine.cache.take_loaded(sequence)
    assert sequence.read == 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def flip(offset: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)

    return change


def swap_with_next(path: Path) -> None:
    other = next((each for each in sorted(path.parent.glob("*.block")) if each != path), path)
    content, others = path.read_bytes(), other.read_bytes()
    path.write_bytes(others)
    other.write_bytes(content)


DAMAGES = {
    "cut off": cut,
    "empty": empty,
    "longer": longer,
    "magic": flip(0),
    "header length": flip(8),
    "header checksum": flip(12),
    "payload checksum": flip(16),
    "header": flip(40),
    "payload": flip(-1),
    "another block's name": swap_with_next,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("while_running", [False, True], ids=["before the start", "while it runs"])
def test_a_damaged_file_is_left_aside_and_removed(
    tmp_path: Path, damage: Callable[[Path], None], while_running: bool
) -> None:
    engine = Engine(tmp_path, blocks=8)
    for text in (TEXT, OTHER, FILLER):
        engine.read(*text[:192])
    damaged = next(file for file in engine.files if TEXT[40] in read_stored_block(file, None).tokens)
    if not while_running:
        engine.close()
    damage(damaged)
    content = damaged.read_bytes()
    if not while_running:
        engine = Engine(tmp_path, blocks=8)
    for text in (TEXT, OTHER, FILLER) * 2:
        engine.read(*text[:192])
    assert damaged.read_bytes() != content
    assert len(engine.files) == 3 * blocks_for(192)
    for text in (TEXT, OTHER, FILLER):
        assert engine.cached(*text[:192]) == 191


@pytest.mark.parametrize(
    "erasure",
    [
        Erasure(1, message_ids=frozenset({2})),
        Erasure(1, author_id=8),
        Erasure(1, author_id=8, channel_ids=frozenset({3})),
    ],
)
def test_erased_words_leave_memory_and_disk_with_all_after_them(tmp_path: Path, erasure: Erasure) -> None:
    engine = Engine(tmp_path)
    sources = [source(10), source(60, 2, author_id=8), source(120, 3)]
    engine.read(*TEXT[:150], sources=sources)
    engine.read(*OTHER[:40], sources=[source(5, 4)])
    engine.cache.erase(erasure)
    engine.flush()
    assert all(60 + TEXT[0] not in read_stored_block(file, None).tokens for file in engine.files)
    assert len(engine.files) == 1 + 2
    assert engine.cached(*TEXT[:150]) == BLOCK_TOKENS
    engine.close()
    assert Engine(tmp_path).cached(*OTHER[:40]) == 39


def test_what_a_running_request_says_of_erased_words_leaves_no_trace(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    running = engine.begin(*TEXT[:150], sources=[source(40, 2)])
    engine.compute(running, 70)
    engine.cache.erase(Erasure(1, message_ids=frozenset({2})))
    engine.compute(running, running.unread)
    engine.cache.release(running)
    engine.flush()
    assert len(engine.files) == 1
    assert engine.memory.used == 1
    assert engine.cached(*TEXT[:150]) == BLOCK_TOKENS


@pytest.mark.parametrize("length", [40, 50, 64], ids=["a beginning", "a later beginning", "the whole"])
def test_a_loaded_or_copied_block_remembers_whose_words_it_holds(tmp_path: Path, length: int) -> None:
    first = Engine(tmp_path)
    first.read(*TEXT[:65], sources=[source(35, 2), source(45, 3)])
    first.close()
    engine = Engine(tmp_path)
    prompts = [(*TEXT[:length], *OTHER[:30]), (*TEXT[:length], *FILLER[:30])]
    sources = [] if length % BLOCK_TOKENS == 0 else [source(35, 2)]  # a beginning of a block is this prompt's words
    for prompt in prompts:  # the first loads, the second copies what the first has loaded
        engine.read(*prompt, sources=sources)
    engine.cache.erase(Erasure(1, message_ids=frozenset({2})))
    assert [engine.cached(*prompt) for prompt in prompts] == [BLOCK_TOKENS] * 2


@pytest.mark.parametrize(("erasures", "cached"), [(0, BLOCK_TOKENS), (1, 149)])
def test_a_prompt_from_before_an_erasure_leaves_no_trace(tmp_path: Path, erasures: int, cached: int) -> None:
    engine = Engine(tmp_path)
    engine.cache.erase(Erasure(1, message_ids=frozenset({2})))
    engine.read(*TEXT[:150], sources=[source(40, 2)], erasures=erasures)
    assert len(engine.files) == blocks_for(cached)
    assert engine.cached(*TEXT[:150]) == cached


def test_the_least_used_leaves_a_full_cache_first(tmp_path: Path) -> None:
    Engine(tmp_path / "trial").read(*TEXT[:96])
    size = 8 * max(file.stat().st_size for file in (tmp_path / "trial").glob("*/*.block"))
    engine = Engine(tmp_path / "cache", blocks=6, budget=size)
    for text in (TEXT, OTHER, TEXT, FILLER):
        engine.read(*text[:96])
    assert engine.disk.used_bytes == sum(file.stat().st_size for file in engine.files) <= size
    engine.close()
    again = Engine(tmp_path / "cache", budget=size)
    assert [again.cached(*text[:96]) for text in (TEXT, OTHER, FILLER)] == [95, 2 * BLOCK_TOKENS, 95]


def test_a_smaller_budget_holds_from_the_start(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.read(*TEXT)
    engine.close()
    size = engine.disk.used_bytes // 2
    again = Engine(tmp_path, budget=size)
    again.flush()
    assert 0 < sum(file.stat().st_size for file in again.files) <= size
    assert 0 < again.cached(*TEXT) < len(TEXT) // 2


def test_a_conversation_larger_than_the_disk_cache_keeps_its_beginning(tmp_path: Path) -> None:
    Engine(tmp_path / "trial").read(*TEXT[:96])
    size = 3 * max(file.stat().st_size for file in (tmp_path / "trial").glob("*/*.block"))
    engine = Engine(tmp_path / "cache", budget=size)
    engine.read(*TEXT)
    engine.close()
    assert Engine(tmp_path / "cache").cached(*TEXT) == 3 * BLOCK_TOKENS


def test_a_full_disk_is_told_once_and_written_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_cache, "_PAUSE_SECONDS", 0.0)
    with small_disk_at(tmp_path / "disk", kilobytes=200) as disk:
        engine = Engine(disk / "cache")
        filler = disk / "filler"
        fill(filler)
        for text in (TEXT, OTHER):
            engine.read(*text)
        assert engine.files == []
        [line] = engine.warnings
        assert "free space there, or lower KV_DISK_GIGABYTES: path=" in line
        assert "No space left on device" in line
        filler.unlink()
        engine.read(*TEXT)
        assert len(engine.files) == blocks_for(len(TEXT))
        engine.close()


def test_some_of_the_disk_stays_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(tmp_path)
    monkeypatch.setattr(cache_budget, "_MOST_KEPT_FREE", 10**18)
    monkeypatch.setattr(cache_budget, "_SHARE_KEPT_FREE", 1.0)
    engine.read(*TEXT)
    assert engine.files == []
    assert len(engine.warnings) == 1


def slow_payload(*_: object) -> int:
    time.sleep(0.02)
    return 0


def test_it_computes_where_that_is_faster_than_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Engine(tmp_path)
    first.read(*TEXT)
    first.close()
    monkeypatch.setattr(disk_cache, "read_payload", slow_payload)
    monkeypatch.setattr(disk_cache, "_PATIENCE_SECONDS", 0.0)
    engine = Engine(tmp_path, seconds_per_token=1e-5)
    sequence = engine.begin(*TEXT)
    assert sequence.read == engine.from_disk < BLOCK_TOKENS * 3, "it noticed after a block or two"
    engine.cache.release(sequence)


def test_a_load_that_fails_frees_its_blocks_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the block that is being read at that moment stays in use."""
    first = Engine(tmp_path)
    first.read(*TEXT[:192])
    first.close()
    calls, reading, go_on = itertools.count(), threading.Event(), threading.Event()

    def read(*_: object) -> int:
        call = next(calls)
        if call == 0:
            raise DamagedBlockError("it is cut off")
        if call == 3:
            reading.set()
            assert go_on.wait(30)
        return 0

    monkeypatch.setattr(disk_cache, "read_payload", read)
    engine = Engine(tmp_path, blocks=6 + 2)
    asked = RunningRequest.of(0, GenerationRequest(TEXT[:192], frozenset(), 0))
    engine.cache.find(asked)
    assert reading.wait(30)
    engine.disk.poll()
    assert engine.cache.take_loaded(asked)
    engine.compute(asked, 192)
    go_on.set()
    engine.cache.release(asked)
    engine.flush()


def test_files_are_readable_by_the_bot_alone(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "data" / "cache")
    engine.read(*TEXT)
    assert {file.stat().st_mode & 0o777 for file in engine.files} == {0o600}
    assert engine.folder.path.stat().st_mode & 0o777 == 0o700


def prompts_with_sources(choose: random.Random) -> list[tuple[tuple[int, ...], list[Source]]]:
    """Conversations that share beginnings. The words of message N begin with the token 100 + N."""
    prompts: list[tuple[tuple[int, ...], list[Source]]] = []
    for message in range(12):
        ids, sources = choose.choice(prompts) if prompts and choose.random() < 0.7 else ((), [])
        begin = choose.randrange(len(ids) + 1)
        words = (100 + message, *choose.choices(range(3), k=choose.randrange(1, 70)))
        kept = [each for each in sources if each.start < begin]
        prompts.append(((*ids[:begin], *words)[:160], [*kept, source(begin, message)]))
    return [(ids, [each for each in sources if each.start < len(ids)]) for ids, sources in prompts]


@pytest.mark.parametrize("seed", range(8))
def test_random_requests_restarts_damages_and_erasures(tmp_path: Path, seed: int) -> None:
    """No request reads a wrong block, and erased words are in no file once the requests with them have ended."""
    choose = random.Random(seed)
    prompts, engine, erasures = prompts_with_sources(choose), Engine(tmp_path, blocks=24), 0
    running: list[RunningRequest] = []

    def end_all() -> None:
        while running:
            engine.cache.release(running.pop())
        engine.flush()

    for _ in range(200):
        action = choose.random()
        if action < 0.45 and sum(each.most_blocks for each in running) < 10:
            ids, sources = choose.choice(prompts)
            seen = max(erasures - choose.randrange(2), 0)
            running.append(engine.begin(*ids, sources=sources, erasures=seen))
        elif action < 0.75 and running:
            each = choose.choice(running)
            if each.unread > 1:
                engine.compute(each, choose.randrange(1, each.unread))
        elif action < 0.9 and running:
            engine.cache.release(running.pop(choose.randrange(len(running))))
        elif action < 0.95:
            erasures, message = erasures + 1, choose.randrange(12)
            engine.cache.erase(Erasure(erasures, message_ids=frozenset({message})))
            end_all()
            assert not [file for file in engine.files if 100 + message in read_stored_block(file, None).tokens]
        elif action < 0.98:
            end_all()
            engine.close()
            if engine.files:
                choose.choice((cut, empty, flip(40), flip(-1), swap_with_next))(choose.choice(engine.files))
            engine = Engine(tmp_path, blocks=24, budget=30 * PAYLOAD_BYTES)
    assert engine.warnings == []
