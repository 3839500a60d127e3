"""Downloading onto a full disk, and reusing the hub client's cache."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from bot.export.hub import HubRepository, ask_hub, bytes_to_fetch, fetch_files
from tests.export.hub_downloads import (
    FILES,
    FIRST,
    NAME,
    TOTAL,
    asked,
    error_line,
    fetch,
)
from tests.export.hub_server import HubServer
from tests.small_disk import small_disk_at


def refuse(source: Path, target: Path) -> None:
    """Fail like a disk without hard links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("can_link", [True, False])
def test_files_of_the_clients_own_cache(
    hub: HubServer, repository: HubRepository, folder: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool
) -> None:
    cached = Path(hf_hub_download(NAME, FIRST, revision=repository.commit, endpoint=hub.url))
    hub.requests.clear()
    if not can_link:
        monkeypatch.setattr(os, "link", refuse)
    assert bytes_to_fetch(repository, folder) == TOTAL - len(FILES[FIRST])
    fetch(repository, folder)
    assert asked(hub, FIRST) == []
    assert (folder / FIRST).samefile(cached) == can_link
    shutil.rmtree(os.environ["HF_HOME"])
    fetch(repository, folder)


@pytest.mark.parametrize("content", [bytes(600_000), b"short"])
def test_a_damaged_file_in_the_clients_cache(
    hub: HubServer, repository: HubRepository, folder: Path, content: bytes
) -> None:
    cached = Path(hf_hub_download(NAME, FIRST, revision=repository.commit, endpoint=hub.url))
    cached.write_bytes(content)
    assert (bytes_to_fetch(repository, folder) == TOTAL) == (content == b"short")
    fetch(repository, folder)
    assert cached.read_bytes() == content


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 512 kB."""
    with small_disk_at(tmp_path / "disk", 512) as disk:
        yield disk


def test_a_full_disk(hub: HubServer, repository: HubRepository, small_disk: Path) -> None:
    folder = small_disk / "model"
    line = error_line(repository, folder)
    there = TOTAL - bytes_to_fetch(repository, folder)
    assert there > 400_000
    assert f"the disk is full: {NAME} needs 0.5 MB more in {folder}, and 0.0 MB are free" in line
    assert "run this again: it resumes there" in line
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    fetch(repository, folder)
    assert asked(hub, FIRST)[-1].start == there - len(FILES["config.json"])


def test_a_disk_that_is_full_within_the_last_piece(hub: HubServer, small_disk: Path) -> None:
    hub.publish(NAME, {"tokenizer.json": bytes(16_000)})
    folder, filler = small_disk / "model", small_disk / "filler"
    folder.mkdir()
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 8_192))
    repository = ask_hub(NAME, None, set)
    assert "the disk is full" in error_line(repository, folder)
    assert bytes_to_fetch(repository, folder) == 16_000 - 8_192
    filler.unlink()
    fetch_files(repository, folder, lambda done, total: None)
    assert (folder / "tokenizer.json").read_bytes() == bytes(16_000)


def test_a_cache_on_another_disk_saves_no_room(
    hub: HubServer, repository: HubRepository, small_disk: Path, tmp_path: Path
) -> None:
    hf_hub_download(NAME, FIRST, revision=repository.commit, endpoint=hub.url)
    assert bytes_to_fetch(repository, small_disk / "model") == TOTAL
    assert bytes_to_fetch(repository, tmp_path / "model") == TOTAL - len(FILES[FIRST])


def test_a_folder_that_cannot_be_written(hub: HubServer, repository: HubRepository, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "choose a folder that can be written" in error_line(repository, tmp_path / "file" / "model")
