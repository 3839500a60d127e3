"""What an admin does with the versions that are there: list, verify, go back, throw away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from bot.errors import ConfigurationError
from bot.export.origin import SOURCES_NAME
from bot.export.progress import ProgressLine, size
from bot.export.table import columns
from bot.export.top_level_links import link_at_top_level
from bot.export.workspace import lock_versions
from bot.model.folder import ModelFolder, open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.versions import VERSIONS_NAME, ModelVersions, Pointer

KEPT = 2
"""How many versions are kept: the current one, and the one to go back to."""


def list_versions(home: Path, say: Callable[[str], None]) -> None:
    """Show every version with what is known of it."""
    versions = ModelVersions(home)
    names = _require_versions(versions)
    pointer, outage = _pointer_or_problem(versions)
    rows = [("", "version", "size", "weights", "agreement", "perplexity", "tokens/s", "note")]
    for name in names:
        state = "->" if pointer is not None and name == pointer.current else ""
        rows.append((state, name, *_figures(versions.folder(name))))
    for line in columns(rows):
        say(line)
    if pointer is not None:
        back = next((each for each in pointer.before if each in names), None)
        say(f"-> answers; --rollback goes back to {back}." if back else "-> answers; there is nothing to go back to.")
    elif outage:
        say(f"Note: {outage}")


def verify_versions(home: Path, version: str | None, progress: ProgressLine) -> bool:
    """Compare files with what they were when the export was done.

    Args:
        home: the folder with versions.
        version: one of them; None takes all.
        progress: told how it goes.

    Returns:
        whether all are as they were.
    """
    versions = ModelVersions(home)
    names = _require_versions(versions) if version is None else [_require_version(versions, version)]
    results = [_verify(versions, name, progress) for name in names]
    return all(results)


def roll_back(home: Path, version: str | None, progress: ProgressLine) -> None:
    """Let another version answer: the one before, or a certain one. It has to be as it was exported.

    Raises:
        ConfigurationError: there is no such version, or it is damaged. What answers is as it was.
    """
    versions = ModelVersions(home)
    _require_versions(versions)
    with lock_versions(home):
        target = _require_version(versions, version) if version else versions.previous
        if not _verify(versions, target, progress):
            raise ConfigurationError(
                f"{target} is damaged, and what answers is as it was; --rollback VERSION takes another (--list)"
            )
        open_model_folder(versions.folder(target))
        if version:
            versions.switch(target)
        else:
            versions.roll_back()
        link_at_top_level(versions, target, progress.say)
    progress.say(f"{target} answers from now on. A running bot takes it up by itself.")


def prune_versions(home: Path, kept: int, say: Callable[[str], None]) -> None:
    """Throw old versions away, and checkpoints that were fetched.

    The current version, those that a running bot has loaded, and the latest others up to `kept` stay.

    Args:
        home: the folder with versions.
        kept: how many versions stay, the current one among them; at least 1.
        say: told what went and what stayed.
    """
    versions = ModelVersions(home)
    _require_versions(versions)
    with lock_versions(home):
        pointer = versions.pointer
        if pointer is None:
            raise ConfigurationError(f"no version in {home} answers yet; choose one first: --rollback VERSION")
        latest_first = [pointer.current, *pointer.before, *reversed(versions.names)]
        order = list(dict.fromkeys(each for each in latest_first if each in versions.names))
        loaded = {name for name in order[kept:] if _is_loaded(versions.folder(name))}
        for name in order[kept:]:
            if name in loaded:
                say(f"{name} stays: a program has it loaded.")
            else:
                say(f"{name} is gone ({_remove(versions.folder(name))}).")
        sources = home / SOURCES_NAME
        if sources.is_dir():
            say(f"{SOURCES_NAME} is gone ({_remove(sources)}).")
        stay = [name for name in order if name in versions.names]
    say(f"There: {', '.join(stay)}")


def _pointer_or_problem(versions: ModelVersions) -> tuple[Pointer | None, str]:
    try:
        return versions.pointer, ""
    except ConfigurationError as error:  # the list is what helps to mend it
        return None, str(error)


def _figures(folder: Path) -> tuple[str, str, str, str, str, str]:
    try:
        model = open_model_folder(folder)
    except ConfigurationError as error:
        return ("-", "-", "-", "-", "-", str(error).split(";")[0])
    report = model.report
    quality, speed = (report.quality, report.speed) if report else (None, None)
    mended = sum(each.verdict == "mended" for each in report.findings) if report else 0
    return (
        size(model.size_bytes),
        model.weight_format or "-",
        f"{quality.agreement:.1%}" if quality and quality.agreement is not None else "-",
        f"{quality.perplexity:.2f}" if quality else "-",
        f"{speed.answer_tokens_per_second:.1f}" if speed else "-",
        _note(model, mended),
    )


def _note(model: ModelFolder, mended: int) -> str:
    parts = [model.source or ""]
    if model.revision:
        parts[0] += f"@{model.revision[:12]}"
    if mended:
        parts.append(f"{mended} mended")
    return ", ".join(filter(None, parts))


def _verify(versions: ModelVersions, name: str, progress: ProgressLine) -> bool:
    folder = versions.folder(name)
    progress.stage(f"Reading {name}")
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            progress.say(f"{name}: exported by hand, so there is nothing to compare it with")
            return True
        wrong = wrong_files(folder, manifest, lambda file: progress.update(f"Reading {name}: {file}"))
    except ValueError as error:
        wrong = [str(error)]
    progress.end()
    progress.say(f"{name}: {', '.join(wrong) if wrong else 'every file is as it was exported'}")
    return not wrong


def _require_versions(versions: ModelVersions) -> list[str]:
    names = versions.names
    if not names:
        raise ConfigurationError(
            f"there are no versions in {versions.home}; make one with `python scripts/export_model.py --output "
            f"{versions.home}`, or name another folder with --output"
        )
    return names


def _require_version(versions: ModelVersions, name: str) -> str:
    if name not in _require_versions(versions):
        raise ConfigurationError(f"there is no version {name} in {versions.home / VERSIONS_NAME}; --list shows them")
    return name


def _is_loaded(folder: Path) -> bool:
    """Whether a process of this machine has the weights mapped, as an engine has them while it lives."""
    weights = str((folder / "openvino_model.bin").resolve())
    for process in psutil.process_iter():
        try:
            if any(each.path == weights for each in process.memory_maps()):
                return True
        except (psutil.Error, OSError, AttributeError):  # it ended, is somebody else's, or the system does not tell
            continue
    return False


def _remove(folder: Path) -> str:
    freed = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and each.stat().st_nlink == 1)
    shutil.rmtree(folder)
    return size(freed)
