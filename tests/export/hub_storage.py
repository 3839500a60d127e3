"""Contents and faults of the hub on 127.0.0.1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

BLOCK_BYTES = 1 << 14
"""Bytes in each write."""

API = "api"
"""Takes the place of a file's name for faults in answers about repositories."""

_LARGE = (".safetensors", ".bin", ".model")  # what a repository's .gitattributes usually puts into large file storage


@dataclass(frozen=True)
class Fault:
    """A fault in one response.

    Attributes:
        status: sent instead of the file.
        headers: sent with the status.
        content: sent instead of the file's.
        after: the connection breaks after this many bytes.
        meanwhile: called before it breaks.
        resets: break it with a reset instead of closing it.
        without_ranges: ignore the requested range.
        without_length: leave out the length; the response ends with the connection.
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
        start: the first requested byte.
        sent: bytes sent.
    """

    file: str
    start: int
    sent: int = 0


@dataclass
class Model:
    """A repository.

    Attributes:
        license: in the model card; None leaves it out.
        gated: everybody sees the list, but only some accounts may download.
        private: only some accounts see it.
        main: the newest commit.
        commits: each commit's files.
    """

    license: str | None
    gated: bool
    private: bool
    main: str = ""
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)


def is_large(name: str) -> bool:
    """Whether a file is in large file storage."""
    return name.endswith(_LARGE)


def sibling(name: str, content: bytes) -> dict[str, object]:
    """What the hub's API says about a file with `?blobs=true`."""
    entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git_blob_of(content)}
    if is_large(name):
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256_of(content)}\nsize {len(content)}\n"
        entry["blobId"] = git_blob_of(pointer.encode())
        entry["lfs"] = {"sha256": sha256_of(content), "size": len(content), "pointerSize": len(pointer)}
    return entry


def sha256_of(content: bytes) -> str:
    """A SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def git_blob_of(content: bytes) -> str:
    """Git's id of a file, in hexadecimal digits."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
