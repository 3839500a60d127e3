"""Downloading with the real client from a hub that drops connections, lies and falls silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.export.hub import HubRepository, ask_hub, bytes_to_fetch
from tests.export.hub_downloads import (
    FILES,
    FIRST,
    LONG_SECONDS,
    NAME,
    PART,
    ROOT,
    TOTAL,
    WEIGHTS,
    asked,
    error_line,
    fetch,
    wait_until,
)
from tests.export.hub_server import HubServer
from tests.export.hub_storage import Fault, Request


def test_a_whole_download(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    assert bytes_to_fetch(repository, folder) == TOTAL
    progress = fetch(repository, folder)
    assert progress[0] == 0
    assert progress == sorted(progress)
    assert hub.requests == [Request(name, 0, len(FILES[name])) for name in sorted(FILES) if FILES[name]]


def test_a_second_download_fetches_nothing(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    fetch(repository, folder)
    hub.requests.clear()
    assert set(fetch(repository, folder)) == {TOTAL}
    assert hub.requests == []


def test_progress_is_reported_within_a_file(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, Fault(pause_seconds=0.03))
    progress = fetch(repository, folder)
    before = len(FILES["config.json"])
    assert len({done for done in progress if before < done < before + len(FILES[FIRST])}) >= 2
    assert progress == sorted(progress)


@pytest.mark.parametrize("resets", [False, True])
def test_a_dropped_connection_is_resumed(hub: HubServer, repository: HubRepository, folder: Path, resets: bool) -> None:
    def arrived() -> bool:
        return (folder / PART).stat().st_size == 200_000

    first = Fault(after=200_000, resets=resets, meanwhile=lambda: wait_until(arrived))
    hub.fail(FIRST, first, Fault(after=0), Fault(after=9))
    progress = fetch(repository, folder)
    assert asked(hub, FIRST) == [
        Request(FIRST, 0, 200_000),
        Request(FIRST, 200_000, 0),
        Request(FIRST, 200_000, 9),
        Request(FIRST, 200_009, 399_991),
    ]
    assert progress == sorted(progress)


def test_a_download_gives_up_after_the_last_retry(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, Fault(after=100_000), *[Fault(status=503)] * 4)
    line = error_line(repository, folder)
    assert f"{hub.url} sends no more of {FIRST} (it answers 503)" in line
    assert "check the network or wait a while, then run this again: it resumes at 0.1 MB" in line
    assert bytes_to_fetch(repository, folder) == TOTAL - len(FILES["config.json"]) - 100_000
    progress = fetch(repository, folder)
    assert progress[0] == len(FILES["config.json"]) + 100_000
    assert asked(hub, FIRST)[-1] == Request(FIRST, 100_000, 500_000)


def test_new_bytes_reset_the_retries(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, *[Fault(after=50_000)] * 10)
    fetch(repository, folder)
    assert sum(request.sent for request in asked(hub, FIRST)) == len(FILES[FIRST])


def test_a_hub_that_fails_for_a_while(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail("config.json", Fault(status=503), Fault(status=429), Fault(status=522))
    fetch(repository, folder)


def test_a_silent_connection(
    hub: HubServer, repository: HubRepository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    fetched, timed_out = threading.Event(), list[bool]()
    hub.fail(FIRST, Fault(after=100_000, meanwhile=lambda: timed_out.append(not fetched.wait(LONG_SECONDS))))
    fetch(repository, folder)
    assert timed_out == []
    fetched.set()
    assert [request.start for request in asked(hub, FIRST)] == [0, 100_000]


def test_a_hub_that_is_gone(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.cdn.stop()
    assert f"{hub.url} sends no more of {FIRST} (" in error_line(repository, folder)


def test_access_that_is_revoked(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, Fault(after=100_000), Fault(status=403))
    assert f"refuses {NAME} (it answers 403)" in error_line(repository, folder)
    fetch(repository, folder)
    assert asked(hub, FIRST)[-1].start == 100_000


def test_a_kill_in_the_middle_of_a_file(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    program = (
        "import pathlib, sys\n"
        "from bot.export.hub import ask_hub, fetch_files\n"
        f"fetch_files(ask_hub({NAME!r}, None, set), pathlib.Path(sys.argv[1]), lambda done, total: None)\n"
    )
    gone = False
    hub.fail(FIRST, Fault(after=300_000, meanwhile=lambda: wait_until(lambda: gone)))
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], cwd=ROOT) as child:
        wait_until(lambda: (folder / PART).exists() and (folder / PART).stat().st_size == 300_000)
        child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    gone = True
    assert bytes_to_fetch(repository, folder) == TOTAL - len(FILES["config.json"]) - 300_000
    fetch(repository, folder)
    assert asked(hub, FIRST) == [Request(FIRST, 0, 300_000), Request(FIRST, 300_000, 300_000)]
    assert len(asked(hub, "config.json")) == 1


@pytest.mark.parametrize("name", ["config.json", FIRST])
def test_wrong_content_is_fetched_again(hub: HubServer, repository: HubRepository, folder: Path, name: str) -> None:
    hub.fail(name, Fault(content=b"x" * len(FILES[name])))
    fetch(repository, folder)
    assert [request.start for request in asked(hub, name)] == [0, 0]


def test_wrong_content_twice(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, *[Fault(content=b"x" * 600_000)] * 2)
    assert error_line(repository, folder) == (
        f"{FIRST} of {NAME} arrives damaged (wrong size or checksum); try again later, and without the proxy or "
        "mirror (HTTPS_PROXY, HF_ENDPOINT) if you use one"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "empty.json"]


@pytest.mark.parametrize("without_ranges", [True, False])
def test_another_page_costs_no_downloaded_bytes(
    hub: HubServer, repository: HubRepository, folder: Path, without_ranges: bool
) -> None:
    page = Fault(content=b"<html>Please sign in</html>", without_ranges=without_ranges)
    hub.fail(FIRST, page, Fault(after=200_000), *[page] * 4)
    assert f"{hub.url} sends no more of {FIRST} (" in error_line(repository, folder)
    fetch(repository, folder)
    assert [request.start for request in asked(hub, FIRST)] == [0, 0, *[200_000] * 5]


def test_a_file_that_is_longer_than_promised(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, Fault(content=FILES[FIRST] + bytes(50_000_000), without_length=True))
    fetch(repository, folder)
    assert [request.start for request in asked(hub, FIRST)] == [0, 0]
    assert asked(hub, FIRST)[0].sent < 50_000_000


def test_a_file_that_is_shorter_than_promised(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, *[Fault(content=FILES[FIRST][:500_000], without_length=True)] * 5)
    assert f"{hub.url} sends no more of {FIRST} (it answers 416)" in error_line(repository, folder)
    fetch(repository, folder)
    assert asked(hub, FIRST)[-1] == Request(FIRST, 500_000, 100_000)


@pytest.mark.parametrize(("size", "starts"), [(200_000, [200_000, 0]), (2_000_000, [0])])
def test_a_part_that_was_damaged(
    hub: HubServer, repository: HubRepository, folder: Path, size: int, starts: list[int]
) -> None:
    folder.mkdir(parents=True)
    (folder / PART).write_bytes(bytes(size))
    fetch(repository, folder)
    assert [request.start for request in asked(hub, FIRST)] == starts


def test_a_small_file_is_resumed_too(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail("config.json", Fault(after=4_000))
    fetch(repository, folder)
    assert asked(hub, "config.json") == [Request("config.json", 0, 4_000), Request("config.json", 4_000, 6_000)]


def test_a_server_without_ranges(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.fail(FIRST, Fault(after=200_000), Fault(without_ranges=True))
    fetch(repository, folder)
    assert asked(hub, FIRST)[-1] == Request(FIRST, 200_000, 600_000)


def test_files_and_parts_of_another_commit_are_replaced(
    hub: HubServer, repository: HubRepository, folder: Path
) -> None:
    other = {**FILES, FIRST: WEIGHTS[1:600_001], "config.json": b"[]" * 5000}
    hub.publish(NAME, other)
    hub.fail(FIRST, Fault(after=100_000), *[Fault(status=404)])
    error_line(ask_hub(NAME, None, set), folder)
    assert [path.name for path in folder.glob("*.part")] != [PART]
    fetch(repository, folder)
    assert asked(hub, FIRST)[-1].start == 0


def test_a_new_commit_does_not_change_a_download(hub: HubServer, repository: HubRepository, folder: Path) -> None:
    hub.publish(NAME, {**FILES, FIRST: WEIGHTS[1:600_001], "config.json": b"[]" * 5000})
    fetch(repository, folder)
