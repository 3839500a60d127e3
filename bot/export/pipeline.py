"""A new version from the first check to the switch."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bot.export.checks import Plan, describe_plan, plan_export, plan_fetch, require_packages, require_room
from bot.export.conversion import convert
from bot.export.judgement import PERPLEXITY_LIMIT, judge
from bot.export.origin import Origin, checkpoint_origin, prebuilt_origin
from bot.export.progress import ProgressLine, duration
from bot.export.recipe import SAMPLE, Recipe
from bot.export.table import report_table
from bot.export.top_level_links import adopt_top_level_model, link_at_top_level
from bot.export.workspace import Workspace, open_workspace
from bot.model.folder import open_model_folder
from bot.model.manifest import FILE_NAME as MANIFEST_NAME
from bot.model.manifest import write_manifest
from bot.model.report import FILE_NAME as REPORT_NAME
from bot.model.report import ExportReport, write_report
from bot.model.source import FILE_NAME as SOURCE_NAME
from bot.model.source import ModelSource, write_model_source

_PACKAGES = ("openvino", "openvino-tokenizers", "optimum-intel", "nncf", "torch", "transformers")
_PREBUILT = "prebuilt"
_FINDINGS = frozenset({MANIFEST_NAME, REPORT_NAME, SOURCE_NAME})


@dataclass(frozen=True, slots=True)
class Order:
    """What the admin wants.

    Attributes:
        model: a folder or a hub id.
        home: the folder with versions.
        revision: of the hub's repository.
        recipe: how weights are stored.
        prebuilt: the model was exported already; the recipe does not matter.
        trust_remote_code: let the model's own Python code run.
        dry_run: only say what would be done and what it takes.
        switch: let the new version answer.
        with_quality: measure how well it predicts text.
        perplexity_limit: how many times the source's its perplexity may be.
    """

    model: str
    home: Path
    revision: str | None = None
    recipe: Recipe = SAMPLE
    prebuilt: bool = False
    trust_remote_code: bool = False
    dry_run: bool = False
    switch: bool = True
    with_quality: bool = True
    perplexity_limit: float = PERPLEXITY_LIMIT


def make_version(order: Order, progress: ProgressLine) -> str | None:
    """Make a new version, judge it, and let it answer.

    Returns:
        its name; None for a dry run.

    Raises:
        ConfigurationError: it cannot be made or is not good. What answers is as it was.
    """
    started = time.monotonic()
    progress.stage(f"Looking at {order.model}")
    origin, plan = _prebuilt_plan(order) if order.prebuilt else _export_plan(order)
    progress.end()
    what = "is fetched as it was exported" if order.prebuilt else f"is exported: {' '.join(order.recipe.arguments)}"
    for line in (f"{origin.source.source} {what}", *describe_plan(plan, order.home)):
        progress.say(line)
    require_room(plan, order.home)
    if order.dry_run:
        progress.say("Nothing was done (--dry-run).")
        return None
    with open_workspace(order.home, progress.say) as workspace:
        origin.fetch(progress)
        if order.prebuilt:
            _take_files(origin.folder, workspace.model)
        else:
            convert(
                origin.folder,
                order.recipe,
                plan,
                workspace,
                progress,
                trust_remote_code=order.trust_remote_code,
            )
        return _finish(order, origin, workspace, progress, started)


def _export_plan(order: Order) -> tuple[Origin, Plan]:
    order.recipe.check()
    require_packages(order.recipe)
    origin, checkpoint = checkpoint_origin(
        order.model, order.revision, order.home, trust_remote_code=order.trust_remote_code
    )
    checkpoint.require_language_model(trust_remote_code=order.trust_remote_code)
    return origin, plan_export(checkpoint, order.recipe, origin.download)


def _prebuilt_plan(order: Order) -> tuple[Origin, Plan]:
    origin = prebuilt_origin(order.model, order.revision, order.home)
    assert origin.repository is not None  # it comes from the hub
    return origin, plan_fetch(origin.repository.bytes, origin.download)


def _take_files(fetched: Path, model: Path) -> None:
    """Link what was fetched into the model folder in the making; what is mended there is written anew.

    What an earlier export found out about it, on another machine, is left: it is judged here.
    """
    model.mkdir()
    for path in fetched.iterdir():
        if path.is_file() and path.name not in _FINDINGS:
            (model / path.name).hardlink_to(path)


def _finish(order: Order, origin: Origin, workspace: Workspace, progress: ProgressLine, started: float) -> str:
    judgement = judge(
        workspace,
        None if order.prebuilt else origin.folder,
        progress,
        trust_remote_code=order.trust_remote_code,
        with_quality=order.with_quality,
        perplexity_limit=order.perplexity_limit,
    )
    report = ExportReport(
        exported_at=datetime.now(UTC),
        seconds=time.monotonic() - started,
        findings=judgement.findings,
        quality=judgement.quality,
        speed=judgement.speed,
        packages={name: found for name in _PACKAGES if (found := _version(name))},
    )
    progress.stage("Writing the manifest")
    write_model_source(workspace.model, _described(origin.source, order))
    write_report(workspace.model, report)
    write_manifest(workspace.model)
    name = f"{report.exported_at:%Y-%m-%d-%H%M%S}-{_PREBUILT if order.prebuilt else order.recipe.name}"
    workspace.finish(name)
    progress.end()
    if order.switch:
        _switch(workspace, name, progress)
    for line in report_table(open_model_folder(workspace.versions.folder(name)), report):
        progress.say(line)
    _tell(order, origin, name, progress, started)
    return name


def _switch(workspace: Workspace, name: str, progress: ProgressLine) -> None:
    versions = workspace.versions
    versions.switch(name, adopted=adopt_top_level_model(versions))
    link_at_top_level(versions, name, progress.say)


def _described(source: ModelSource, order: Order) -> ModelSource:
    """The weights' recipe stands in the model itself, but for those that nothing compressed."""
    if order.prebuilt or order.recipe.is_compressed:
        return source
    return replace(
        source, weight_format=order.recipe.weight_format, recipe=f"{order.recipe.weight_format}, uncompressed"
    )


def _tell(order: Order, origin: Origin, name: str, progress: ProgressLine, started: float) -> None:
    took = duration(time.monotonic() - started)
    if order.switch:
        progress.say(f"{name} answers from now on ({took}). A running bot takes it up by itself; --rollback goes back.")
    else:
        progress.say(f"{name} is ready ({took}); --rollback {name} lets it answer.")
    if origin.repository is None:
        return
    if order.prebuilt:
        shutil.rmtree(origin.folder)  # the version holds its files
        with suppress(OSError):  # others are there
            origin.folder.parent.rmdir()
    else:
        progress.say(f"The checkpoint stays in {origin.folder} for other recipes; --prune removes it.")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
