"""A running bot follows the pointer of its model folder."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.engine.interface import FinishReason
from bot.model.manifest import write_manifest
from bot.model.versions import ModelVersions
from bot.serving.service import ModelService
from bot.serving.version_watcher import VersionWatcher
from tests.conversation.memory import Memory
from tests.serving.served import answered, engines, make_serving, process_id, until
from tests.serving.versions_of_small_model import add_version, change_file, with_another_bit

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEIGHTS = "openvino_model.bin"
FIRST = "tiny-chat (first)"


@pytest.fixture
def versions(chat_model_dir: Path, tmp_path: Path) -> ModelVersions:
    """A current version, a good one and a bad one."""
    versions = ModelVersions(tmp_path / "home")
    add_version(versions, "first", chat_model_dir)
    add_version(versions, "good", chat_model_dir)
    add_version(versions, "bad", chat_model_dir, damaged_by=(WEIGHTS, with_another_bit))
    versions.switch("first")
    return versions


@pytest_asyncio.fixture(loop_scope="module")
async def serving(memory: Memory, versions: ModelVersions) -> AsyncIterator[ModelService]:
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    await serving.start(lambda _: None)
    yield serving
    await serving.close()


class WatcherLog:
    """What the watcher logs."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def new_lines(self) -> list[str]:
        """The lines since the last call."""
        records = [record for record in self._caplog.records if record.name == "bot.serving.version_watcher"]
        self._caplog.clear()
        return [record.getMessage() for record in records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> WatcherLog:
    caplog.set_level(logging.INFO, "bot.serving.version_watcher")
    return WatcherLog(caplog)


def refused(serving: ModelService) -> str | None:
    """The version that the pointer names and that was refused."""
    return serving.refusal.choice.folder.name if serving.refusal else None


async def poll(watcher: VersionWatcher, times: int = 3) -> None:
    for _ in range(times):
        await watcher.poll()


async def test_a_new_version_is_loaded_and_a_refused_one_waits_for_the_pointer(
    serving: ModelService, versions: ModelVersions, log: WatcherLog
) -> None:
    watcher, first = VersionWatcher(serving), process_id(serving)
    await poll(watcher)
    assert (process_id(serving), log.new_lines()) == (first, [])

    versions.switch("good")
    await poll(watcher)
    [line] = log.new_lines()
    assert line.startswith("Version loaded: tiny-chat (good) answers now. It was loaded beside the old one in ")
    assert serving.folder.version == "good"
    good = process_id(serving)
    assert good != first

    versions.switch("bad")
    await poll(watcher)
    [line] = log.new_lines()
    assert line.startswith("Version refused: version=bad serving=tiny-chat (good) reason=the version bad in ")
    assert f"{WEIGHTS} has changed" in line
    assert refused(serving) == "bad"
    versions.switch("bad")
    await poll(watcher)
    assert log.new_lines() == [line]
    assert process_id(serving) == good

    assert versions.roll_back() == "good"
    await poll(watcher)
    assert (process_id(serving), refused(serving), log.new_lines()) == (good, None, [])
    assert await answered(serving) is FinishReason.LENGTH

    change_file(versions.folder("bad") / WEIGHTS, with_another_bit)  # the same bit, which undoes the damage
    versions.switch("bad")
    await poll(watcher)
    assert serving.folder.version == "bad"


async def test_an_unusable_pointer_is_logged_once_and_does_not_end_the_watcher(
    serving: ModelService, versions: ModelVersions, log: WatcherLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, first, pointer = VersionWatcher(serving), process_id(serving), versions.home / "current.json"
    for content in ("", '{"current": "goo', '{"current": "../good"}'):
        pointer.write_text(content, encoding="utf-8")
        await poll(watcher)
    [line] = log.new_lines()
    assert line.startswith(f"Version pointer unusable: serving={FIRST} reason={pointer} cannot be read (it is damaged)")

    pointer.unlink()
    await poll(watcher)
    assert log.new_lines() == [], "a folder without versions is not followed"

    away = versions.home.with_name("away")
    versions.home.rename(away)
    await poll(watcher)
    [line] = log.new_lines()
    assert "there is no model folder at" in line
    away.rename(versions.home)

    versions.switch("lost")
    await poll(watcher)
    [line] = log.new_lines()
    assert f"Version refused: version=lost serving={FIRST} reason=" in line
    assert "which does not exist" in line

    with monkeypatch.context() as patch:
        patch.setattr("bot.serving.service.verify_model_folder", fail_unexpectedly)
        versions.switch("good")
        await poll(watcher)
        assert log.new_lines() == [f"Version failed to load: version=good serving={FIRST}"]
    assert process_id(serving) == first

    versions.switch("good")
    await poll(watcher)
    assert serving.folder.version == "good"


def fail_unexpectedly(_folder: Path) -> None:
    raise RuntimeError("unexpected")


async def test_a_reload_by_command_comes_first_and_its_folder_is_followed_from_then_on(
    serving: ModelService, versions: ModelVersions, chat_model_dir: Path, tmp_path: Path, log: WatcherLog
) -> None:
    watcher, others = VersionWatcher(serving), ModelVersions(tmp_path / "other")
    for name in ("here", "there"):
        add_version(others, name, chat_model_dir)
    others.switch("here")

    before = engines()
    replacing = asyncio.create_task(serving.replace(others.home))
    await until(lambda: bool(engines() - before))
    versions.switch("good")
    await poll(watcher)
    assert not replacing.done()
    await replacing
    await poll(watcher)
    assert (serving.folder.path, log.new_lines()) == (others.folder("here"), [])

    others.switch("there")
    await poll(watcher)
    assert serving.folder.path == others.folder("there")

    await serving.replace(versions.folder("first"))
    for each in (others, versions):
        each.switch("bad")
    log.new_lines()
    await poll(watcher)
    assert serving.folder.path == versions.folder("first")
    assert log.new_lines() == [], "a version that was loaded by its own path stays"


async def test_a_folder_exported_by_hand_is_followed_from_its_first_version_on(
    memory: Memory, chat_model_dir: Path, tmp_path: Path, log: WatcherLog
) -> None:
    versions = ModelVersions(tmp_path / "home")
    shutil.copytree(chat_model_dir, versions.home)
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        await serving.start(lambda _: None)
        watcher = VersionWatcher(serving)
        add_version(versions, "exported", chat_model_dir)
        await poll(watcher)
        assert (serving.folder.version, log.new_lines()) == (None, [])
        versions.switch("exported")
        await poll(watcher)
        assert serving.folder.version == "exported"
    finally:
        await serving.close()


async def test_a_version_refused_at_the_start_waits_for_the_pointer(
    memory: Memory, versions: ModelVersions, log: WatcherLog
) -> None:
    change_file(versions.folder("bad") / WEIGHTS, lambda weights: weights[:-1])
    versions.switch("bad")
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        await serving.start(lambda _: None)
        watcher = VersionWatcher(serving)
        change_file(versions.folder("bad") / WEIGHTS, lambda weights: weights + b"?")
        write_manifest(versions.folder("bad"))
        await poll(watcher)
        assert (serving.folder.version, log.new_lines()) == ("first", [])
        versions.switch("bad")
        await poll(watcher)
        assert (serving.folder.version, refused(serving)) == ("bad", None)
    finally:
        await serving.close()


async def test_it_polls_by_itself_and_gives_up_a_loading_version_on_close(
    serving: ModelService, versions: ModelVersions
) -> None:
    before, first = engines(), process_id(serving)
    watcher = VersionWatcher(serving, seconds=0.01)
    await watcher.close()
    watcher.start()
    versions.switch("good")
    await until(lambda: bool(engines() - before))
    await watcher.close()
    assert process_id(serving) == first
    assert engines() <= before
    assert not serving.is_replacing
    assert await answered(serving) is FinishReason.LENGTH

    watcher = VersionWatcher(serving, seconds=0.01)
    watcher.start()
    await until(lambda: serving.folder.version == "good")
    await watcher.close()
    assert await answered(serving) is FinishReason.LENGTH
