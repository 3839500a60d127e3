"""The prefix cache, checked against a memory that is really written and a simple record of its owners."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.engine.worker.cache_blocks import BLOCK_TOKENS, blocks_for
from bot.engine.worker.paged.prefix_cache import Block, PrefixCache

TEXT = list(range(1000, 1200))


class Memory:
    """Stands in for the model's KV cache: one token for each key and value."""

    def __init__(self, blocks: int) -> None:
        self.cells = [[-1] * BLOCK_TOKENS for _ in range(blocks)]
        self.copies: list[tuple[int, int]] = []

    def copy_block(self, source: int, target: int) -> None:
        self.copies.append((source, target))
        self.cells[target] = list(self.cells[source])

    def write(self, block: Block, token: int) -> None:
        self.cells[block.number][len(block.tokens)] = token
        block.tokens.append(token)

    def read(self, path: list[Block]) -> list[int]:
        return [token for block in path for token in self.cells[block.number][: len(block.tokens)]]


def read_all(cache: PrefixCache, memory: Memory, tokens: list[int]) -> tuple[list[Block], int]:
    """Find a prefix and prefill the rest; return the path and the length of the prefix."""
    path, known = cache.find(tokens)
    for position in range(known, len(tokens)):
        if position % BLOCK_TOKENS == 0:
            cache.extend(path)
        memory.write(path[-1], tokens[position])
    return path, known


def known_beginning(cache: PrefixCache, tokens: list[int]) -> int:
    path, known = cache.find(tokens)
    cache.release(path)
    return known


def test_whole_blocks_are_shared_and_a_part_of_a_growing_one_is_copied() -> None:
    memory = Memory(10)
    cache = PrefixCache(10, memory.copy_block)
    first, _ = read_all(cache, memory, TEXT[:80])
    second, known = read_all(cache, memory, [*TEXT[:75], 1, 2])
    assert known == 75
    assert first[:2] == second[:2]
    assert memory.copies == [(first[2].number, second[2].number)]
    memory.write(first[2], TEXT[80])
    assert memory.read(first) == TEXT[:81]
    assert memory.read(second) == [*TEXT[:75], 1, 2]
    assert cache.used == 4


def test_a_conversation_continues_in_the_block_where_its_last_turn_ended() -> None:
    memory = Memory(10)
    cache = PrefixCache(10, memory.copy_block)
    first, _ = read_all(cache, memory, TEXT[:45])
    cache.release(first)
    assert first == []
    second, known = read_all(cache, memory, TEXT[:100])
    assert known == 45
    assert memory.read(second) == TEXT[:100]
    assert memory.copies == []
    assert cache.used == 4


def test_equal_prefixes_that_were_prefilled_together_are_all_found() -> None:
    memory = Memory(12)
    cache = PrefixCache(12, memory.copy_block)
    texts = [[*TEXT[:64], *[number] * 20] for number in range(3)]
    paths: list[list[Block]] = [[] for _ in texts]
    for path, text in zip(paths, texts, strict=True):
        for _ in range(blocks_for(len(text))):
            cache.extend(path)
        for position, token in enumerate(text):
            memory.write(path[position // BLOCK_TOKENS], token)
    for path in paths:
        cache.release(path)
    for text in texts:
        again, known = cache.find(text)
        assert known == len(text)
        assert memory.read(again) == text
        cache.release(again)


def test_eviction_takes_the_last_block_of_the_least_recently_used_path() -> None:
    memory = Memory(6)
    cache = PrefixCache(6, memory.copy_block)
    old, used_again, newest = ([number] * 64 for number in (1, 2, 3))
    for text in (used_again, old, used_again, newest):
        cache.release(read_all(cache, memory, text)[0])
    path: list[Block] = []
    cache.extend(path)
    assert [known_beginning(cache, text) for text in (old, used_again, newest)] == [32, 64, 64]
    cache.release(path)


def test_a_block_in_use_is_never_evicted() -> None:
    memory = Memory(4)
    cache = PrefixCache(4, memory.copy_block)
    cache.release(read_all(cache, memory, TEXT[:64])[0])
    held, _ = cache.find(TEXT[:32])
    for text in ([1] * 96, [2] * 96):
        path, _ = read_all(cache, memory, text)
        assert memory.read(held) == TEXT[:32]
        cache.release(path)
    assert known_beginning(cache, TEXT) == 32


def test_an_empty_block_is_freed() -> None:
    memory = Memory(4)
    cache = PrefixCache(4, memory.copy_block)
    path, _ = read_all(cache, memory, TEXT[:40])
    cache.extend(path)
    cache.extend(path)
    assert cache.used == 4
    cache.release(path)
    assert cache.used == 2
    assert known_beginning(cache, TEXT) == 40


@dataclass(eq=False)
class Held:
    """A running request: `read` of its tokens are cached, and it may grow to `most` tokens."""

    tokens: list[int]
    most: int
    path: list[Block] = field(default_factory=list)
    read: int = 0


def common_length(first: list[int], second: list[int]) -> int:
    return next((index for index, pair in enumerate(zip_longest(first, second)) if pair[0] != pair[1]), len(first))


RUNS = st.lists(st.tuples(st.integers(1, 2), st.sampled_from([1, 5, 31, 32, 33, 64])), min_size=1, max_size=3)
"""Texts of few distinct tokens, each repeated: prefixes are alike, and diverge anywhere in a block."""


class ManySequences(RuleBasedStateMachine):
    """Requests start, prefill, generate and end, while a record keeps each block's owner and last release."""

    @initialize(blocks=st.integers(3, 20))
    def open(self, blocks: int) -> None:
        self.memory = Memory(blocks)
        self.cache = PrefixCache(blocks, self.memory.copy_block)
        self.running: list[Held] = []
        self.texts: list[list[int]] = [[]]
        self.owners: dict[int, Block] = {}
        self.released: dict[Block, int] = {}
        self.releases = 0

    def whole(self, block: Block | None) -> list[int]:
        """All tokens from the start to a block's end, from the memory."""
        if block is None:
            return []
        return self.whole(block.parent) + self.memory.read([block])

    def users(self, block: Block) -> int:
        return sum(block in sequence.path for sequence in self.running)

    def is_leaf(self, block: Block) -> bool:
        return not any(other.parent is block for other in self.owners.values())

    def note_release(self, blocks: list[Block]) -> None:
        self.releases += 1
        self.released.update(dict.fromkeys(blocks, self.releases))

    def note_new(self, block: Block, in_use: list[Block]) -> None:
        """Record a new block; if it replaces another, that one had to be the right eviction."""
        assert not block.users or block.users == 1
        if block.number in self.owners:
            assert len(self.owners) == self.cache.capacity, "evicted while there was room"
            free = [old for old in self.owners.values() if not self.users(old) and self.is_leaf(old)]
            oldest = min((old for old in free if old not in in_use), key=lambda old: self.released[old])
            assert self.owners[block.number] is oldest
        self.owners[block.number] = block

    @rule(earlier=st.integers(0, 20), cut=st.integers(0, 200), runs=RUNS, answer=st.integers(0, 40))
    def begin(self, earlier: int, cut: int, runs: list[tuple[int, int]], answer: int) -> None:
        tokens = self.texts[-1 - earlier % len(self.texts)][:cut] + [
            token for token, times in runs for _ in range(times)
        ]
        del tokens[self.cache.capacity * BLOCK_TOKENS // 2 :]
        most = min(len(tokens) + answer, (self.cache.capacity - 1) * BLOCK_TOKENS)
        # One block stays free for the copy of a part.
        while sum(blocks_for(each.most) for each in self.running) + blocks_for(most) >= self.cache.capacity:
            self.release(self.running[0])
        longest = max((common_length(self.whole(each), tokens[:-1]) for each in self.owners.values()), default=0)
        self.memory.copies.clear()
        path, known = self.cache.find(tokens[:-1])
        assert known == longest
        assert len(path) == blocks_for(known)
        for source, target in self.memory.copies:
            assert target == path[-1].number
            self.note_new(path[-1], [*path, self.owners[source]])
            self.note_release([self.owners[source]])
        assert all(self.owners[block.number] is block for block in path)
        self.running.append(Held(tokens, most, path, known))
        self.texts.append(tokens)

    @rule(count=st.integers(1, 100), chosen=st.integers(1, 2), part=st.integers(1, 3))
    def step(self, count: int, chosen: int, part: int) -> None:
        """Some requests take part in a step: all take their blocks first, then all write."""
        plan = [(each, min(count, len(each.tokens) - each.read)) for each in self.running[::part]]
        for sequence, tokens in plan:
            self.extend(sequence, blocks_for(sequence.read + tokens))
        for sequence, tokens in plan:
            for token in sequence.tokens[sequence.read : sequence.read + tokens]:
                block = sequence.path[sequence.read // BLOCK_TOKENS]
                assert self.users(block) == 1, "two requests may write here"
                self.memory.write(block, token)
                sequence.read += 1
            if sequence.read == len(sequence.tokens) < sequence.most:
                sequence.tokens.append(chosen)
            elif sequence.read == len(sequence.tokens):
                self.release(sequence)

    def extend(self, sequence: Held, blocks: int) -> None:
        while len(sequence.path) < blocks:
            self.cache.extend(sequence.path)
            self.note_new(sequence.path[-1], [])

    @rule(number=st.integers(0, 5), during_a_step=st.booleans())
    def end(self, number: int, during_a_step: bool) -> None:
        for sequence in self.running[number : number + 1]:
            if during_a_step:
                self.extend(sequence, blocks_for(sequence.most))
            self.release(sequence)

    def release(self, sequence: Held) -> None:
        self.running.remove(sequence)
        blocks = list(sequence.path)
        self.cache.release(sequence.path)
        assert sequence.path == []
        self.note_release(blocks)
        for block in blocks:
            if not block.tokens:
                del self.owners[block.number]

    @invariant()
    def every_block_is_where_the_record_says_and_holds_its_tokens(self) -> None:
        assert self.cache.used == len(self.owners) <= self.cache.capacity
        for number, block in self.owners.items():
            assert block.number == number
            assert block.users == self.users(block)
            assert block.tokens == self.memory.read([block])
            assert block.parent is None or self.owners[block.parent.number] is block.parent, "its prefix was evicted"

    @invariant()
    def every_request_has_its_own_tokens(self) -> None:
        for sequence in self.running:
            assert self.memory.read(sequence.path) == sequence.tokens[: sequence.read]
            assert [block.parent for block in sequence.path] == [None, *sequence.path[:-1]][: len(sequence.path)]

    def teardown(self) -> None:
        """Release everything, then take the whole cache: no block may have leaked."""
        for sequence in list(self.running):
            self.release(sequence)
        self.every_block_is_where_the_record_says_and_holds_its_tokens()
        path: list[Block] = []
        for _ in range(self.cache.capacity):
            self.cache.extend(path)
            self.note_new(path[-1], path)
        assert sorted(block.number for block in path) == list(range(self.cache.capacity))


TestManySequences = ManySequences.TestCase
TestManySequences.settings = settings(max_examples=80, stateful_step_count=40)
