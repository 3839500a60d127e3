"""Runs a model with a draft model step by step, and counts what of the drafts is right."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.engine.interface import GenerationRequest
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.paged.cache_memory import CacheMemory
from bot.engine.worker.paged.disk_cache.cache import DiskCache
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.model import Advance, PagedModel
from bot.engine.worker.paged.prefix_cache import PrefixCache
from bot.engine.worker.paged.sampler import choose_token
from bot.engine.worker.paged.schedule import RunningRequest
from bot.engine.worker.paged.sequence_cache import SequenceCache
from bot.model.config import ModelConfig
from tests.inference_precision import EXACT

BLOCKS = 80


class Steps:
    """A model and a draft model with the same cache blocks.

    Args:
        context: of the draft model; None is its own.

    Attributes:
        drafted: tokens drafted so far.
        accepted: how many of them the model chose.
    """

    def __init__(self, model_dir: Path, draft_dir: Path, context: int | None = None) -> None:
        self.model, draft = (PagedModel(each, "CPU", EXACT, BLOCKS) for each in (model_dir, draft_dir))
        own_context, rows = ModelConfig.read(draft_dir).require("context_length", "vocabulary_size")
        [vocabulary] = ModelConfig.read(model_dir).require("vocabulary_size")
        self.drafter = DraftModel(draft, draft_dir, "draft", context or own_context, rows, vocabulary)
        self.memory = CacheMemory(self.model, draft)
        self.prefixes = PrefixCache(BLOCKS, self.memory.copy_block)
        self.cache = SequenceCache(self.prefixes, self.memory.clear_after)
        self.drafted = self.accepted = 0

    def open_disk_cache(self, root: Path) -> DiskCache:
        folder = CacheFolder(root, "identity")
        index = folder.read_index(sum(map(len, self.memory.block_bytes(0))))
        disk = DiskCache(folder, index, 10**9, self.prefixes, self.memory.block_bytes, lambda: 1000.0, print)
        self.cache.disk = disk
        return disk

    def begin(self, request: GenerationRequest) -> RunningRequest:
        """Give a request its cached prefix."""
        sequence = RunningRequest.of(0, request)
        original = self.model.original_context
        sequence.long_factors = original is not None and len(sequence.tokens) > original
        self.cache.find(sequence)
        while not self.cache.take_loaded(sequence):
            assert self.cache.disk is not None
            self.cache.disk.poll(0.01)
        return sequence

    def read(self, sequence: RunningRequest, piece: int = 50) -> None:
        """Read a prompt to its end, and choose the answer's first token."""
        while True:
            count = min(piece, sequence.unread)
            self.cache.extend(sequence, count)
            self.drafter.follow([(sequence, count)])
            self.cache.save(sequence)
            logits = self.model.advance([self._rows(sequence, sequence.tokens[sequence.read :][:count])])
            self.cache.record(sequence, count)
            if not sequence.unread:
                token = choose_token(logits[0], sequence.request.sampling, sequence.seen, sequence.read)
                sequence.tokens.append(token)
                sequence.seen.add(token)
                return

    def step(self, *wanted: tuple[RunningRequest, int]) -> list[Sequence[int]]:
        """Draft at most so many tokens for each answer, let the model choose as many, and return the drafts."""
        for sequence, most in wanted:
            self.cache.extend(sequence, 1 + most)
        drafting = [(sequence, most) for sequence, most in wanted if most]
        drafts = dict(zip((id(each) for each, _ in drafting), self.drafter.draft(drafting), strict=True))
        self.drafter.follow([(sequence, 1) for sequence, _ in wanted])
        for sequence, _ in wanted:
            self.cache.save(sequence)
        checked = [drafts.get(id(sequence), ()) for sequence, _ in wanted]
        for (sequence, _), draft in zip(wanted, checked, strict=True):
            self.drafted += len(draft)
            self.accepted += self._check(sequence, draft)
        return checked

    def take(self, sequence: RunningRequest, draft: Sequence[int]) -> None:
        """Let the model check what something else drafted."""
        self.cache.extend(sequence, 1 + len(draft))
        self.drafter.follow([(sequence, 1)])
        self.cache.save(sequence)
        self._check(sequence, draft)

    def answer(self, request: GenerationRequest, most: int = 4) -> list[int]:
        """Answer a request with drafts, and leave its blocks in the cache."""
        sequence = self.begin(request)
        self.read(sequence)
        while sequence.new_tokens < request.max_new_tokens:
            self.step((sequence, min(most, request.max_new_tokens - sequence.new_tokens - 1)))
        self.end(sequence)
        return sequence.tokens[len(request.prompt_ids) :]

    def end(self, sequence: RunningRequest) -> None:
        self.drafter.follow([(sequence, 0)])
        self.cache.release(sequence)

    def _check(self, sequence: RunningRequest, draft: Sequence[int]) -> int:
        """Append what the model chooses, up to the first token that was drafted otherwise."""
        right = 0
        rows = [self._rows(sequence, [token], ahead) for ahead, token in enumerate([sequence.tokens[-1], *draft])]
        for logits, drafted in zip(self.model.advance(rows), [*draft, None], strict=True):
            self.cache.record(sequence, 1)
            token = choose_token(logits, sequence.request.sampling, sequence.seen, sequence.read)
            sequence.tokens.append(token)
            sequence.seen.add(token)
            if token != drafted:
                break
            right += 1
        sequence.drafter_read = min(sequence.drafter_read, sequence.read)
        return right

    def _rows(self, sequence: RunningRequest, tokens: Sequence[int], ahead: int = 0) -> Advance:
        past = sequence.read + ahead
        blocks = [block.number for block in sequence.path[: blocks_for(past + len(tokens))]]
        return Advance(tokens, past, blocks, sequence.long_factors)
