"""Versions of a model, and the pointer that names the current one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.errors import ConfigurationError
from bot.model import versions as module
from bot.model.versions import Choice, ModelVersions, Pointer, current_model_folder, home_of
from bot.own_command import own_command


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    """Three versions, and no pointer."""
    for name in ("1-sample", "2-balanced", "3-small"):
        (tmp_path / "versions" / name).mkdir(parents=True)
    return ModelVersions(tmp_path)


def pointer_file(versions: ModelVersions) -> Path:
    return versions.home / "current.json"


def error_line(raised: pytest.ExceptionInfo[ConfigurationError]) -> str:
    """The one line of an error."""
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_names_are_those_of_finished_versions_the_oldest_first(versions: ModelVersions) -> None:
    folder = versions.home / "versions"
    (folder / ".0-being-exported").mkdir()
    (folder / "0-a-file").touch()
    assert versions.names == ["1-sample", "2-balanced", "3-small"]
    assert ModelVersions(versions.home / "nowhere").names == []


def test_without_a_pointer_a_path_leads_to_itself(versions: ModelVersions) -> None:
    assert versions.pointer is None
    assert current_model_folder(versions.home) == versions.home
    assert versions.choice == Choice(versions.home)
    assert not versions.choice.has_versions


def test_a_switch_remembers_the_versions_before(versions: ModelVersions) -> None:
    versions.switch("1-sample")
    assert versions.pointer == Pointer(current="1-sample")
    versions.switch("2-balanced")
    versions.switch("3-small")
    assert versions.pointer == Pointer(current="3-small", before=("2-balanced", "1-sample"))
    assert current_model_folder(versions.home) == versions.folder("3-small")
    versions.switch("1-sample")
    assert versions.pointer == Pointer(current="1-sample", before=("3-small", "2-balanced"))
    versions.switch("1-sample")
    assert versions.pointer == Pointer(current="1-sample", before=("3-small", "2-balanced"))


def test_the_first_switch_remembers_the_adopted_model(versions: ModelVersions) -> None:
    versions.switch("2-balanced", adopted="1-sample")
    assert versions.pointer == Pointer(current="2-balanced", before=("1-sample",))
    versions.switch("3-small", adopted="4-never")
    assert versions.pointer == Pointer(current="3-small", before=("2-balanced", "1-sample"))


def test_rolling_back_leads_to_the_latest_existing_version(versions: ModelVersions) -> None:
    for name in versions.names:
        versions.switch(name)
    assert versions.previous == "2-balanced"
    versions.folder("2-balanced").rmdir()
    assert versions.previous == "1-sample"
    assert versions.pointer == Pointer(current="3-small", before=("2-balanced", "1-sample"))
    assert versions.roll_back() == "1-sample"
    assert versions.pointer == Pointer(current="1-sample")
    with pytest.raises(ConfigurationError) as raised:
        versions.roll_back()
    assert "there is no version before the current one" in error_line(raised)
    assert error_line(raised).endswith(" --rollback 3-small`")
    assert versions.pointer == Pointer(current="1-sample")


def test_without_a_pointer_there_is_nothing_to_go_back_to(versions: ModelVersions) -> None:
    with pytest.raises(ConfigurationError, match="there is no version before the current one"):
        versions.roll_back()
    assert not pointer_file(versions).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"current": "1-sam',
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"current": 1}',
        b'{"current": ""}',
        b'{"current": "../1-sample"}',
        b'{"current": "."}',
        b'{"current": ".0-being-exported"}',
        b'{"current": "/etc"}',
        b'{"current": "1-sample\\n"}',
        b'{"current": "1-sample\\\\.."}',
        b'{"current": "1-sample", "before": ["2-balanced/.."]}',
    ],
)
def test_a_damaged_pointer_is_refused_and_repaired_by_the_next_switch(versions: ModelVersions, content: bytes) -> None:
    pointer_file(versions).write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        current_model_folder(versions.home)
    assert f"{pointer_file(versions)} cannot be read (it is damaged)" in error_line(raised)
    assert own_command("export", "--output", str(versions.home), "--rollback", "VERSION") in error_line(raised)
    for read in (lambda: versions.pointer, lambda: versions.choice, versions.roll_back):
        with pytest.raises(ConfigurationError, match="it is damaged"):
            read()
    versions.switch("2-balanced")
    assert versions.pointer == Pointer(current="2-balanced")


def test_an_unreadable_pointer_is_refused(versions: ModelVersions) -> None:
    pointer_file(versions).mkdir()
    with pytest.raises(ConfigurationError) as raised:
        current_model_folder(versions.home)
    assert "current.json cannot be read (" in error_line(raised)
    assert "damaged" not in error_line(raised)


def test_a_missing_current_version_is_named(versions: ModelVersions) -> None:
    versions.switch("4-lost")
    with pytest.raises(ConfigurationError) as raised:
        current_model_folder(versions.home)
    assert "names the version 4-lost, which does not exist" in error_line(raised)
    assert "--rollback VERSION" in error_line(raised)


def test_a_choice_holds_the_current_version_and_the_existing_ones_before(versions: ModelVersions) -> None:
    for name in ("1-sample", "2-balanced", "3-small", "4-lost"):
        versions.switch(name)
    versions.folder("2-balanced").rmdir()
    choice = versions.choice
    assert choice.folder == versions.folder("4-lost")
    assert choice.before == (versions.folder("3-small"), versions.folder("1-sample"))
    assert choice.has_versions


def test_choices_are_equal_until_the_pointer_is_written(versions: ModelVersions) -> None:
    versions.switch("1-sample")
    versions.switch("2-balanced")
    first = versions.choice
    versions.folder("1-sample").rmdir()
    assert versions.choice == first
    content = pointer_file(versions).read_bytes()
    versions.switch("2-balanced")
    assert pointer_file(versions).read_bytes() == content
    assert versions.choice != first


def test_a_version_knows_its_home_and_other_folders_have_none(versions: ModelVersions, tmp_path: Path) -> None:
    assert home_of(versions.folder("1-sample")) is None, "there is no pointer yet"
    versions.switch("1-sample")
    assert home_of(versions.folder("1-sample")) == versions.home
    assert home_of(versions.folder(".0-being-exported")) is None
    assert home_of(versions.home) is None
    assert home_of(tmp_path / "elsewhere" / "1-sample") is None
    assert home_of(Path("/")) is None


def test_a_reader_always_sees_a_whole_pointer(versions: ModelVersions) -> None:
    versions.switch("1-sample")
    seen: set[str] = set()
    torn: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                pointer = versions.pointer
                folder = current_model_folder(versions.home)
            except ConfigurationError as error:
                torn.append(str(error))
                continue
            if pointer is None or folder == versions.home:
                torn.append("no pointer")
                continue
            seen.add(pointer.current)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(300):
            versions.switch(versions.names[number % 3])
            if number % 5 == 4:
                versions.roll_back()
    finally:
        done.set()
        reader.join()
    assert torn == []
    assert seen == set(versions.names)
    assert [each.name for each in versions.home.iterdir() if each.is_file()] == ["current.json"]


def test_a_failed_switch_leaves_the_pointer_unchanged(versions: ModelVersions) -> None:
    versions.switch("1-sample")
    (versions.home / ".current.json.new").mkdir()
    with pytest.raises(OSError, match=r"\.current\.json\.new"):
        versions.switch("2-balanced")
    assert json.loads(pointer_file(versions).read_text(encoding="utf-8")) == {"current": "1-sample", "before": []}


def refuse(monkeypatch: pytest.MonkeyPatch, times: int, system: str) -> list[Path]:
    """Refuse to replace files, as Windows does while one is being read; return a list that grows with each refusal."""
    refused: list[Path] = []
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if len(refused) < times:
            refused.append(target)
            raise PermissionError(13, "in use", str(target))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(module, "os", SimpleNamespace(name=system, fsync=os.fsync))
    return refused


def test_a_switch_waits_while_windows_reads_the_pointer(
    versions: ModelVersions, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = refuse(monkeypatch, times=3, system="nt")
    versions.switch("1-sample")
    assert len(refused) == 3
    assert versions.pointer == Pointer(current="1-sample")


@pytest.mark.parametrize("system", ["nt", "posix"])
def test_a_lasting_refusal_is_raised(versions: ModelVersions, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    versions.switch("1-sample")
    monkeypatch.setattr(module, "_BUSY_SECONDS", 0.05)
    refused = refuse(monkeypatch, times=1_000_000, system=system)
    with pytest.raises(PermissionError):
        versions.switch("2-balanced")
    assert len(refused) > 1 if system == "nt" else len(refused) == 1
    assert versions.pointer == Pointer(current="1-sample")
