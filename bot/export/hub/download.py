"""Downloads a repository's files without fetching a byte twice, even if the network, the hub or this process fails."""

from __future__ import annotations

import errno
import io
import shutil
import time
from collections.abc import Callable, Iterator
from glob import escape
from pathlib import Path

import httpx
from huggingface_hub.errors import HfHubHTTPError

from bot.errors import ConfigurationError
from bot.export.hub.cache import cached_file, link_or_copy
from bot.export.hub.connection import open_file
from bot.export.hub.content import ContentCheck
from bot.export.hub.refusals import cause_of, public_endpoint, readable_errors
from bot.export.hub.repository import HubFile, HubRepository
from bot.sizes import size

PAUSES_SECONDS: tuple[float, ...] = (1, 2, 4, 8, 15, 30)
"""Back-off after each request in a row that brought no new byte; after the last one the download fails.

Only new bytes reset it, and a request that raises nothing counts too if the server ends it early: a decorator that
retries a call on exceptions, such as stamina's, would wrap this loop and replace none of it.
"""

_FETCHES = 2  # a file with wrong content gets a second try
_PROGRESS_SECONDS = 0.25
_BLOCK = 1 << 20
_FINGERPRINT = 12
_PASSING = (408, 416, 429)  # timeout, a file that is too short for now, too many requests

OnProgress = Callable[[int, int], None]


def read_small_file(repository: HubRepository, name: str) -> bytes:
    """Return the verified content of one of the repository's files, without keeping it.

    Raises:
        ConfigurationError: the repository has no such file, or its content is wrong.
    """
    file = next((each for each in repository.files if each.name == name), None)
    if file is None:
        raise ConfigurationError(f"{repository.name} has no {name}; choose a repository that has it")
    check = ContentCheck(file)
    with readable_errors(repository.name, repository.commit), open_file(repository, file) as (_, pieces):
        content = b"".join(pieces)
    check.add(content)
    if not check.matches:
        raise ConfigurationError(_wrong(repository, file))
    return content


def bytes_to_fetch(repository: HubRepository, folder: Path) -> int:
    """Return how many bytes `fetch_files` still has to write.

    Bytes in the folder do not count, in whole files or parts; nor do files in the hub's cache on the same disk.

    Raises:
        OSError: the folder cannot be read.
    """
    return repository.bytes - sum(_bytes_there(repository, file, folder) for file in repository.files)


def fetch_files(repository: HubRepository, folder: Path, on_progress: OnProgress) -> None:
    """Download every file of the repository that the folder lacks, and verify all of them.

    Files arrive one after another, each as `NAME.….part` until it is complete. A part survives any interruption, and
    the next call resumes at its end. Only one process at a time may work in a folder.

    Args:
        folder: created if it does not exist.
        on_progress: called with the bytes in the folder and the total, up to four times a second. The first number
            falls only if a file starts over.

    Raises:
        ConfigurationError: the hub is out of reach or refuses, no more bytes arrive, a file's content is wrong twice,
            or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        on_progress(repository.bytes - bytes_to_fetch(repository, folder), repository.bytes)
        download = _Download(repository, folder, on_progress)
        with readable_errors(repository.name, repository.commit):
            for file in repository.files:
                download.ensure(file)
    except OSError as error:  # the disk's; `readable_errors` has turned the hub's into lines
        raise ConfigurationError(_explain_disk(error, repository, folder)) from error


class _Download:
    def __init__(self, repository: HubRepository, folder: Path, on_progress: OnProgress) -> None:
        self._repository = repository
        self._folder = folder
        self._on_progress = on_progress
        self._total = repository.bytes
        self._done = {file.name: _bytes_there(repository, file, folder) for file in repository.files}
        self._next_progress = 0.0

    def ensure(self, file: HubFile) -> None:
        """Make sure that the folder has one file."""
        target = self._folder / file.name
        if not self._matches(file, target):
            target.unlink(missing_ok=True)
            if not self._reuse_cached(file, target):
                self._fetch(file, target)
        for part in self._folder.glob(f"{escape(file.name)}.{'[0-9a-f]' * _FINGERPRINT}.part"):
            part.unlink()  # of another commit, or of a file that the cache had
        self._done[file.name] = file.bytes
        self._on_progress(sum(self._done.values()), self._total)

    def _matches(self, file: HubFile, path: Path) -> bool:
        return path.exists() and path.stat().st_size == file.bytes and self._read(file, path).matches

    def _read(self, file: HubFile, path: Path) -> ContentCheck:
        check = ContentCheck(file)
        if path.exists():
            with path.open("rb") as content:
                while block := content.read(_BLOCK):
                    check.add(block)
                    self._show(file, self._done[file.name])
        return check

    def _reuse_cached(self, file: HubFile, target: Path) -> bool:
        cached = cached_file(self._repository, file)
        if cached is None or not self._matches(file, cached):
            return False
        link_or_copy(cached, target, _part(file, self._folder))
        return True

    def _fetch(self, file: HubFile, target: Path) -> None:
        part = _part(file, self._folder)
        for _ in range(_FETCHES):
            if self._resume_until_complete(file, part):
                part.replace(target)
                return
            part.unlink()
        raise ConfigurationError(_wrong(self._repository, file))

    def _resume_until_complete(self, file: HubFile, part: Path) -> bool:
        """Resume at a part's end until the file is complete; return whether its content matches."""
        check = self._read(file, part)
        furthest, pauses = check.bytes, iter(PAUSES_SECONDS)
        with part.open("ab", buffering=0) as output:
            while check.bytes < file.bytes:
                outage = self._request(file, output, check)
                if check.bytes > furthest:
                    furthest, pauses = check.bytes, iter(PAUSES_SECONDS)
                if check.bytes < file.bytes:
                    _wait(pauses, f"{public_endpoint()} sends no more of {file.name} ({outage})", check.bytes)
        return check.matches

    def _request(self, file: HubFile, output: io.FileIO, check: ContentCheck) -> str:
        """Request the rest once; return why the response ended."""
        try:
            with open_file(self._repository, file, check.bytes) as (start, pieces):
                if start != check.bytes:
                    output.truncate(0)
                    check.start_over()
                for piece in pieces:
                    _write(output, piece)
                    check.add(piece)
                    if check.bytes > file.bytes:
                        break
                    self._show(file, check.bytes)
        except httpx.RequestError as error:
            return cause_of(error)
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in _PASSING and not httpx.codes.is_server_error(status):
                raise
            return f"it answers {status}"
        return "it ends the connection early"

    def _show(self, file: HubFile, done: int) -> None:
        self._done[file.name] = done
        now = time.monotonic()
        if now >= self._next_progress:
            self._next_progress = now + _PROGRESS_SECONDS
            self._on_progress(sum(self._done.values()), self._total)


def _wait(pauses: Iterator[float], outage: str, done: int) -> None:
    pause = next(pauses, None)
    if pause is None:
        raise ConfigurationError(
            f"{outage}; check the network or wait a while, then run this again: it resumes at {size(done)}"
        )
    time.sleep(pause)


def _write(output: io.FileIO, piece: bytes) -> None:
    rest = memoryview(piece)
    while rest:  # an almost full disk takes only a part of a write
        rest = rest[output.write(rest) :]


def _part(file: HubFile, folder: Path) -> Path:
    """Where a file grows. The name depends on the content, so that another commit never resumes it."""
    return folder / f"{file.name}.{(file.sha256 or file.git_blob)[:_FINGERPRINT]}.part"


def _bytes_there(repository: HubRepository, file: HubFile, folder: Path) -> int:
    if _size(folder / file.name) == file.bytes:
        return file.bytes
    cached = cached_file(repository, file)
    if cached is not None and cached.stat().st_dev == _existing(folder).stat().st_dev:
        return file.bytes
    return min(_size(_part(file, folder)), file.bytes)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _existing(folder: Path) -> Path:
    folder = folder.resolve()
    while not folder.exists():
        folder = folder.parent
    return folder


def _wrong(repository: HubRepository, file: HubFile) -> str:
    return (
        f"{file.name} of {repository.name} arrives damaged (wrong size or checksum); try again later, and without the "
        "proxy or mirror (HTTPS_PROXY, HF_ENDPOINT) if you use one"
    )


def _explain_disk(error: OSError, repository: HubRepository, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        needed, free = bytes_to_fetch(repository, folder), shutil.disk_usage(_existing(folder)).free
        return (
            f"the disk is full: {repository.name} needs {size(needed)} more in {folder}, and {size(free)} are free; "
            "free some space, then run this again: it resumes there"
        )
    return f"cannot write into {folder}: {error.strerror or error}; choose a folder that can be written"
