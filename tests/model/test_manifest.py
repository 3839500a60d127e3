"""A manifest finds every file that has changed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from bot.model.manifest import Manifest, read_manifest, write_manifest, wrong_files, wrong_sizes

WEIGHTS = bytes(range(256)) * 5000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest."""
    (tmp_path / "openvino_model.bin").write_bytes(WEIGHTS)
    (tmp_path / "config.json").write_bytes(b"{}")
    (tmp_path / "empty.txt").touch()
    (tmp_path / ".lock").write_bytes(b"1")
    (tmp_path / "folder").mkdir()
    write_manifest(tmp_path)
    return tmp_path


def manifest_of(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    assert manifest is not None
    return manifest


def test_it_names_every_file_with_its_size_and_its_sha256(folder: Path) -> None:
    manifest = manifest_of(folder)
    assert list(manifest.files) == ["config.json", "empty.txt", "openvino_model.bin"]
    record = manifest.files["openvino_model.bin"]
    assert (record.bytes, record.sha256) == (len(WEIGHTS), hashlib.sha256(WEIGHTS).hexdigest())
    assert manifest.files["empty.txt"].bytes == 0
    assert wrong_sizes(folder, manifest) == wrong_files(folder, manifest) == []


def test_a_manifest_does_not_list_itself(folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    write_manifest(folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_a_missing_file_or_another_size_is_found_without_reading(folder: Path) -> None:
    manifest = manifest_of(folder)
    (folder / "config.json").unlink()
    (folder / "openvino_model.bin").write_bytes(WEIGHTS[:1000])
    wrong = ["config.json is missing", f"openvino_model.bin has 1000 bytes, not {len(WEIGHTS)}"]
    read: list[str] = []
    assert wrong_sizes(folder, manifest) == wrong
    assert wrong_files(folder, manifest, read.append) == wrong
    assert read == []


def test_a_folder_instead_of_a_file_counts_as_missing(folder: Path) -> None:
    (folder / "empty.txt").unlink()
    (folder / "empty.txt").mkdir()
    assert wrong_files(folder, manifest_of(folder)) == ["empty.txt is missing"]


@pytest.mark.parametrize("position", [0, 300_000, len(WEIGHTS) - 1])
def test_one_changed_byte_is_found_by_reading(folder: Path, position: int) -> None:
    manifest = manifest_of(folder)
    changed = bytearray(WEIGHTS)
    changed[position] ^= 1
    (folder / "openvino_model.bin").write_bytes(changed)
    read: list[str] = []
    assert wrong_sizes(folder, manifest) == []
    assert wrong_files(folder, manifest, read.append) == ["openvino_model.bin has changed (its SHA-256 differs)"]
    assert read == ["config.json", "openvino_model.bin"], "empty.txt has nothing to read"


def test_the_progress_callback_can_stop_the_reading(folder: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(name: str) -> None:
        raise StoppedError(name)

    with pytest.raises(StoppedError, match=r"config\.json"):
        wrong_files(folder, manifest_of(folder), stop)


def test_every_changed_file_is_named(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"[]")
    (folder / "openvino_model.bin").write_bytes(WEIGHTS[::-1])
    assert [line.split()[0] for line in wrong_files(folder, manifest_of(folder))] == [
        "config.json",
        "openvino_model.bin",
    ]


def test_other_files_are_ignored(folder: Path) -> None:
    (folder / "notes.txt").write_bytes(b"mine")
    assert wrong_files(folder, manifest_of(folder)) == []


def test_a_folder_exported_by_hand_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b'{"files": {', b"\xff", b"[]", b'{"files": {"a": {"bytes": "many"}}}'])
def test_a_damaged_manifest_is_an_error(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"^manifest\.json is damaged$"):
        read_manifest(folder)


def test_it_is_plain_json(folder: Path) -> None:
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text)["files"]["config.json"]["bytes"] == 2


OUTSIDE = [
    "../config.json",
    "..",
    ".",
    "",
    "/etc/passwd",
    "folder/file",
    "..\\config.json",
    "C:\\Windows\\win.ini",
    "C:config.json",
    "config.json:stream",
    "config.json\0.txt",
    "two\nlines",
    "\x1b[2J",
    "\ud800",
    "NUL",
    "com1.json",
    "CON .txt",
    "config.json.",
    "config.json ",
    "x" * 300,
    "../" * 5000,
]


@pytest.mark.parametrize("name", OUTSIDE, ids=lambda name: ascii(name[:20]))
def test_a_name_that_is_no_file_of_the_folder_is_refused_in_one_line(folder: Path, name: str) -> None:
    record = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"files": {"config.json": record, name: record}}))
    with pytest.raises(ValueError, match=r"^manifest\.json ") as raised:
        read_manifest(folder)
    line = str(raised.value)
    assert line.isprintable()
    assert len(line) < 500
    assert "is no file of its folder" in line or name == "\ud800"


@pytest.mark.parametrize("name", [".hidden", "a b.json", "Größe.txt", "console.json", "nul-model.bin", "com10", "a..b"])
def test_other_names_are_files_of_the_folder(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"{}")
    record = {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"files": {name: record}}))
    assert wrong_files(folder, manifest_of(folder)) == []


def test_a_link_that_leads_out_of_the_folder_is_wrong(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "config.json"
    elsewhere.write_bytes(b"{}")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(elsewhere)
    wrong = ["config.json is a link that leads out of the folder"]
    assert wrong_sizes(folder, manifest_of(folder)) == wrong
    assert wrong_files(folder, manifest_of(folder)) == wrong


def test_a_link_to_the_folder_itself_changes_nothing(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    link = tmp_path_factory.mktemp("links") / "model"
    link.symlink_to(folder)
    assert wrong_files(link, manifest_of(link)) == []
