"""Converts a checkpoint to OpenVINO with the real exporter, in a child, and shows its progress."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.child_environment import child_environment
from bot.errors import ConfigurationError
from bot.export.checks import Plan
from bot.export.child_process import ChildError, run_child, without_colours
from bot.export.progress import Estimate, ProgressLine
from bot.export.recipe import Recipe
from bot.export.workspace import Workspace
from bot.sizes import size

_READ_BYTES = 4000
_HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_BAR = re.compile(r"([A-Z][\w -]+?) [━╸╺ ]+(\d+)%")

# Shares of the time of a Phi-3-mini export, in the sample's recipe on two cores.
_READING, _WRITING_COPY, _CHOOSING, _COMPRESSING, _WRITING_RESULT = 0.17, 0.10, 0.29, 0.38, 0.06
_STEPS = {"Mixed-Precision assignment": _CHOOSING, "Applying Weight Compression": _COMPRESSING}


def convert(
    source: Path, recipe: Recipe, plan: Plan, workspace: Workspace, progress: ProgressLine, *, trust_remote_code: bool
) -> None:
    """Write the workspace's model folder from a checkpoint's folder.

    Raises:
        ConfigurationError: the exporter failed.
        OSError: the disk is full.
    """
    arguments = ["export", "openvino", "--model", str(source), *recipe.arguments]
    if trust_remote_code:
        arguments.append("--trust-remote-code")
    watch = _Watch(workspace, plan)
    progress.stage("Exporting: reading the model")
    try:
        run_child(
            "bot.export.conversion_child",
            [*arguments, str(workspace.model)],
            log=workspace.log("exporter"),
            environment=_environment(recipe, workspace.temporary),
            on_poll=lambda: progress.update(watch.line()),
        )
    except ChildError as error:
        kept = workspace.keep_log("exporter")
        raise ConfigurationError(
            f"the exporter failed: {error}{_advice(str(error))}; its whole output is in {kept}"
        ) from error


def _environment(recipe: Recipe, temporary: Path) -> Mapping[str, str]:
    variables = {
        # The 16-bit copy of a large model goes there: next to the result it is measured, shown and removed.
        **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
        # NNCF then writes its progress bars into the log, where `_Watch` reads them.
        "TTY_COMPATIBLE": "1",
        "TTY_INTERACTIVE": "1",
        "COLUMNS": "100",
    }
    if not recipe.needs_dataset_download:
        return {**variables, "HF_HUB_OFFLINE": "1"}  # every file is local; asking the hub only costs time
    access = {name: os.environ[name] for name in _HUB_TOKENS if name in os.environ}
    return {**child_environment(with_network=True), **access, **variables}


def _advice(reason: str) -> str:
    """How to avoid the usual failures."""
    if "group" in reason.lower() and "size" in reason.lower():
        return " (choose a --group-size that divides the model's sizes, such as 64, or --group-size-fallback adjust)"
    if "memory" in reason.lower():
        return " (close other programs, or fetch an exported model: --prebuilt)"
    if "trust_remote_code" in reason:
        return " (add --trust-remote-code if you have read that code and trust it)"
    return ""


@dataclass(slots=True)
class _Watch:
    """Derives the exporter's progress from its files and its log."""

    workspace: Workspace
    plan: Plan
    estimate: Estimate = field(default_factory=Estimate)

    def line(self) -> str:
        step, percent = self._bar()
        copied = _bytes_of(self.workspace.temporary, "openvino_model.bin")
        if step:
            done = _READING + _WRITING_COPY + (_CHOOSING if step == "Applying Weight Compression" else 0.0)
            done += _STEPS.get(step, 0.0) * percent / 100
            return f"Exporting: {step.lower()}, {percent} %{self.estimate.left(min(done, 0.99))}"
        expected = self.plan.copy or self.plan.result
        copied = copied or _bytes_of(self.workspace.folder, "openvino_model.bin")
        if not copied:
            return "Exporting: reading the model"
        what = "the 16-bit copy" if self.plan.copy else "the result"
        done = _READING + _WRITING_COPY * min(1.0, copied / max(expected, 1))
        return f"Exporting: {what}, {size(copied)} of {size(expected)}{self.estimate.left(done)}"

    def _bar(self) -> tuple[str, int]:
        """The name and percentage of the exporter's latest progress bar."""
        log = self.workspace.log("exporter")
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _READ_BYTES))
            found = _BAR.findall(without_colours(file.read().decode("utf-8", errors="replace")))
        return (found[-1][0].strip(), int(found[-1][1])) if found else ("", 0)


def _bytes_of(folder: Path, name: str) -> int:
    total = 0
    for path in folder.rglob(name):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # the exporter has just moved it
            continue
    return total
