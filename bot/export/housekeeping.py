"""Lists, verifies, rolls back and prunes the versions of a model."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil

from bot.errors import ConfigurationError
from bot.export.draft import is_draft
from bot.export.progress import ProgressLine
from bot.export.table import columns
from bot.export.top_level_links import link_at_top_level
from bot.export.workspace import SOURCES_NAME, lock_versions
from bot.model.folder import ModelFolder, open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.versions import VERSIONS_NAME, ModelVersions, Pointer
from bot.own_command import own_command
from bot.sizes import size

KEPT = 2
"""Versions that `--prune` keeps by default: the current one and the one to roll back to."""


def list_versions(home: Path, say: Callable[[str], None]) -> None:
    """Print a table of all versions with their figures."""
    versions = ModelVersions(home)
    names = _require_versions(versions)
    pointer, problem = _pointer_or_problem(versions)
    rows = [("", "version", "size", "weights", "agreement", "perplexity", "tokens/s", "note")]
    for name in names:
        state = "->" if pointer is not None and name == pointer.current else ""
        rows.append((state, name, *_figures(versions.folder(name))))
    for line in columns(rows):
        say(line)
    if pointer is not None:
        back = next((each for each in pointer.before if each in names), None)
        say(
            f"-> is current; --rollback switches to {back}."
            if back
            else "-> is current; --rollback has no other version."
        )
    elif problem:
        say(f"Note: {problem}")


def verify_versions(home: Path, version: str | None, progress: ProgressLine) -> bool:
    """Compare the files of one version, or of all for None, with their manifests; return whether they match."""
    versions = ModelVersions(home)
    names = _require_versions(versions) if version is None else [_require_version(versions, version)]
    results = [_verify(versions, name, progress) for name in names]
    return all(results)


def roll_back(home: Path, version: str | None, progress: ProgressLine) -> None:
    """Switch to the previous version, or to the one that is named, if it matches its manifest.

    Raises:
        ConfigurationError: it does not exist or is damaged. The current version is unchanged.
    """
    versions = ModelVersions(home)
    _require_versions(versions)
    with lock_versions(home):
        target = _require_version(versions, version) if version else versions.previous
        if not _verify(versions, target, progress):
            raise ConfigurationError(
                f"{target} is damaged, so the current version stays; choose another: --rollback VERSION (see --list)"
            )
        open_model_folder(versions.folder(target))
        if version:
            versions.switch(target)
        else:
            versions.roll_back()
        link_at_top_level(versions, target, progress.say)
    taken = (
        "A running bot drafts with it after a restart."
        if is_draft(target)
        else "A running bot switches to it by itself."
    )
    progress.say(f"{target} is the current version. {taken}")


def prune_versions(home: Path, kept: int, say: Callable[[str], None]) -> None:
    """Remove old versions and downloaded checkpoints.

    Keeps the current version, those that a running program has loaded, and the latest others up to `kept`.

    Args:
        kept: how many versions to keep, the current one included; at least 1.
        say: receives a line for each version.
    """
    versions = ModelVersions(home)
    _require_versions(versions)
    with lock_versions(home):
        pointer = versions.pointer
        if pointer is None:
            raise ConfigurationError(f"no version in {home} is current yet; choose one first: --rollback VERSION")
        latest_first = [pointer.current, *pointer.before, *reversed(versions.names)]
        order = list(dict.fromkeys(each for each in latest_first if each in versions.names))
        loaded = {name for name in order[kept:] if _is_loaded(versions.folder(name))}
        for name in order[kept:]:
            if name in loaded:
                say(f"Kept {name}: a program has it loaded.")
            else:
                say(f"Removed {name} ({_remove(versions.folder(name))}).")
        sources = home / SOURCES_NAME
        if sources.is_dir():
            say(f"Removed {SOURCES_NAME} ({_remove(sources)}).")
        left = [name for name in order if name in versions.names]
    say(f"Versions left: {', '.join(left)}")


def _pointer_or_problem(versions: ModelVersions) -> tuple[Pointer | None, str]:
    try:
        return versions.pointer, ""
    except ConfigurationError as error:  # the list shows what to switch to instead
        return None, str(error)


def _figures(folder: Path) -> tuple[str, str, str, str, str, str]:
    try:
        model = open_model_folder(folder)
    except ConfigurationError as error:
        return ("-", "-", "-", "-", "-", str(error).split(";")[0])
    report = model.report
    quality, speed = (report.quality, report.speed) if report else (None, None)
    repaired = sum(each.verdict == "repaired" for each in report.findings) if report else 0
    return (
        size(model.size_bytes),
        model.weight_format or "-",
        f"{quality.agreement:.1%}" if quality and quality.agreement is not None else "-",
        f"{quality.perplexity:.2f}" if quality else "-",
        f"{speed.answer_tokens_per_second:.1f}" if speed else "-",
        _note(model, repaired),
    )


def _note(model: ModelFolder, repaired: int) -> str:
    parts = [model.source or ""]
    if model.revision:
        parts[0] += f"@{model.revision[:12]}"
    if repaired:
        parts.append(f"{repaired} repaired")
    return ", ".join(filter(None, parts))


def _verify(versions: ModelVersions, name: str, progress: ProgressLine) -> bool:
    folder = versions.folder(name)
    progress.stage(f"Verifying {name}")
    try:
        manifest = read_manifest(folder)
        if manifest is None:
            progress.say(f"{name}: has no manifest to compare with (exported by hand)")
            return True
        wrong = wrong_files(folder, manifest, lambda file: progress.update(f"Verifying {name}: {file}"))
    except ValueError as error:
        wrong = [str(error)]
    progress.end()
    progress.say(f"{name}: {', '.join(wrong) if wrong else 'all files match the manifest'}")
    return not wrong


def _require_versions(versions: ModelVersions) -> list[str]:
    names = versions.names
    if not names:
        raise ConfigurationError(
            f"there are no versions in {versions.home}; export one with "
            f"`{own_command('export', '--output', str(versions.home))}`, "
            "or name another folder with --output"
        )
    return names


def _require_version(versions: ModelVersions, name: str) -> str:
    if name not in _require_versions(versions):
        raise ConfigurationError(f"there is no version {name} in {versions.home / VERSIONS_NAME}; --list shows them")
    return name


def _is_loaded(folder: Path) -> bool:
    """Whether a process on this machine maps the weights, as every running engine does."""
    weights = str((folder / "openvino_model.bin").resolve())
    for process in psutil.process_iter():
        try:
            if any(each.path == weights for each in process.memory_maps()):
                return True
        except (psutil.Error, OSError, AttributeError):  # it ended, is another user's, or the system cannot say
            continue
    return False


def _remove(folder: Path) -> str:
    freed = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and each.stat().st_nlink == 1)
    shutil.rmtree(folder)
    return size(freed)
