"""The `manifest.json` of an exported model: size and SHA-256 of every file, to find damage and changes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FILE_NAME = "manifest.json"

_PIECE_BYTES = 1 << 24


class FileRecord(BaseModel):
    """A file as the export left it; its SHA-256 in hexadecimal digits."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """Every file of a model folder except the manifest, by name."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, FileRecord]


def write_manifest(folder: Path) -> None:
    """Write the manifest of a folder. Hidden files do not count."""
    names = sorted(each.name for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    records = {
        name: FileRecord(bytes=(folder / name).stat().st_size, sha256=_sha256(folder / name))
        for name in names
        if name != FILE_NAME
    }
    (folder / FILE_NAME).write_text(Manifest(files=records).model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """Return a folder's manifest; None without one, as after an export by hand.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged.
    """
    try:
        return Manifest.model_validate_json((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(f"{FILE_NAME} is damaged") from error


def wrong_sizes(folder: Path, manifest: Manifest) -> list[str]:
    """Return a line for each file that is missing or has another size, without reading any."""
    return [line for name, record in manifest.files.items() if (line := _wrong_size(folder / name, record))]


def wrong_files(folder: Path, manifest: Manifest, on_progress: Callable[[str], None] = lambda _name: None) -> list[str]:
    """Return a line for each file that has changed. Reads all of them, which takes seconds for a large model.

    Args:
        folder: the model folder.
        manifest: what its files must be.
        on_progress: called with a file's name before each piece that is read; it may raise to stop.

    Raises:
        OSError: a file cannot be read.
    """
    wrong = wrong_sizes(folder, manifest)
    if wrong:
        return wrong
    for name, record in manifest.files.items():
        if _sha256(folder / name, on_progress) != record.sha256:
            wrong.append(f"{name} has changed (its SHA-256 differs)")
    return wrong


def _wrong_size(path: Path, record: FileRecord) -> str:
    if not path.is_file():
        return f"{path.name} is missing"
    size = path.stat().st_size
    return "" if size == record.bytes else f"{path.name} has {size} bytes, not {record.bytes}"


def _sha256(path: Path, on_progress: Callable[[str], None] = lambda _name: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            on_progress(path.name)
            digest.update(piece)
    return digest.hexdigest()
