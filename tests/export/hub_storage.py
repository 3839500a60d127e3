"""What the hub on 127.0.0.1 holds, and what can go wrong with its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

BLOCK_BYTES = 1 << 14
"""How much is sent at a time."""

API = "api"
"""Stands for the questions about repositories where a fault needs a file's name."""

_LARGE = (".safetensors", ".bin", ".model")  # what a repository's .gitattributes usually puts into large file storage


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: is answered instead.
        headers: go with the status.
        content: is sent instead of the file.
        after: so many bytes are sent, then the connection breaks.
        meanwhile: is called before it breaks.
        resets: it breaks with a reset, else it is closed.
        without_ranges: the whole file is sent, whatever is asked for.
        without_length: the answer does not say how long it is, and ends with the connection.
        pause_seconds: after each `BLOCK_BYTES`.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    after: int | None = None
    meanwhile: Callable[[], object] = lambda: None
    resets: bool = False
    without_ranges: bool = False
    without_length: bool = False
    pause_seconds: float = 0.0


@dataclass
class Request:
    """One request for a file's content, as the server saw it.

    Attributes:
        file: its name.
        start: the first byte that was asked for.
        sent: how many bytes went out.
    """

    file: str
    start: int
    sent: int = 0


@dataclass
class Model:
    """A repository.

    Attributes:
        license: for the model card; None leaves it out.
        gated: everybody sees what there is, but only some accounts get it.
        private: only some accounts see it.
        main: the newest commit.
        commits: the files of each.
    """

    license: str | None
    gated: bool
    private: bool
    main: str = ""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)


def is_large(name: str) -> bool:
    """Whether a file is in git's large file storage."""
    return name.endswith(_LARGE)


def sibling(name: str, content: bytes) -> dict[str, object]:
    """What the hub tells of a file with `?blobs=true`."""
    told: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_blob_of(content)}
    if is_large(name):
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256_of(content)}\nsize {len(content)}\n"
        told["blobId"] = git_blob_of(pointer.encode())
        told["lfs"] = {"sha256": sha256_of(content), "size": len(content), "pointerSize": len(pointer)}
    return told


def sha256_of(content: bytes) -> str:
    """In hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def git_blob_of(content: bytes) -> str:
    """The file's id in git, in hexadecimal digits."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
