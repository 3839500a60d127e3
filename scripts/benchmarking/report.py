"""The files that a run of the benchmark writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarking.discord_crowd_table import discord_crowd_table
from benchmarking.drafts_table import drafts_table, oracle_table
from benchmarking.engine_run import Report
from benchmarking.engines_table import engine_names, engines_table
from benchmarking.idle_table import idle_table
from benchmarking.machine import describe_machine, describe_model
from benchmarking.measures import Figures, agreement
from benchmarking.plan import Plan
from benchmarking.returning_table import returning_table
from benchmarking.side_by_side_table import side_by_side_table
from benchmarking.table import machine_line
from bot.errors import ConfigurationError
from bot.export.timed_generation import MeasureError
from bot.model.folder import ModelFolder
from bot.prompting.tokenizer import read_json

PARTS = ("idle", "discord", "side_by_side", "returning", "drafts", "oracle")
"""What is measured without a choice of engines."""


def new_report(folder: ModelFolder, plan: Plan, gguf: Path | None = None) -> Report:
    """Return an empty report; the run adds each round's turns by engine to `rounds`, and `PARTS`.

    Args:
        gguf: the model of llama.cpp, if it is measured.
    """
    return {
        "machine": describe_machine(),
        "model": describe_model(folder),
        "gguf": None if gguf is None else {"name": gguf.name, "size_bytes": gguf.stat().st_size},
        "plan": asdict(plan),
        "rounds": [],
    }


def resumed_report(folder: ModelFolder, plan: Plan, output: Path, gguf: Path | None = None) -> Report:
    """Return a report with the whole turns and parts that an interrupted run with the same model and sizes completed.

    Raises:
        ConfigurationError: the report is missing or of another model or size.
    """
    report = new_report(folder, plan, gguf)
    earlier = read_json(output.with_suffix(".json"))
    for part in ("model", "gguf", "plan"):
        if earlier.get(part) != json.loads(json.dumps(report[part])):
            raise ConfigurationError(f"{output}.json has another {part}; leave out --resume to start over")
    report["rounds"] = [
        {name: turn for name, turn in turns.items() if turn.get("complete")} for turns in earlier["rounds"]
    ]
    for part in PARTS:
        figures = earlier.get(part, {"failed": "not measured"})
        if "failed" not in figures and figures.get("complete", True):
            report[part] = figures
    return report


def write_report(report: Report, output: Path) -> None:
    """Write `output`.json and .md, and create their folder if it is missing."""
    for turn in (turn for turns in report["rounds"] for turn in turns.values()):
        # OpenVINO knows the processor's name on every operating system.
        report["machine"]["processor"] = turn.get("device_name") or report["machine"]["processor"]
    names = engine_names(report)
    report["agreement"] = {name: _agreement(report, names[0], name) for name in names[1:]}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    output.with_suffix(".md").write_text(_markdown(report), encoding="utf-8")


def _agreement(report: Report, ours: str, theirs: str) -> Figures:
    """Compare the answers of two engines in the first round in which both answered."""
    pairs = [
        tuple(turns[name]["measures"].get("answers", {}) for name in (ours, theirs))
        for turns in report["rounds"]
        if ours in turns and theirs in turns
    ]
    first = next((pair for pair in pairs if all("ids" in each for each in pair)), ({}, {}))
    try:
        return agreement(*first)
    except MeasureError as error:
        return {"failed": str(error)}


def _markdown(report: Report) -> str:
    parts = [engines_table(report)] if engine_names(report) else []
    if "idle" in report:
        parts.append(idle_table(report["idle"], report["plan"]))
    if "discord" in report:
        parts.append(discord_crowd_table(report["discord"]))
    if "side_by_side" in report:
        parts.append(side_by_side_table(report["side_by_side"], report["plan"]))
    if "returning" in report:
        parts.append(returning_table(report["returning"], report["plan"]))
    if "drafts" in report:
        parts.append(drafts_table(report["drafts"], report["plan"]))
    if "oracle" in report:
        parts.append(oracle_table(report["oracle"]))
    return "\n".join([*parts, machine_line(report)])
