"""What `/model info` says about a version, its export and a refused version."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.discord_client.commands.model_info import describe_model
from bot.engine.interface import EngineFacts
from bot.engine.observer import BatchState
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.report import ExportReport, Finding, Quality, Speed
from bot.model.versions import ModelVersions
from bot.serving.service import ModelService
from tests.conversation.memory import Memory, open_memory
from tests.model.exported_folder import write_json, write_model
from tests.phi3_tokenizer import write_phi3_tokenizer
from tests.serving.served import make_serving
from tests.serving.versions_of_small_model import add_version

EXPORTED_AT = datetime(2026, 11, 28, 10, 15, tzinfo=UTC)
FACTS = EngineFacts("openvino 2026.4.1", "CPU", "a processor", 1.0, EXPORTED_AT, process_id=7, context_tokens=4096)
QUALITY = Quality(tokens=600, perplexity=8.314, source_perplexity=8.02, agreement=0.968, source_precision="float32")
SPEED = Speed(
    engine="paged 2026.4.1",
    device_name="Intel(R) Core(TM) i5",
    load_seconds=8.5,
    prompt_tokens_per_second=79.4,
    answer_tokens_per_second=7.94,
    peak_memory_bytes=6_000_000_000,
)
EXPORT_ROWS = ("Version", "Refused version", "Exported", "Quality", "Speed (at export)", "Repairs")


@pytest_asyncio.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A model folder without a model in it: nothing here loads one."""
    folder = write_model(tmp_path / "model")
    write_phi3_tokenizer(folder)
    write_json(folder / "model_source.json", {"name": "Phi-3-mini-4k-instruct"})
    return folder


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    return ModelVersions(tmp_path / "home")


def report(**parts: object) -> ExportReport:
    return ExportReport.model_validate({"exported_at": EXPORTED_AT, "seconds": 412.0, **parts})


def repaired(what: str, detail: str) -> Finding:
    return Finding(what=what, verdict="repaired", detail=detail)


def described(
    serving: ModelService,
    *,
    for_admin: bool = True,
    outage: str | None = None,
    metrics: PrometheusMetrics | None = None,
) -> dict[str, str]:
    """The message's rows by name."""
    message = describe_model(serving, metrics or PrometheusMetrics(), outage, for_admin=for_admin)
    assert len(message) <= 2000
    return dict(line.removeprefix("**").split(":** ", 1) for line in message.splitlines())


async def test_a_version_shows_what_its_export_found(memory: Memory, versions: ModelVersions, model_dir: Path) -> None:
    findings = (
        repaired("stop tokens", "<|end|> was missing"),
        Finding(what="weights", verdict="good", detail="all are there"),
        repaired("chat template", "had no system message"),
        Finding(what="tokenizer", verdict="skipped", detail="no source"),
    )
    whole = report(findings=findings, quality=QUALITY, speed=SPEED)
    add_version(versions, "2026-11-28-101500-sample", model_dir, report=whole)
    versions.switch("2026-11-28-101500-sample")

    rows = described(make_serving(memory, versions.home))

    assert rows["Model"] == "Phi-3-mini-4k-instruct"
    assert rows["Version"] == "2026-11-28-101500-sample"
    assert rows["Exported"] == f"<t:{EXPORTED_AT.timestamp():.0f}:f>"
    assert rows["Quality"] == "agrees with its checkpoint on 97% of 600 next tokens; perplexity 8.31 (checkpoint 8.02)"
    assert rows["Speed (at export)"] == "7.9 tokens/s decode, 79 tokens/s prefill, on Intel(R) Core(TM) i5"
    assert rows["Repairs"] == "stop tokens: <|end|> was missing; chat template: had no system message"
    assert "Refused version" not in rows


async def test_empty_rows_are_left_out(memory: Memory, versions: ModelVersions, model_dir: Path) -> None:
    without_export = described(make_serving(memory, model_dir))
    assert not without_export.keys() & set(EXPORT_ROWS)

    alone = report(quality=Quality(tokens=600, perplexity=8.3))
    add_version(versions, "alone", model_dir, report=alone)
    versions.switch("alone")
    rows = described(make_serving(memory, versions.home))
    assert rows.keys() & set(EXPORT_ROWS) == {"Version", "Exported", "Quality"}
    assert rows["Quality"] == "perplexity 8.30"


async def test_a_refused_version_shows_the_reason_and_what_to_do(
    memory: Memory, versions: ModelVersions, model_dir: Path
) -> None:
    add_version(versions, "first", model_dir)
    versions.switch("first")
    serving = make_serving(memory, versions.home)
    add_version(versions, "second", model_dir, damaged_by=("openvino_model.bin", lambda weights: weights[:50]))
    versions.switch("second")
    with pytest.raises(ConfigurationError):
        await serving.replace()

    rows = described(serving)

    assert rows["Version"] == "first"
    assert rows["Refused version"].startswith("second: the version second in MODEL_DIR is incomplete: ")
    assert "openvino_model.bin is cut off" in rows["Refused version"]
    assert "`python -m bot export --output MODEL_DIR --rollback`" in rows["Refused version"]
    assert str(versions.home) not in str(rows)


async def test_members_learn_nothing_of_the_server(memory: Memory, versions: ModelVersions, model_dir: Path) -> None:
    checkpoint = versions.home.parent / "checkpoints" / "phi-3"
    built_with = ("model_source.json", lambda _: json.dumps({"source": str(checkpoint)}).encode())
    add_version(versions, "first", model_dir, built_with=built_with)
    versions.switch("first")
    serving = make_serving(memory, versions.home)
    versions.switch("second")
    with pytest.raises(ConfigurationError):
        await serving.replace()
    outage = f"unable to open database file {versions.home}"

    rows = described(serving, for_admin=False, outage=outage)
    assert rows["Refused version"] == "second cannot be used; first answers instead"
    assert rows["Source"] == "phi-3"
    assert rows["Database"] == "unavailable; what is new is stored when it is back"
    assert str(versions.home.parent) not in str(rows)

    rows = described(serving, outage=outage)
    assert (rows["Source"], rows["Database"]) == (str(checkpoint), outage)


async def test_it_fits_a_message_with_any_model_files(memory: Memory, versions: ModelVersions, model_dir: Path) -> None:
    long = "a line\nof **any** length, 🦙 " * 200
    findings = tuple(repaired(f"{number} {long}", long) for number in range(50))
    whole = report(findings=findings, quality=QUALITY, speed=SPEED.model_copy(update={"device_name": long}))
    name = "v" * 200
    add_version(versions, name, model_dir, report=whole)
    versions.switch(name)
    serving = make_serving(memory, versions.home)
    versions.switch("w" * 255)
    with pytest.raises(ConfigurationError):
        await serving.replace()

    rows = described(serving)

    assert rows["Version"] == name
    assert rows["Refused version"].startswith(f"{'w' * 255}: ")
    assert rows["Refused version"].endswith("…")
    assert rows["Repairs"].startswith("0 a line of **any** length, 🦙 a line")
    assert rows["Repairs"].endswith("…")
    assert "Questions" in rows, "the other rows are still there"

    origin = dict.fromkeys(("name", "source", "revision", "weight_format", "recipe", "license"), long)
    everywhere = ("model_source.json", lambda _: json.dumps(origin).encode())
    add_version(versions, "x" * 255, model_dir, report=whole, built_with=everywhere)
    versions.switch("x" * 255)
    serving = make_serving(memory, versions.home)
    versions.switch("w" * 255)
    with pytest.raises(ConfigurationError):
        await serving.replace()
    message = describe_model(serving, PrometheusMetrics(), None)
    assert len(message) == 2000
    assert message.endswith("…")


async def test_the_inference_precision_is_named_where_the_device_says_it(
    memory: Memory, small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = make_serving(memory, small_model_dir)
    facts = replace(FACTS, precision="bf16")
    monkeypatch.setattr(ModelService, "facts", facts)
    assert described(serving)["Inference precision"] == "bf16"
    monkeypatch.setattr(ModelService, "facts", replace(facts, precision=""))
    assert "Inference precision" not in described(serving)


async def test_a_context_shorter_than_the_models_is_told_with_its_cause(
    memory: Memory, small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = make_serving(memory, small_model_dir)
    whole = serving.folder.context_length
    monkeypatch.setattr(ModelService, "facts", replace(FACTS, context_tokens=whole))
    assert described(serving)["Context"] == f"{whole:,} tokens"
    shorter = replace(FACTS, context_tokens=1024, context_cause="no more fits into memory")
    monkeypatch.setattr(ModelService, "facts", shorter)
    assert described(serving)["Context"] == f"1,024 of the model's {whole:,} tokens (no more fits into memory)"


async def test_the_disk_cache_is_told_with_its_use(
    memory: Memory, small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, metrics = make_serving(memory, small_model_dir), PrometheusMetrics()
    monkeypatch.setattr(ModelService, "facts", FACTS)
    assert "Disk cache" not in described(serving)
    monkeypatch.setattr(ModelService, "facts", replace(FACTS, disk_cache_bytes=50_000_000_000))
    assert described(serving)["Disk cache"] == "0.0 MB of 50.00 GB used"
    metrics.of_engine().engine_stepped(BatchState(disk_used_bytes=1_234_000_000))
    metrics.prompt_read(tokens=3000, cached=2900, from_disk=2250)
    rows = described(serving, metrics=metrics)
    assert rows["Disk cache"] == "1.23 GB of 50.00 GB used; 75% of all prompt tokens came from it"
    assert rows["Prefix-cache hits"] == "97% of all prompt tokens"
    monkeypatch.setattr(ModelService, "facts", None)
    assert "Disk cache" not in described(serving, metrics=metrics)


async def test_drafts_are_told_once_there_are_any(
    memory: Memory, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, metrics = make_serving(memory, model_dir), PrometheusMetrics()
    monkeypatch.setattr(ModelService, "facts", replace(FACTS, draft_model="Phi-3-mini-FastDraft-50M-int8-ov"))
    assert "Drafts" not in described(serving, metrics=metrics)
    metrics.of_engine().engine_stepped(BatchState(drafted_tokens=1_234, accepted_tokens=876))
    rows = described(serving, metrics=metrics)
    assert rows["Drafts"] == "71% of 1,234 tokens accepted; draft model Phi-3-mini-FastDraft-50M-int8-ov"
    for facts in (FACTS, None):
        monkeypatch.setattr(ModelService, "facts", facts)
        assert described(serving, metrics=metrics)["Drafts"] == "71% of 1,234 tokens accepted"


async def test_a_draft_model_that_is_off_is_told_to_admins(
    memory: Memory, model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = make_serving(memory, model_dir, draft_model_dir=tmp_path / "draft")
    monkeypatch.setattr(ModelService, "facts", FACTS)
    assert described(serving)["Drafts"] == "the draft model is off, and the log says why"
    assert "Drafts" not in described(serving, for_admin=False)
    monkeypatch.setattr(ModelService, "facts", replace(FACTS, draft_model="Phi-3-mini-FastDraft-50M-int8-ov"))
    assert "Drafts" not in described(serving)


async def test_longropes_original_context_is_told(
    memory: Memory, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    longrope = {"rope_type": "longrope", "original_max_position_embeddings": 4096}
    write_json(model_dir / "config.json", {**config, "max_position_embeddings": 131_072, "rope_scaling": longrope})
    serving = make_serving(memory, model_dir)
    monkeypatch.setattr(ModelService, "facts", replace(FACTS, context_tokens=131_072))
    assert described(serving)["Context"] == "131,072 tokens; LongRoPE beyond 4,096"
