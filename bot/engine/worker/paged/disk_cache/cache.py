"""The disk cache: writes the blocks of the prefix cache to files, and loads what a prompt has there."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from bot.engine.interface import Erasure
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.background import BackgroundJobs, Job, Urgency
from bot.engine.worker.paged.disk_cache.block_file import StoredBlock, read_payload
from bot.engine.worker.paged.disk_cache.folder import CacheFolder
from bot.engine.worker.paged.disk_cache.index import DiskIndex, FoundBlock, IndexedBlock
from bot.engine.worker.paged.disk_cache.load import Load, LoadingSpeed
from bot.engine.worker.paged.prefix_cache import Block, PrefixCache

_PATIENCE_SECONDS = 0.25
"""A load that is shorter is never given up: nobody notices it, and its estimate is rough."""

_PAUSE_SECONDS = 10.0
"""After a refusal by the disk, before the next write."""


class DiskCache:
    """Moves blocks between memory and disk while the worker's thread computes.

    All methods are for the worker's thread and return at once. Blocks that are being moved are held in the prefix
    cache, so that nobody changes them.

    Args:
        folder: of the files.
        index: what they hold.
        budget: upper bound for their size, in bytes.
        memory: the prefix cache.
        block_bytes: see `PagedModel.block_bytes`.
        seconds_per_token: the time that a token of a prompt takes to compute; 0 if unknown.
        warn: called with a line for the operator.

    Attributes:
        written_bytes: since the start.
    """

    def __init__(
        self,
        folder: CacheFolder,
        index: DiskIndex,
        budget: int,
        memory: PrefixCache,
        block_bytes: Callable[[int], list[memoryview]],
        seconds_per_token: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        self.budget = budget
        self.written_bytes = 0
        self._folder = folder
        self._index = index
        self._memory = memory
        self._block_bytes = block_bytes
        self._seconds_per_token = seconds_per_token
        self._warn = warn
        self._warned = False
        self._warned_of_deletion = False
        self._no_writes_before = 0.0
        self._erasures = 0
        self._payload_bytes = sum(map(len, block_bytes(0)))
        self._jobs = BackgroundJobs()
        self._writing: dict[str, Block] = {}
        self._loads: list[Load] = []
        self._speed = LoadingSpeed()
        memory.on_full = self._make_room
        self._delete(index.shrink(budget))

    @property
    def busy(self) -> bool:
        """Whether anything is being moved."""
        return self._jobs.busy

    @property
    def used_bytes(self) -> int:
        """The size of all files."""
        return self._index.size

    @property
    def message_ids(self) -> frozenset[int]:
        """The messages whose words are on disk."""
        return self._index.message_ids

    def poll(self, timeout: float = 0.0) -> None:
        """Take note of what has been moved; wait for the first at most this long, in seconds."""
        self._jobs.poll(timeout)
        for load in list(self._loads):
            if self._is_slower_than_computing(load):
                if load.jobs[0].began:
                    self._speed.learn(load.stalled_seconds)
                load.end()

    def flush(self, timeout: float) -> None:
        """Wait until everything is written, at most this long, in seconds."""
        deadline = time.monotonic() + timeout
        while self.busy and (left := deadline - time.monotonic()) > 0:
            self.poll(left)

    def close(self) -> None:
        """Leave the folder to another engine; the end of the process does so too."""
        self._folder.close()

    def load(
        self, tokens: Sequence[int], path: list[Block], known: int, *, long_factors: bool, ahead: bool
    ) -> Load | None:
        """Begin to load what the disk holds of a prompt beyond its prefix in memory.

        Args:
            tokens: of the prompt.
            path: the prompt's path in memory, which grows by the blocks that are loaded.
            known: how many of the tokens it holds.
            ahead: whether others' loads are more urgent.

        Returns:
            None if there is nothing, or if computing it is faster.
        """
        found, reached = self._index.find(tokens, long_factors=long_factors)
        first = known // BLOCK_TOKENS
        if reached <= known or self._computes_faster(len(found) - first, reached - known):
            return None
        self._index.touch(found[-1].stored.key)  # or it could be the next to leave the disk
        rest = path[first:]  # a last block that holds less than the disk's
        del path[first:]
        self._memory.release(rest)
        load = Load(path, list(tokens[:reached]), first * BLOCK_TOKENS, self._end_load)
        self._loads.append(load)
        for each in found[first:]:
            self._memory.extend(path, long_factors=long_factors)
            if each is not found[-1] or reached == (len(found) - 1) * BLOCK_TOKENS + len(each.tokens):
                path[-1].sources.update(each.stored.sources)  # otherwise the rest of it is another prompt's
        # All of them first: `extend` may handle the ends of jobs.
        for each, block in zip(found[first:], path[first:], strict=True):
            load.jobs.append(self._begin_to_read(load, each, block, ahead=ahead))
        return load

    def save(self, path: Sequence[Block], *, ended: bool) -> None:
        """Write the blocks of a path that are not on disk yet.

        Args:
            ended: whether its request has ended, so that its last block is written even if it is not full.
        """
        keys = [self._index.identity]
        for block in path:
            full = len(block.tokens) == BLOCK_TOKENS
            if block.erased or not block.tokens or not (full or ended):
                break
            key = block.key or self._stored(block, keys[-1]).key
            if full:
                block.key = key
            if key not in self._index and key not in self._writing:
                self._begin_to_write(block, self._stored(block, keys[-1]), keys)
            keys.append(key)
        if ended and len(keys) > 1:
            self._touch(keys[-1])

    def erase(self, erasure: Erasure) -> None:
        """Delete the blocks with concerned words, and those after them; call after `PrefixCache.erase`."""
        self._erasures = max(self._erasures, erasure.number)
        self._delete(self._index.erase(erasure))
        self._take_over(Urgency.DELETE)

    def _stored(self, block: Block, parent: str) -> StoredBlock:
        sources = tuple(sorted(block.sources, key=lambda source: source.start))
        return StoredBlock(parent, block.long_factors, tuple(block.tokens), sources, self._erasures)

    def _begin_to_write(self, block: Block, stored: StoredBlock, before: Collection[str]) -> None:
        if time.monotonic() < self._no_writes_before or self._index.fuller(stored):
            return
        room = self.budget - self._payload_bytes * (len(self._writing) + 1)
        self._delete(self._index.shrink(room, spared=before))
        if self._index.size > room:
            return  # the conversation alone is larger than the disk cache
        self._memory.hold(block)
        self._writing[stored.key] = block
        payload = self._block_bytes(block.number)
        write, end = partial(self._folder.write, stored, payload), partial(self._end_write, block, stored)
        self._jobs.add(Job(Urgency.WRITE, write, end))

    def _make_room(self) -> None:
        """Give up what is not written yet, and what is being written if it keeps others; a step never waits for it."""
        self._jobs.drop(Urgency.WRITE)
        if self._memory.is_full:
            # No block before it can be evicted, unless it leaves the tree.
            for block in [each for each in self._writing.values() if each.users == 1]:
                self._memory.erase_from(block)

    def _end_write(self, block: Block, stored: StoredBlock, job: Job) -> None:
        del self._writing[stored.key]
        erased = block.erased
        self._memory.release([block])
        if isinstance(job.error, FileNotFoundError):
            return  # everything was deleted at that moment; the next time it is written again
        if job.error is not None:
            self._refused(job.error)
        elif job.began:
            self._warned = False
            self.written_bytes += job.size
            outgrown = self._index.outgrown(stored)
            if erased or not self._index.add(stored, job.size, time.time()):
                self._delete([stored])
            for each in outgrown:
                self._delete(self._index.remove(each.key))
            self._delete(self._index.shrink(self.budget))

    def _refused(self, error: Exception) -> None:
        """Make a little room for the next try, and tell the operator once."""
        self._no_writes_before = time.monotonic() + _PAUSE_SECONDS
        is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full:
            self._delete(self._index.shrink(self._index.size * 9 // 10))
        if not self._warned:
            self._warned = True
            way_out = "free space there, or lower KV_DISK_GIGABYTES" if is_full else "make it writable for the bot"
            self._warn(
                "Disk cache not written, histories are read again after a restart until it can be; "
                f"{way_out}: path={self._folder.path} reason={_reason(error)}"
            )

    def _begin_to_read(self, load: Load, each: IndexedBlock, block: Block, *, ahead: bool) -> Job:
        self._memory.hold(block)
        return self._jobs.add(
            Job(
                Urgency.LOAD_AHEAD if ahead else Urgency.LOAD,
                partial(read_payload, self._folder.path, each.stored, self._block_bytes(block.number)),
                partial(self._end_read, load, each.stored, block),
            )
        )

    def _end_read(self, load: Load, stored: StoredBlock, block: Block, job: Job) -> None:
        if job.error is not None:
            self._delete(self._index.remove(stored.key))
            load.end()
        elif job.began and not load.ended:
            self._speed.learn(job.seconds)
            load.take(job, block)
        self._memory.release([block])

    def _end_load(self, load: Load) -> None:
        self._loads.remove(load)
        kept = -(-load.known // BLOCK_TOKENS)
        rest = load.path[kept:]
        del load.path[kept:]
        if rest:
            self._memory.erase_from(rest[0])  # or one that is still being read would hold those before it
        self._memory.release(rest)

    def _computes_faster(self, blocks: int, tokens: int) -> bool:
        loading = self._speed.seconds_for(blocks)
        if loading <= max(_PATIENCE_SECONDS, tokens * self._seconds_per_token()):
            return False
        self._speed.forget_some()
        return True

    def _is_slower_than_computing(self, load: Load) -> bool:
        loading = max(load.stalled_seconds, self._speed.seconds_for(len(load.jobs)))
        computing = load.remaining_tokens * self._seconds_per_token()
        return loading > max(_PATIENCE_SECONDS, computing) and computing > 0

    def _touch(self, key: str) -> None:
        """Note that a conversation was used, also for the next start, and tidy the folder."""
        self._index.touch(key)
        self._jobs.add(Job(Urgency.WRITE, partial(self._folder.note_use, key)))
        self._take_over(Urgency.WRITE)

    def _take_over(self, urgency: Urgency) -> None:
        """Take over what an engine that has ended wrote beside this one."""
        found: list[FoundBlock] = []
        take_over = partial(self._folder.take_over, self._index, found.extend)
        self._jobs.add(Job(urgency, take_over, lambda _: self._inherit(found)))

    def _inherit(self, found: Sequence[FoundBlock]) -> None:
        # A block from before the latest erasure may hold what that concerned.
        self._index.add_all(each for each in found if each.stored.erasures >= self._erasures)
        self._delete([each.stored for each in found if each.stored.key not in self._index])

    def _delete(self, blocks: Sequence[StoredBlock]) -> None:
        if blocks:  # one job, however many: each end of a job is reported to the bot
            self._jobs.add(Job(Urgency.DELETE, partial(self._folder.remove, blocks), self._end_delete))

    def _end_delete(self, job: Job) -> None:
        if job.error is not None and not self._warned_of_deletion:
            self._warn(
                "Disk cache keeps blocks that it should not; delete the folder: "
                f"path={self._folder.path} reason={_reason(job.error)}"
            )
        self._warned_of_deletion = job.error is not None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
