"""Links the current version's files at the top level of the folder with versions.

The sample's code, and every other program that takes a model folder, finds the current version there. The bot itself
follows the pointer, because several files cannot be replaced at once. Hard links take no space, and Windows has them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bot.model.versions import POINTER_NAME, ModelVersions

_GRAPH = "openvino_model.xml"
_OWN = frozenset({POINTER_NAME, "export.log"})


def adopt_top_level_model(versions: ModelVersions) -> str | None:
    """Make a version of a model that was exported by hand into the folder itself.

    Returns:
        the version's name; None if the top level holds no such model.

    Raises:
        OSError: its files cannot be linked.
    """
    top = _top_level_files(versions)
    known = _known_files(versions)
    foreign = {name: path for name, path in top.items() if _identity(path) not in known}
    if _GRAPH not in foreign:
        return None
    made = datetime.fromtimestamp(foreign[_GRAPH].stat().st_mtime, UTC)
    name = f"{made:%Y-%m-%d-%H%M%S}-by-hand"
    new = versions.folder(f".{name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for each in top:
        (new / each).hardlink_to(top[each])
    new.rename(versions.folder(name))
    return name


def link_at_top_level(versions: ModelVersions, version: str, say: Callable[[str], None]) -> None:
    """Link the current version's files at the top level.

    The graph goes first and comes back last: in between, other programs find no model rather than halves of two.

    Args:
        version: the current one.
        say: receives a note if this fails; the bot is not affected.
    """
    try:
        folder = versions.folder(version)
        wanted = {each.name: each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")}
        top, known = _top_level_files(versions), _known_files(versions)
        ours = {name for name, path in top.items() if _identity(path) in known}
        if in_the_way := sorted((top.keys() & wanted.keys()) - ours):
            _say_why(versions, version, f"{in_the_way[0]} exists there and belongs to no version", say)
            return
        if ours == wanted.keys() and all(path.samefile(top[name]) for name, path in wanted.items()):
            return
        for name in sorted(ours, key=lambda each: each != _GRAPH):
            top[name].unlink()
        for name in sorted(wanted, key=lambda each: each == _GRAPH):
            (versions.home / name).hardlink_to(wanted[name])
    except OSError as error:
        _say_why(versions, version, error.strerror or str(error), say)


def _say_why(versions: ModelVersions, version: str, why: str, say: Callable[[str], None]) -> None:
    say(
        f"Note: cannot link the model at the top of {versions.home} ({why}). The bot finds it; other programs find it "
        f"in {versions.folder(version)}."
    )


def _top_level_files(versions: ModelVersions) -> dict[str, Path]:
    return {
        each.name: each
        for each in versions.home.iterdir()
        if each.is_file() and not each.name.startswith(".") and each.name not in _OWN
    }


def _known_files(versions: ModelVersions) -> set[tuple[int, int]]:
    return {_identity(path) for name in versions.names for path in versions.folder(name).iterdir()}


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
