"""What `/model info` says of a model's version, of its export and of a version that was refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.discord_client.commands.model_info import describe_model
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.report import ExportReport, Finding, Quality, Speed
from bot.model.versions import ModelVersions
from bot.serving.service import ModelService
from tests.conversation.memory import Memory, open_memory
from tests.serving.served import make_serving
from tests.serving.versions_of_small_model import add_version, cut_off
from tests.small_model import small_model_dir

__all__ = ["small_model_dir"]

EXPORTED_AT = datetime(2026, 11, 28, 10, 15, tzinfo=UTC)
QUALITY = Quality(tokens=600, perplexity=8.314, source_perplexity=8.02, agreement=0.968, source_precision="float32")
SPEED = Speed(
    engine="paged 2026.4.1",
    device_name="Intel(R) Core(TM) i5",
    load_seconds=8.5,
    prompt_tokens_per_second=79.4,
    answer_tokens_per_second=7.94,
    peak_memory_bytes=6_000_000_000,
)
OF_EXPORTS = ("Version", "Refused", "Exported", "Quality", "Speed when exported", "Mended")


@pytest_asyncio.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    return ModelVersions(tmp_path / "home")


def report(**parts: object) -> ExportReport:
    return ExportReport.model_validate({"exported_at": EXPORTED_AT, "seconds": 412.0, **parts})


def mended(what: str, detail: str) -> Finding:
    return Finding(what=what, verdict="mended", detail=detail)


def described(serving: ModelService) -> dict[str, str]:
    """The message's rows by name."""
    message = describe_model(serving, PrometheusMetrics())
    assert len(message) <= 2000
    return dict(line.removeprefix("**").split(":** ", 1) for line in message.splitlines())


async def test_the_version_and_everything_that_its_export_found_out(
    memory: Memory, versions: ModelVersions, small_model_dir: Path
) -> None:
    findings = (
        mended("stop tokens", "<|end|> was missing"),
        Finding(what="weights", verdict="good", detail="all are there"),
        mended("chat template", "had no system message"),
        Finding(what="tokenizer", verdict="skipped", detail="no source"),
    )
    whole = report(findings=findings, quality=QUALITY, speed=SPEED)
    add_version(versions, "2026-11-28-101500-sample", small_model_dir, report=whole)
    versions.switch("2026-11-28-101500-sample")

    rows = described(make_serving(memory, versions.home))

    assert rows["Model"] == "SmolLM2-135M-Instruct"
    assert rows["Version"] == "2026-11-28-101500-sample"
    assert rows["Exported"] == f"<t:{EXPORTED_AT.timestamp():.0f}:f>"
    assert rows["Quality"] == "same next token as the source in 97 % of 600 scopes; perplexity 8.31 (source 8.02)"
    assert rows["Speed when exported"] == "7.9 tokens/s answering, 79 reading prompts, on Intel(R) Core(TM) i5"
    assert rows["Mended"] == "stop tokens: <|end|> was missing; chat template: had no system message"
    assert "Refused" not in rows


async def test_what_does_not_apply_is_left_out(memory: Memory, versions: ModelVersions, small_model_dir: Path) -> None:
    plain = described(make_serving(memory, small_model_dir))
    assert not plain.keys() & set(OF_EXPORTS)

    alone = report(quality=Quality(tokens=600, perplexity=8.3))
    add_version(versions, "alone", small_model_dir, report=alone)
    versions.switch("alone")
    rows = described(make_serving(memory, versions.home))
    assert rows.keys() & set(OF_EXPORTS) == {"Version", "Exported", "Quality"}
    assert rows["Quality"] == "perplexity 8.30"


async def test_a_version_that_was_refused_is_named_with_the_reason_and_the_way_out(
    memory: Memory, versions: ModelVersions, small_model_dir: Path
) -> None:
    add_version(versions, "first", small_model_dir)
    versions.switch("first")
    serving = make_serving(memory, versions.home)
    add_version(versions, "second", small_model_dir, damaged_by=("openvino_model.bin", cut_off))
    versions.switch("second")
    with pytest.raises(ConfigurationError):
        await serving.replace()

    rows = described(serving)

    assert rows["Version"] == "first"
    assert rows["Refused"].startswith("version second: the version second in ")
    assert "openvino_model.bin is cut off" in rows["Refused"]
    assert f"`python -m bot export --output {versions.home} --rollback`" in rows["Refused"]


async def test_it_fits_a_message_whatever_the_files_say(
    memory: Memory, versions: ModelVersions, small_model_dir: Path
) -> None:
    long = "a line\nof **any** length, 🦙 " * 200
    findings = tuple(mended(f"{number} {long}", long) for number in range(50))
    whole = report(findings=findings, quality=QUALITY, speed=SPEED.model_copy(update={"device_name": long}))
    name = "v" * 200
    add_version(versions, name, small_model_dir, report=whole)
    versions.switch(name)
    serving = make_serving(memory, versions.home)
    versions.switch("w" * 255)
    with pytest.raises(ConfigurationError):
        await serving.replace()

    rows = described(serving)

    assert rows["Version"] == name
    assert rows["Refused"].startswith(f"version {'w' * 255}: ")
    assert rows["Refused"].endswith("…")
    assert rows["Mended"].startswith("0 a line of **any** length, 🦙 a line")
    assert rows["Mended"].endswith("…")
    assert "Conversations" in rows, "the rest is told all the same"

    origin = dict.fromkeys(("name", "source", "revision", "weight_format", "recipe", "license"), long)
    everywhere = ("model_source.json", lambda _: json.dumps(origin).encode())
    add_version(versions, "x" * 255, small_model_dir, report=whole, built_with=everywhere)
    versions.switch("x" * 255)
    serving = make_serving(memory, versions.home)
    versions.switch("w" * 255)
    with pytest.raises(ConfigurationError):
        await serving.replace()
    message = describe_model(serving, PrometheusMetrics())
    assert len(message) == 2000
    assert message.endswith("…")
