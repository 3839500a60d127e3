"""The pointer changes under a running bot: a good version answers next, a bad one never does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.demo.loopback import LoopbackDiscord
from bot.model.report import ExportReport, Quality
from bot.model.versions import ModelVersions
from bot.serving.service import ModelService
from tests.end_to_end.commands import model_info
from tests.end_to_end.stage import Stage, online, until
from tests.serving.served import broken, process_id
from tests.serving.versions_of_small_model import Change, add_version, cut_off, with_another_bit

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = 4000  # takes longer than any takeover
REPORT = ExportReport(
    exported_at=datetime(2026, 11, 28, tzinfo=UTC),
    seconds=60,
    quality=Quality(tokens=600, perplexity=8.31, source_perplexity=8.02, agreement=0.97),
)


@pytest.fixture(scope="module")
def versions(small_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelVersions:
    """Two good versions, the first of which answers, and one whose weights changed after the export."""
    versions = ModelVersions(tmp_path_factory.mktemp("models") / "home")
    add_version(versions, "first", small_model_dir)
    add_version(versions, "second", small_model_dir, report=REPORT)
    add_version(versions, "corrupted", small_model_dir, damaged_by=("openvino_model.bin", with_another_bit))
    versions.switch("first")
    return versions


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(versions: ModelVersions) -> AsyncIterator[Stage]:
    """A bot that serves them."""
    async with online(versions.home, max_new_tokens=LONGEST) as stage:
        yield stage


def serving(stage: Stage) -> ModelService:
    return stage.bot.application.serving


async def until_answers(stage: Stage, version: str) -> None:
    await until(lambda: serving(stage).folder.version == version)


async def switch_while_answering(stage: Stage, switch: Callable[[], object], version: str) -> None:
    """Switch the version while a long answer streams, and check that everything else continues."""
    known = await stage.fresh_channel("known")
    await stage.ask(stage.ada, known, "What is the capital of France?")
    next_prompt = await stage.next_prompt(known, "And of Italy?")
    old = process_id(serving(stage))
    channel, question = await stage.endless_answer(stage.ada)

    switch()
    await until_answers(stage, version)

    assert process_id(serving(stage)) != old
    await stage.goes_on(question)
    assert psutil.pid_exists(old)
    assert await stage.ask(stage.grace, await stage.fresh_channel("meanwhile"), "What is the capital of Spain?")
    *_, last = await stage.stop(stage.ada, channel, question)
    assert last["content"].endswith("\n-# Stopped.")
    assert len(await stage.remembered(channel)) == 1
    await until(lambda: not psutil.pid_exists(old))

    assert await stage.next_prompt(known, "And of Italy?") == next_prompt
    await stage.ask(stage.ada, known, "And of Italy?")
    assert await stage.questions(known) == ["What is the capital of France?", "And of Italy?"]
    assert stage.bot.application.metrics.restarts == 0
    assert not stage.bot.task.done()


async def test_a_new_version_answers_next(stage: Stage, versions: ModelVersions) -> None:
    info = await model_info(stage)
    assert "**Version:** first\n" in info
    assert "**Exported:**" not in info

    await switch_while_answering(stage, lambda: versions.switch("second"), "second")
    info = await model_info(stage)
    assert "**Version:** second\n" in info
    assert f"**Exported:** <t:{REPORT.exported_at.timestamp():.0f}:f>\n" in info
    assert (
        "**Quality:** agrees with its checkpoint on 97% of 600 next tokens; perplexity 8.31 (checkpoint 8.02)\n" in info
    )


async def test_rolling_back_works_the_same(stage: Stage, versions: ModelVersions) -> None:
    versions.switch("first")
    versions.switch("second")
    await until_answers(stage, "second")
    await switch_while_answering(stage, versions.roll_back, "first")
    assert "**Version:** first\n" in await model_info(stage)


async def test_a_corrupted_version_never_answers(
    stage: Stage, versions: ModelVersions, caplog: pytest.LogCaptureFixture
) -> None:
    old, version = process_id(serving(stage)), serving(stage).folder.version
    assert version is not None

    versions.switch("corrupted")
    await until(lambda: serving(stage).refusal is not None)

    assert process_id(serving(stage)) == old
    assert await stage.ask(stage.ada, await stage.fresh_channel("good"), "What is the capital of France?")
    assert f"**Refused version:** corrupted cannot be used; {version} answers instead\n" in await model_info(stage)
    info = await model_info(stage, stage.ada)
    assert f"**Version:** {version}\n" in info
    assert "**Refused version:** corrupted: the version corrupted in MODEL_DIR is damaged: " in info
    assert "openvino_model.bin has changed (its SHA-256 differs); go back with `python -m bot export" in info

    assert versions.roll_back() == version
    await until(lambda: serving(stage).refusal is None)
    assert "Refused" not in await model_info(stage)
    assert process_id(serving(stage)) == old
    assert await stage.ask(stage.ada, await stage.fresh_channel("well"), "What is the capital of France?")
    [warning] = [record for record in caplog.records if record.name == "bot.serving.version_watcher"]
    assert (
        "version=corrupted serving=SmolLM2-135M-Instruct (first) reason=the version corrupted in "
        in warning.getMessage()
    )


async def test_a_damaged_pointer_is_logged_and_the_next_version_loaded(
    stage: Stage, versions: ModelVersions, caplog: pytest.LogCaptureFixture
) -> None:
    old = process_id(serving(stage))
    version = "second" if serving(stage).folder.version == "first" else "first"

    (versions.home / "current.json").write_text('{"current": "fir', encoding="utf-8")
    await until(lambda: "current.json cannot be read (it is damaged)" in caplog.text)
    assert await stage.ask(stage.ada, await stage.fresh_channel("damaged"), "What is the capital of France?")
    assert process_id(serving(stage)) == old

    versions.switch(version)
    await until_answers(stage, version)
    assert await stage.ask(stage.ada, await stage.fresh_channel("repaired"), "What is the capital of France?")
    assert caplog.text.count("cannot be read") == 1


@pytest.mark.parametrize(
    ("built_with", "damaged_by", "reason"),
    [
        (None, ("openvino_model.bin", cut_off), "is incomplete: openvino_model.bin is cut off"),
        (("openvino_model.xml", broken), None, "does not load: "),
    ],
    ids=["not complete", "the engine refuses it"],
)
async def test_a_restart_with_a_bad_version_answers_with_the_previous_one(
    tiny_chat_model_dir: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    built_with: tuple[str, Change] | None,
    damaged_by: tuple[str, Change] | None,
    reason: str,
) -> None:
    versions = ModelVersions(tmp_path / "home")
    add_version(versions, "before", tiny_chat_model_dir)
    versions.switch("before")
    add_version(versions, "bad", tiny_chat_model_dir, built_with=built_with, damaged_by=damaged_by)
    settings = {"data_dir": tmp_path / "data", "max_new_tokens": 20}
    async with LoopbackDiscord() as discord:
        async with online(versions.home, discord, **settings) as stage:
            channel = await stage.fresh_channel("lasting")
            await stage.ask(stage.ada, channel, "What is the capital of France?")
        caplog.clear()

        versions.switch("bad")
        async with online(versions.home, discord, **settings) as stage:
            process = process_id(serving(stage))
            await stage.ask(stage.ada, channel, "And of Italy?")
            assert len(await stage.remembered(channel)) == 2
            assert "**Version:** before\n**Refused version:** bad: " in await model_info(stage, stage.ada)
            [warning] = [line for line in caplog.messages if line.startswith("Version refused: version=bad serving=")]
            assert reason in warning

            versions.switch("before")
            await until(lambda: serving(stage).refusal is None)
            assert process_id(serving(stage)) == process
