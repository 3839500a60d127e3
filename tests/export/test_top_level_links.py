"""Links at the top level of the folder with versions, and a model that was exported there by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.export.top_level_links import adopt_top_level_model, link_at_top_level
from bot.model.versions import ModelVersions

FILES = {"openvino_model.xml": "graph", "openvino_model.bin": "weights", "config.json": "settings"}


def fill(folder: Path, mark: str, **more: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**FILES, **more}.items():
        (folder / name).write_text(f"{content} of {mark}", encoding="utf-8")
    return folder


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    versions = ModelVersions(tmp_path / "int4")
    for name in ("first", "second"):
        fill(versions.folder(name), name)
    (versions.folder("first") / "report.json").write_text("{}", encoding="utf-8")
    return versions


def seen(versions: ModelVersions) -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in versions.home.iterdir() if each.is_file()}


def content_of(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir() if each.is_file()}


def test_the_current_versions_files_and_no_others_are_seen(versions: ModelVersions) -> None:
    for name in ("first", "second", "first"):
        link_at_top_level(versions, name, pytest.fail)
        assert seen(versions) == content_of(versions.folder(name))


def test_interrupted_links_are_completed(versions: ModelVersions) -> None:
    link_at_top_level(versions, "first", pytest.fail)
    for name in ("openvino_model.xml", "config.json"):
        (versions.home / name).unlink()
    (versions.home / "config.json").hardlink_to(versions.folder("second") / "config.json")
    link_at_top_level(versions, "second", pytest.fail)
    assert seen(versions) == content_of(versions.folder("second"))


def test_no_graph_is_ever_seen_with_other_weights(versions: ModelVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    link_at_top_level(versions, "first", pytest.fail)
    states: list[dict[str, str]] = []
    link, unlink = Path.hardlink_to, Path.unlink

    def watched_link(path: Path, target: Path) -> None:
        link(path, target)
        states.append(seen(versions))

    def watched_unlink(path: Path) -> None:
        unlink(path)
        states.append(seen(versions))

    monkeypatch.setattr(Path, "hardlink_to", watched_link)
    monkeypatch.setattr(Path, "unlink", watched_unlink)
    link_at_top_level(versions, "second", pytest.fail)
    *between, last = states
    assert len(between) > len(FILES)
    assert not any("openvino_model.xml" in each for each in between)
    assert last == content_of(versions.folder("second"))


def test_a_model_that_was_exported_by_hand_becomes_a_version(versions: ModelVersions) -> None:
    by_hand = content_of(fill(versions.home, "hand"))
    name = adopt_top_level_model(versions)
    assert name is not None
    assert name.endswith("-by-hand")
    assert content_of(versions.folder(name)) == by_hand
    assert seen(versions) == by_hand, "programs that use it keep working"
    assert adopt_top_level_model(versions) is None, "it is a version now"
    link_at_top_level(versions, "second", pytest.fail)
    assert content_of(versions.folder(name)) == by_hand


def test_a_model_that_was_exported_by_hand_over_a_version_is_kept(versions: ModelVersions) -> None:
    link_at_top_level(versions, "first", pytest.fail)
    for each in FILES:
        (versions.home / each).unlink()
    fill(versions.home, "hand")
    name = adopt_top_level_model(versions)
    assert name is not None
    assert content_of(versions.folder(name))["openvino_model.bin"] == "weights of hand"


def test_other_files_stay(versions: ModelVersions) -> None:
    (versions.home / "config.json").write_text("mine", encoding="utf-8")
    (versions.home / "notes.txt").write_text("mine, too", encoding="utf-8")
    notes: list[str] = []
    assert adopt_top_level_model(versions) is None
    link_at_top_level(versions, "first", notes.append)
    assert seen(versions) == {"config.json": "mine", "notes.txt": "mine, too"}
    [note] = notes
    assert "config.json exists there and belongs to no version" in note
    assert str(versions.folder("first")) in note


def test_a_disk_without_links_is_noted(versions: ModelVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    notes: list[str] = []
    link_at_top_level(versions, "first", notes.append)
    assert "(Operation not supported)" in notes[0]
    assert str(versions.folder("first")) in notes[0]


def test_an_interrupted_adoption_starts_over(versions: ModelVersions) -> None:
    fill(versions.home, "hand")
    name = adopt_top_level_model(versions)
    assert name is not None
    unfinished = versions.folder(f".{name}")
    versions.folder(name).rename(unfinished)
    (unfinished / "openvino_model.bin").unlink()
    assert adopt_top_level_model(versions) == name
    assert content_of(versions.folder(name)) == seen(versions)
    shutil.rmtree(versions.folder(name))
