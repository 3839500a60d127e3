"""The folder in which a version is built: locked, on the same disk, and removed afterwards. And progress."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.export.progress import Estimate, ProgressLine, duration
from bot.export.workspace import lock_versions, open_workspace
from bot.model.versions import ModelVersions
from bot.sizes import size


def test_a_finished_model_becomes_a_version_and_nothing_else_stays(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    with open_workspace(home, pytest.fail) as workspace:
        workspace.model.mkdir()
        (workspace.model / "config.json").write_text("{}", encoding="utf-8")
        (workspace.temporary / "large").write_bytes(bytes(1000))
        assert ModelVersions(home).names == []
        workspace.publish("first")
    assert ModelVersions(home).names == ["first"]
    assert [each.name for each in (home / "versions").iterdir()] == ["first"]
    assert [each.name for each in (home / "versions" / "first").iterdir()] == ["config.json"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with open_workspace(tmp_path, pytest.fail) as workspace:
            workspace.model.mkdir()
            workspace.log("exporter").write_text("the reason", encoding="utf-8")
            assert workspace.keep_log("exporter") == tmp_path / "export.log"
            raise ConfigurationError("it fails")

    with pytest.raises(ConfigurationError, match="it fails"):
        fail()
    assert list((tmp_path / "versions").iterdir()) == []
    assert (tmp_path / "export.log").read_text(encoding="utf-8") == "the reason"


def test_leftovers_are_removed_and_reported(tmp_path: Path) -> None:
    left = tmp_path / "versions" / ".work" / "model"
    left.mkdir(parents=True)
    (left / "openvino_model.bin").write_bytes(bytes(2_000_000))
    lines: list[str] = []
    with open_workspace(tmp_path, lines.append) as workspace:
        assert list(workspace.folder.iterdir()) == []
    assert lines == ["Removed the files of an interrupted export (2.0 MB)."]


def refuse(home: Path, line: str) -> None:
    workspace = open_workspace(home, pytest.fail)
    with pytest.raises(ConfigurationError, match=line):
        workspace.__enter__()


def test_only_one_at_a_time(tmp_path: Path) -> None:
    with lock_versions(tmp_path):
        refuse(tmp_path, "another export is running in")
    with open_workspace(tmp_path, pytest.fail):
        pass


def test_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refuse(tmp_path / "file" / "home", r"cannot work in .*file.home: .*; choose another --output")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_updates_one_line_on_a_terminal() -> None:
    screen = Terminal()
    line = ProgressLine(screen)
    line.stage("Fetching a long name")
    line.stage("Short")
    line.say("Done.")
    assert screen.getvalue() == "\rFetching a long name\n\rShort\nDone.\n"


def test_progress_in_a_log_is_a_line_now_and_then() -> None:
    log = io.StringIO()
    line = ProgressLine(log)
    line.stage("Fetching")
    for _ in range(100):
        line.update("Fetching: 1 of 2")
    line.end()
    assert log.getvalue() == "Fetching\n"


def test_the_time_left_is_shown_once_it_can_be_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("bot.export.progress.time.monotonic", lambda: now[0])
    estimate = Estimate()
    assert estimate.left(0.5) == "", "half of it was there before"
    now[0] += 10
    assert estimate.left(0.75) == ", about 10 s left"
    now[0] += 80
    assert estimate.left(0.76) == ", about 1 min 23 s left"


def test_formatting() -> None:
    times = {0.4: "0 s", 59.4: "59 s", 60: "1 min 0 s", 3599: "59 min 59 s", 3661: "1 h 1 min"}
    assert {each: duration(each) for each in times} == times
    sizes = {0: "0.0 MB", 1_234_567: "1.2 MB", 99_900_000: "99.9 MB", 2_772_549_977: "2.77 GB"}
    assert {each: size(each) for each in sizes} == sizes


@pytest.mark.skipif(os.name != "posix", reason="Windows has no modes")
def test_only_what_is_finished_can_be_read_by_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with open_workspace(tmp_path, pytest.fail) as workspace:
            assert _mode(workspace.folder) == 0o700
            workspace.log("exporter").write_text("the reason", encoding="utf-8")
            assert _mode(workspace.keep_log("exporter")) == 0o600
            workspace.model.mkdir()
            (workspace.model / "config.json").write_text("{}", encoding="utf-8")
            workspace.publish("first")
    finally:
        os.umask(before)
    finished = ModelVersions(tmp_path).folder("first")
    assert [_mode(each) for each in (finished, finished / "config.json")] == [0o755, 0o644]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
