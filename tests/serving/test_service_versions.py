"""The bot starts with the latest version that works, and refuses a version that its manifest does not match."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.engine.interface import FinishReason
from bot.errors import ConfigurationError
from bot.model.manifest import write_manifest
from bot.model.versions import ModelVersions
from bot.own_command import own_command
from bot.serving.service import ModelService
from tests.conversation.memory import Memory
from tests.serving.served import answered, broken, engines, make_serving, process_id
from tests.serving.versions_of_small_model import add_version, change_file, cut_off, with_another_bit

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNLOADABLE = ("openvino_model.xml", broken)


def repaired(graph: bytes) -> bytes:
    return graph.replace(b"NoSuchOperation", b"MatMul")


def shorter(content: bytes) -> bytes:
    return content[:-1]


@pytest.fixture
def versions(chat_model_dir: Path, tmp_path: Path) -> ModelVersions:
    """One good version, which is current."""
    versions = ModelVersions(tmp_path / "home")
    add_version(versions, "first", chat_model_dir)
    versions.switch("first")
    return versions


@asynccontextmanager
async def started(memory: Memory, versions: ModelVersions) -> AsyncIterator[ModelService]:
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        await serving.start(lambda _: None)
        yield serving
    finally:
        await serving.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings, except for the cache that is short on purpose."""
    messages = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [line for line in messages if not line.startswith("Context shortened: ")]


async def test_the_bot_does_not_start_with_an_incomplete_version(
    memory: Memory, versions: ModelVersions, chat_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("second", "third"):
        add_version(versions, name, chat_model_dir, damaged_by=("tokenizer.json", cut_off))
        versions.switch(name)

    async with started(memory, versions) as serving:
        assert serving.folder.version == "first"
        assert serving.folder.path == versions.folder("first")
        assert await answered(serving) is FinishReason.LENGTH
        assert serving.refusal is not None
        assert serving.refusal.choice == versions.choice

    [line] = warnings(caplog)
    assert line.startswith(
        "Version refused: version=third serving=tiny-chat (first) reason=the version third in "
        f"{versions.home} is incomplete: tokenizer.json has 1000 bytes, not "
    )
    assert line.endswith(serving.refusal.reason)


async def test_the_bot_falls_back_if_the_engine_refuses_a_version(
    memory: Memory, versions: ModelVersions, chat_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = engines()
    add_version(versions, "second", chat_model_dir, built_with=UNLOADABLE)
    versions.switch("second")

    async with started(memory, versions) as serving:
        assert serving.folder.version == "first"
        assert engines() - before == {process_id(serving)}
        assert await answered(serving) is FinishReason.LENGTH
        [line] = warnings(caplog)
        assert "version=second serving=tiny-chat (first) reason=the model in " in line
        assert "NoSuchOperation" in line

        with pytest.raises(ConfigurationError, match="NoSuchOperation"):
            await serving.replace()
        assert serving.folder.version == "first"
        change_file(versions.folder("second") / "openvino_model.xml", repaired)
        write_manifest(versions.folder("second"))
        assert (await serving.replace()).startswith("tiny-chat (second) answers now. ")
        assert serving.folder.version == "second"
        assert serving.refusal is None
    assert engines() <= before


async def test_the_bot_does_not_start_with_a_changed_version(
    memory: Memory, versions: ModelVersions, chat_model_dir: Path
) -> None:
    before = engines()
    add_version(versions, "second", chat_model_dir, damaged_by=("openvino_model.bin", with_another_bit))
    versions.switch("second")
    async with started(memory, versions) as serving:
        assert serving.folder.version == "first"
        assert engines() - before == {process_id(serving)}, "the refused version's engine has ended"
        assert await answered(serving) is FinishReason.LENGTH
        assert serving.refusal is not None
        assert "openvino_model.bin has changed (its SHA-256 differs)" in serving.refusal.reason
    assert engines() <= before


async def test_closing_stops_the_verification(memory: Memory, versions: ModelVersions) -> None:
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    await serving.close()
    with pytest.raises(ConfigurationError, match="the bot is shutting down"):
        await serving.replace()


async def test_if_no_version_works_the_error_is_the_current_ones(
    memory: Memory, chat_model_dir: Path, tmp_path: Path
) -> None:
    before = engines()
    versions = ModelVersions(tmp_path / "home")
    for name, damage in (("first", ("config.json", shorter)), ("second", None), ("third", None)):
        add_version(versions, name, chat_model_dir, built_with=UNLOADABLE, damaged_by=damage)
        versions.switch(name)
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        with pytest.raises(ConfigurationError, match="NoSuchOperation") as raised:
            await serving.start(lambda _: None)
    finally:
        await serving.close()
    assert str(versions.folder("third")) in str(raised.value)
    assert engines() <= before

    change_file(versions.folder("third") / "openvino_model.bin", cut_off)
    change_file(versions.folder("second") / "tokenizer.json", cut_off)
    with pytest.raises(ConfigurationError, match=r"version third in .* is incomplete: openvino_model\.bin is cut"):
        make_serving(memory, versions.home)


async def test_a_file_changed_after_the_export_is_named_and_nothing_else_changes(
    memory: Memory, versions: ModelVersions, chat_model_dir: Path
) -> None:
    template = "tokenizer_config.json"
    add_version(versions, "second", chat_model_dir, damaged_by=("openvino_model.bin", with_another_bit))
    add_version(versions, "third", chat_model_dir, damaged_by=(template, with_another_bit))
    async with started(memory, versions) as serving:
        process, before = process_id(serving), engines()
        for version, file in (("second", "openvino_model.bin"), ("third", template)):
            versions.switch(version)
            with pytest.raises(ConfigurationError) as raised:
                await serving.replace()
            assert str(raised.value).startswith(
                f"the version {version} in {versions.home} is damaged: {file} has changed (its SHA-256 "
                f"differs); go back with `{own_command('export')} --output {versions.home} --rollback`"
            )
            assert "\n" not in str(raised.value)
            assert serving.refusal is not None
            assert (serving.refusal.choice, serving.refusal.reason) == (versions.choice, str(raised.value))
        assert process_id(serving) == process
        assert engines() <= before
        assert await answered(serving) is FinishReason.LENGTH

        refusal = serving.refusal
        with pytest.raises(ConfigurationError, match="there is no model folder"):
            await serving.replace(versions.home / "nowhere")
        with pytest.raises(ConfigurationError, match=r"the version second in .* is damaged"):
            await serving.replace(versions.folder("second"))
        assert serving.refusal is refusal, "only the served folder has a refused version"


async def test_a_folder_without_versions_has_no_version_to_refuse(
    memory: Memory, chat_model_dir: Path, tmp_path: Path
) -> None:
    versions = ModelVersions(tmp_path)
    add_version(versions, "plain", chat_model_dir)  # and no pointer
    serving = make_serving(memory, versions.folder("plain"))
    change_file(versions.folder("plain") / "openvino_model.bin", with_another_bit)
    with pytest.raises(ConfigurationError, match=r"is damaged: openvino_model\.bin has changed .* again with"):
        await serving.replace()
    assert serving.refusal is None
