"""Damage to the files of a disk cache."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.engine.worker.paged.disk_cache.block_file import SUFFIX, UNFINISHED_SUFFIX, StoredBlock

_HEADER_BYTES = 100
"""Within the header of any block."""


class Damage(StrEnum):
    """What can happen to a file."""

    TRUNCATED = "truncated"
    EMPTIED = "emptied"
    HEADER_FLIPPED = "with a flipped bit in its header"
    PAYLOAD_FLIPPED = "with a flipped bit in its payload"
    RENAMED = "with another block's name"
    FOREIGN = "foreign"
    LEFT_OVER = "left over from a write"


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file that the next engine must not keep.

    Attributes:
        digest: of its damaged content; a whole block may get its name later.
    """

    damage: Damage
    path: Path
    digest: str

    @property
    def is_there(self) -> bool:
        """Whether the file still has the damaged content."""
        try:
            return _digest(self.path.read_bytes()) == self.digest
        except FileNotFoundError:
            return False


def block_files(folder: Path, prompt: Sequence[int]) -> list[Path]:
    """Return the files of a prompt's full blocks that are there, in order.

    Args:
        folder: of one identity; its name is the identity.
    """
    files, parent = [], folder.name
    for end in range(BLOCK_TOKENS, len(prompt) + 1, BLOCK_TOKENS):
        block = StoredBlock(parent, False, tuple(prompt[end - BLOCK_TOKENS : end]))
        if not (path := folder / block.file_name).exists():
            break
        files.append(path)
        parent = block.key
    return files


def inflict(damage: Damage, files: Sequence[Path], draw: random.Random) -> DamagedFile:
    """Damage one of these files, of which there are at least two in one folder, or put another one beside them."""
    path, other = draw.sample(list(files), 2)
    content = path.read_bytes()
    match damage:
        case Damage.TRUNCATED:
            content = content[: draw.randrange(1, len(content))]
        case Damage.EMPTIED:
            content = b""
        case Damage.HEADER_FLIPPED:
            content = _flip(content, draw.randrange(_HEADER_BYTES), draw)
        case Damage.PAYLOAD_FLIPPED:
            content = _flip(content, draw.randrange(len(content) // 2, len(content)), draw)
        case Damage.RENAMED:
            path.unlink()
            path = other
        case Damage.FOREIGN:
            path = path.with_name(draw.choice(("notes.txt", f"notes{SUFFIX}")))
            content = draw.randbytes(1000)
        case Damage.LEFT_OVER:
            content = content[: draw.randrange(len(content))]
            path = path.with_name(f"{path.stem}.{draw.randrange(1, 1 << 22)}{UNFINISHED_SUFFIX}")
    path.write_bytes(content)
    return DamagedFile(damage, path, _digest(content))


def _flip(content: bytes, position: int, draw: random.Random) -> bytes:
    flipped = content[position] ^ (1 << draw.randrange(8))
    return content[:position] + bytes([flipped]) + content[position + 1 :]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
