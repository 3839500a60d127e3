"""The `manifest.json` of an exported model: size and SHA-256 of every file, to find damage and changes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FILE_NAME = "manifest.json"

_PIECE_BYTES = 1 << 24
_MOST_NAME_BYTES = 255
_SHOWN_CHARACTERS = 60
# What leads elsewhere on some system: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_NO_FILE_NAME = re.compile(
    r".*[/\\:\x00-\x1f\x7f].*|.*[. ]|(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?",
    re.IGNORECASE | re.DOTALL,
)


class FileRecord(BaseModel):
    """A file as the export left it; its SHA-256 in hexadecimal digits."""

    model_config = ConfigDict(frozen=True)

    bytes: int
    sha256: str


class Manifest(BaseModel):
    """Every file of a model folder except the manifest, by name."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, FileRecord]


def is_file_name(text: str) -> bool:
    """Whether a text can only name a file in the folder that it is appended to, on any system."""
    try:
        length = len(text.encode())
    except UnicodeEncodeError:  # half a character
        return False
    return 0 < length <= _MOST_NAME_BYTES and not _NO_FILE_NAME.fullmatch(text)


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
        ValueError: it is damaged, or names what is no file of the folder.
    """
    try:
        manifest = Manifest.model_validate_json((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ValueError(f"{FILE_NAME} is damaged") from error
    for name in manifest.files:
        if not is_file_name(name):
            raise ValueError(f"{FILE_NAME} names {name[:_SHOWN_CHARACTERS]!a}, which is no file of its folder")
    return manifest


def wrong_sizes(folder: Path, manifest: Manifest) -> list[str]:
    """Return a line for each file that is missing, lies elsewhere or has another size, without reading any."""
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
    if path.resolve().parent != path.parent.resolve():
        return f"{path.name} is a link that leads out of the folder"
    size = path.stat().st_size
    return "" if size == record.bytes else f"{path.name} has {size} bytes, not {record.bytes}"


def _sha256(path: Path, on_progress: Callable[[str], None] = lambda _name: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            on_progress(path.name)
            digest.update(piece)
    return digest.hexdigest()
