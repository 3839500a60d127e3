"""The files that a run of the benchmark writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarking.discord_crowd_table import discord_crowd_table
from benchmarking.drafts_table import drafts_table, oracle_table
from benchmarking.engine_run import Report
from benchmarking.idle_table import idle_table
from benchmarking.machine import describe_machine, describe_model
from benchmarking.measures import agreement
from benchmarking.plan import Plan
from benchmarking.returning_table import returning_table
from benchmarking.table import machine_line, markdown_table
from bot.errors import ConfigurationError
from bot.export.timed_generation import MeasureError
from bot.model.folder import ModelFolder
from bot.prompting.tokenizer import read_json

PARTS = ("idle", "discord", "returning", "drafts", "oracle")
"""What is measured without a choice of engines."""


def new_report(folder: ModelFolder, plan: Plan) -> Report:
    """Return an empty report; the run fills `engines` and adds `PARTS`."""
    return {"machine": describe_machine(), "model": describe_model(folder), "plan": asdict(plan), "engines": {}}


def resumed_report(folder: ModelFolder, plan: Plan, output: Path) -> Report:
    """Return a report with what an interrupted run with the same model and sizes has completed.

    Raises:
        ConfigurationError: the report is missing or of another model or size.
    """
    report = new_report(folder, plan)
    earlier = read_json(output.with_suffix(".json"))
    for part in ("model", "plan"):
        if earlier.get(part) != json.loads(json.dumps(report[part])):
            raise ConfigurationError(f"{output}.json has another {part}; leave out --resume to start over")
    report["engines"] = {name: each for name, each in earlier["engines"].items() if each.get("complete")}
    for part in PARTS:
        figures = earlier.get(part, {"failed": "not measured"})
        if "failed" not in figures and figures.get("complete", True):
            report[part] = figures
    return report


def write_report(report: Report, output: Path) -> None:
    """Write `output`.json and .md, and create their folder if it is missing."""
    engines = list(report["engines"].values())
    for engine in engines:
        # OpenVINO knows the processor's name on every operating system.
        report["machine"]["processor"] = engine.get("device_name", report["machine"]["processor"])
    if len(engines) > 1:
        first, last = (engine["measures"].get("answers", {}) for engine in (engines[0], engines[-1]))
        try:
            report["agreement"] = agreement(first, last)
        except MeasureError as error:
            report["agreement"] = {"failed": str(error)}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_markdown(report), encoding="utf-8")


def _markdown(report: Report) -> str:
    parts = [markdown_table(report)] if report["engines"] else []
    if "idle" in report:
        parts.append(idle_table(report["idle"], report["plan"]))
    if "discord" in report:
        parts.append(discord_crowd_table(report["discord"]))
    if "returning" in report:
        parts.append(returning_table(report["returning"], report["plan"]))
    if "drafts" in report:
        parts.append(drafts_table(report["drafts"], report["plan"]))
    if "oracle" in report:
        parts.append(oracle_table(report["oracle"]))
    return "\n".join([*parts, machine_line(report)])
