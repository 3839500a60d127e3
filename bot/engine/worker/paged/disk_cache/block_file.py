"""A cache block in a file: what it holds, whose words, and the keys and values, all under checksums.

A file is complete or absent: it is written under another name and then renamed. Its name is the block's key, a hash of
everything that the block's content depends on, so that one block can never pass for another.

The layout: a magic number, the length and the CRC-32 of the header, the CRC-32 of the payload, the header as JSON, and
the payload, which is the block's memory.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from bot.engine.interface import Source
from bot.private_files import private_opener

SUFFIX = ".block"
UNFINISHED_SUFFIX = ".unfinished"

_MAGIC = b"phi3kv01"
_PREFIX = struct.Struct("<8sIII")
_LONGEST_HEADER = 1 << 20


class DamagedBlockError(Exception):
    """A file is not the whole block that it should be."""


@dataclass(frozen=True)
class StoredBlock:
    """What a file says about its block.

    Attributes:
        parent: the key of the block before; for the first block, the identity of the cache.
        long_factors: whether its keys have the long factors of LongRoPE.
        tokens: the tokens that it holds, at most `BLOCK_TOKENS`.
        sources: whose words it holds.
        erasures: the number of the latest erasure when it was written; it has gone through all up to that.
    """

    parent: str
    long_factors: bool
    tokens: tuple[int, ...]
    sources: tuple[Source, ...] = ()
    erasures: int = 0

    @cached_property
    def key(self) -> str:
        """Equal for two blocks only if all tokens up to their ends are, and the model."""
        return block_key(self.parent, self.tokens, long_factors=self.long_factors)

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return file_name(self.key)


def file_name(key: str) -> str:
    """The name of a block's file."""
    return key + SUFFIX


def block_key(parent: str, tokens: Sequence[int], *, long_factors: bool) -> str:
    """The key of the block of these tokens after another block; see `StoredBlock`."""
    text = f"{parent} {int(long_factors)} {' '.join(map(str, tokens))}"
    return blake2b(text.encode(), digest_size=20).hexdigest()


def write_block(folder: Path, block: StoredBlock, payload: Sequence[memoryview]) -> int:
    """Write a block's file, as a whole or not at all, and return its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    checksum = 0
    for part in payload:
        checksum = zlib.crc32(part, checksum)
    header = json.dumps(
        [
            block.parent,
            block.long_factors,
            block.tokens,
            block.erasures,
            [[each.start, each.message_id, each.author_id, each.channel_id] for each in block.sources],
        ]
    ).encode()
    # Another process may write the same block.
    unfinished = folder / f"{block.key}.{os.getpid()}{UNFINISHED_SUFFIX}"
    try:
        with open(unfinished, "wb", opener=private_opener) as file:
            file.write(_PREFIX.pack(_MAGIC, len(header), zlib.crc32(header), checksum))
            file.write(header)
            for part in payload:
                file.write(part)
            size = file.tell()
        unfinished.replace(folder / block.file_name)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    return size


def read_stored_block(path: Path, payload_bytes: int | None) -> StoredBlock:
    """Read what a file says about its block, without the payload.

    Args:
        payload_bytes: the size that the payload must have; None accepts any.

    Raises:
        DamagedBlockError: the file is short, damaged, or named after another block.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        block, _, header_bytes = _read_header(file.read(_PREFIX.size), file.read)
        size = os.fstat(file.fileno()).st_size
    if path.name != block.file_name:
        raise DamagedBlockError("it has the name of another block")
    if payload_bytes is not None and size != _PREFIX.size + header_bytes + payload_bytes:
        raise DamagedBlockError(f"it has {size} bytes")
    return block


def read_payload(folder: Path, block: StoredBlock, payload: Sequence[memoryview]) -> int:
    """Read a block's payload into memory, and return its size in bytes.

    Raises:
        DamagedBlockError: it is damaged, or of another block; the memory then holds anything.
        OSError: it cannot be read.
    """
    checksum = size = 0
    with (folder / block.file_name).open("rb") as file:
        found, expected, _ = _read_header(file.read(_PREFIX.size), file.read)
        if found.key != block.key:
            raise DamagedBlockError("it holds another block")
        for part in payload:
            if file.readinto(part) != len(part):
                raise DamagedBlockError("it is cut off")
            checksum = zlib.crc32(part, checksum)
            size += len(part)
        if file.read(1):
            raise DamagedBlockError("it is too long")
    if checksum != expected:
        raise DamagedBlockError("its checksum differs")
    return size


def _read_header(prefix: bytes, read: Callable[[int], bytes]) -> tuple[StoredBlock, int, int]:
    """Return the block, the payload's checksum, and the header's length."""
    if len(prefix) < _PREFIX.size:
        raise DamagedBlockError("it is cut off")
    magic, length, header_checksum, payload_checksum = _PREFIX.unpack(prefix)
    header = read(length) if magic == _MAGIC and length <= _LONGEST_HEADER else b""
    if zlib.crc32(header) != header_checksum or not header:
        raise DamagedBlockError("its header is damaged")
    try:
        parent, long_factors, tokens, erasures, sources = json.loads(header)
        block = StoredBlock(parent, long_factors, tuple(tokens), tuple(Source(*each) for each in sources), erasures)
    except (ValueError, TypeError):
        raise DamagedBlockError("its header is of another program") from None
    return block, payload_checksum, length
