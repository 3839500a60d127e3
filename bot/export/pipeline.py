"""Makes a new version: plan, fetch, build, judge, publish, switch, in this order.

Nothing that answers changes before the switch, which is one atomic replacement of the pointer. An export that ends
earlier, even by `kill -9`, leaves only its hidden workspace.
"""

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
from bot.export.draft import KIND as DRAFT
from bot.export.draft import judge_draft, require_same_ids
from bot.export.exporter_support import require_exportable
from bot.export.judgement import PERPLEXITY_LIMIT, Judgement, judge
from bot.export.origin import Origin, checkpoint_origin, prebuilt_origin
from bot.export.progress import ProgressLine, duration
from bot.export.recipe import SAMPLE, Recipe
from bot.export.table import report_table
from bot.export.top_level_links import adopt_top_level_model, link_at_top_level
from bot.export.workspace import Workspace, open_workspace
from bot.model.commands import rollback_command
from bot.model.device_properties import FILE_NAME as DEVICE_PROPERTIES_NAME
from bot.model.folder import ModelFolder, open_model_folder
from bot.model.manifest import FILE_NAME as MANIFEST_NAME
from bot.model.manifest import write_manifest
from bot.model.report import FILE_NAME as REPORT_NAME
from bot.model.report import ExportReport, write_report
from bot.model.source import FILE_NAME as SOURCE_NAME
from bot.model.source import ModelSource, write_model_source

_PACKAGES = ("openvino", "openvino-tokenizers", "optimum-intel", "nncf", "torch", "transformers")
_PREBUILT = "prebuilt"
_NOT_TAKEN = frozenset({DEVICE_PROPERTIES_NAME, MANIFEST_NAME, REPORT_NAME, SOURCE_NAME})


@dataclass(frozen=True, slots=True)
class Order:
    """What the admin asks for.

    Attributes:
        model: a folder or a hub id.
        home: the folder with versions.
        revision: of the hub's repository; None is its main branch.
        prebuilt: fetch a model that is already exported; the recipe does not apply.
        draft_for: fetch a draft model for this one; None fetches or exports a model.
        trust_remote_code: run the model's own Python code.
        dry_run: print the plan and stop.
        switch: make the new version the current one.
        with_quality: measure how well it predicts text, and choose its group size of dynamic quantization.
        perplexity_limit: refuse a model whose perplexity is more than this many times its source's.
    """

    model: str
    home: Path
    revision: str | None = None
    recipe: Recipe = SAMPLE
    prebuilt: bool = False
    draft_for: ModelFolder | None = None
    trust_remote_code: bool = False
    dry_run: bool = False
    switch: bool = True
    with_quality: bool = True
    perplexity_limit: float = PERPLEXITY_LIMIT


def make_version(order: Order, progress: ProgressLine) -> str | None:
    """Make, judge and publish a new version, and switch to it.

    Returns:
        its name; None for a dry run.

    Raises:
        ConfigurationError: it cannot be made, or is refused. The current version is unchanged.
    """
    started = time.monotonic()
    progress.stage(f"Checking {order.model}")
    origin, plan = _plan_fetch(order) if order.prebuilt else _plan_export(order)
    progress.end()
    _show_plan(order, origin, plan, progress)
    require_room(plan, order.home)
    if order.dry_run:
        progress.say("Nothing was done (--dry-run).")
        return None
    with open_workspace(order.home, progress.say) as workspace:
        origin.fetch(progress)
        _build(order, origin, plan, workspace, progress)
        judgement = _judge(order, origin, workspace, progress)
        report = _report(judgement, time.monotonic() - started)
        name = _publish(order, origin, report, workspace, progress)
        if order.switch:
            _switch(workspace, name, progress)
        _show_result(order, name, report, workspace, progress, started)
        _release_download(order, origin, progress)
        return name


def _plan_export(order: Order) -> tuple[Origin, Plan]:
    order.recipe.check()
    require_packages(order.recipe)
    origin, checkpoint = checkpoint_origin(
        order.model, order.revision, order.home, trust_remote_code=order.trust_remote_code
    )
    checkpoint.require_language_model(trust_remote_code=order.trust_remote_code)
    require_exportable(checkpoint.name, checkpoint.config_content)
    order.recipe.check_width(checkpoint.config.hidden_size)
    return origin, plan_export(checkpoint, order.recipe, origin.download)


def _plan_fetch(order: Order) -> tuple[Origin, Plan]:
    origin = prebuilt_origin(order.model, order.revision, order.home)
    assert origin.repository is not None  # it comes from the hub
    model_bytes = origin.repository.bytes
    if order.draft_for is not None:
        require_same_ids(origin.repository, order.draft_for)
        model_bytes += order.draft_for.size_bytes
    return origin, plan_fetch(model_bytes, origin.download)


def _show_plan(order: Order, origin: Origin, plan: Plan, progress: ProgressLine) -> None:
    what = "fetch" if order.prebuilt else "export"
    how = "as it was exported" if order.prebuilt else f"with {' '.join(order.recipe.arguments)}"
    if order.draft_for is not None:
        how = f"as a draft model for {order.draft_for.title}"
    for line in (f"Plan: {what} {origin.source.source} {how}", *describe_plan(plan, order.home)):
        progress.say(line)


def _build(order: Order, origin: Origin, plan: Plan, workspace: Workspace, progress: ProgressLine) -> None:
    if order.prebuilt:
        _link_files(origin.folder, workspace.model)
    else:
        trust = order.trust_remote_code
        convert(origin.folder, order.recipe, plan, workspace, progress, trust_remote_code=trust)


def _link_files(fetched: Path, model: Path) -> None:
    """Link what was fetched into the new model folder; a repair replaces a file and never writes into it.

    Another machine's report, properties and manifest stay behind: the model is judged here.
    """
    model.mkdir()
    for path in fetched.iterdir():
        if path.is_file() and path.name not in _NOT_TAKEN:
            (model / path.name).hardlink_to(path)


def _judge(order: Order, origin: Origin, workspace: Workspace, progress: ProgressLine) -> Judgement:
    if order.draft_for is not None:
        return judge_draft(workspace.model, order.draft_for, progress.stage)
    return judge(
        workspace,
        None if order.prebuilt else origin.folder,
        progress,
        trust_remote_code=order.trust_remote_code,
        with_quality=order.with_quality,
        perplexity_limit=order.perplexity_limit,
    )


def _report(judgement: Judgement, seconds: float) -> ExportReport:
    return ExportReport(
        exported_at=datetime.now(UTC),
        seconds=seconds,
        findings=judgement.findings,
        quality=judgement.quality,
        speed=judgement.speed,
        packages={name: found for name in _PACKAGES if (found := _version(name))},
    )


def _publish(order: Order, origin: Origin, report: ExportReport, workspace: Workspace, progress: ProgressLine) -> str:
    progress.stage("Writing the manifest")
    write_model_source(workspace.model, _described(origin.source, order))
    write_report(workspace.model, report)
    write_manifest(workspace.model)
    kind = DRAFT if order.draft_for is not None else _PREBUILT if order.prebuilt else order.recipe.name
    name = f"{report.exported_at:%Y-%m-%d-%H%M%S}-{kind}"
    workspace.publish(name)
    progress.end()
    return name


def _described(source: ModelSource, order: Order) -> ModelSource:
    """Add the recipe where nothing compressed the weights; a compressed model holds it itself."""
    if order.prebuilt or order.recipe.is_compressed:
        return source
    return replace(
        source, weight_format=order.recipe.weight_format, recipe=f"{order.recipe.weight_format}, uncompressed"
    )


def _switch(workspace: Workspace, name: str, progress: ProgressLine) -> None:
    versions = workspace.versions
    versions.switch(name, adopted=adopt_top_level_model(versions))
    link_at_top_level(versions, name, progress.say)


def _show_result(
    order: Order, name: str, report: ExportReport, workspace: Workspace, progress: ProgressLine, started: float
) -> None:
    for line in report_table(open_model_folder(workspace.versions.folder(name)), report):
        progress.say(line)
    took = duration(time.monotonic() - started)
    if not order.switch:
        progress.say(f"{name} is ready ({took}); `{rollback_command(order.home, name)}` switches to it.")
    elif order.draft_for is not None:
        progress.say(f"{name} is the current version ({took}). To draft with it, set this in .env and restart the bot:")
        progress.say(f"DRAFT_MODEL_DIR={order.home}")
    else:
        progress.say(f"{name} is the current version ({took}). A running bot switches to it; --rollback switches back.")


def _release_download(order: Order, origin: Origin, progress: ProgressLine) -> None:
    if origin.repository is None:
        return
    if order.prebuilt:
        shutil.rmtree(origin.folder)  # the version holds its files
        with suppress(OSError):  # not empty: other downloads are there
            origin.folder.parent.rmdir()
    else:
        progress.say(f"The checkpoint stays in {origin.folder} for other recipes; --prune removes it.")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
