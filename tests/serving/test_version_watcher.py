"""A running bot follows the pointer of its model folder, whatever is written there."""

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
from tests.serving.served import answered, engines, make_serving, memory, process_id, until
from tests.serving.versions_of_small_model import add_version, change_file, with_another_bit
from tests.tiny_chat_model import chat_model_dir

__all__ = ["chat_model_dir", "memory"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEIGHTS = "openvino_model.bin"
FIRST = "tiny-chat (first)"


@pytest.fixture
def versions(chat_model_dir: Path, tmp_path: Path) -> ModelVersions:
    """A first version, which answers; a good second one, and a bad third one."""
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


class Told:
    """What the watch tells."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    def lines(self) -> list[str]:
        """What it has told since this was asked last."""
        records = [record for record in self._caplog.records if record.name == "bot.serving.version_watcher"]
        self._caplog.clear()
        return [record.getMessage() for record in records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    caplog.set_level(logging.INFO, "bot.serving.version_watcher")
    return Told(caplog)


def refused(serving: ModelService) -> str | None:
    """The version that should answer and was refused."""
    return serving.refusal.choice.folder.name if serving.refusal else None


async def look(watch: VersionWatcher, times: int = 3) -> None:
    for _ in range(times):
        await watch.poll()


async def test_another_version_is_taken_up_and_a_refused_one_not_tried_until_the_pointer_is_written(
    serving: ModelService, versions: ModelVersions, told: Told
) -> None:
    watch, first = VersionWatcher(serving), process_id(serving)
    await look(watch)
    assert (process_id(serving), told.lines()) == (first, [])

    versions.switch("good")
    await look(watch)
    [line] = told.lines()
    assert line.startswith("Version loaded: tiny-chat (good) answers now. It was loaded beside the old one in ")
    assert serving.folder.version == "good"
    good = process_id(serving)
    assert good != first

    versions.switch("bad")
    await look(watch)
    [line] = told.lines()
    assert line.startswith("Version refused: version=bad serving=tiny-chat (good) reason=the version bad in ")
    assert f"{WEIGHTS} has changed" in line
    assert refused(serving) == "bad"
    versions.switch("bad")
    await look(watch)
    assert told.lines() == [line]
    assert process_id(serving) == good

    assert versions.roll_back() == "good"
    await look(watch)
    assert (process_id(serving), refused(serving), told.lines()) == (good, None, [])
    assert await answered(serving) is FinishReason.LENGTH

    change_file(versions.folder("bad") / WEIGHTS, with_another_bit)  # the same one, so that all is well
    versions.switch("bad")
    await look(watch)
    assert serving.folder.version == "bad"


async def test_trouble_with_the_pointer_is_told_once_and_does_not_end_the_watch(
    serving: ModelService, versions: ModelVersions, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, first, pointer = VersionWatcher(serving), process_id(serving), versions.home / "current.json"
    for content in ("", '{"current": "goo', '{"current": "../good"}'):
        pointer.write_text(content, encoding="utf-8")
        await look(watch)
    [line] = told.lines()
    assert line.startswith(f"Version pointer unusable: serving={FIRST} reason={pointer} cannot be read (it is damaged)")

    pointer.unlink()
    await look(watch)
    assert told.lines() == [], "a folder without versions is not followed"

    away = versions.home.with_name("away")
    versions.home.rename(away)
    await look(watch)
    [line] = told.lines()
    assert "there is no model folder at" in line
    away.rename(versions.home)

    versions.switch("lost")
    await look(watch)
    [line] = told.lines()
    assert f"Version refused: version=lost serving={FIRST} reason=" in line
    assert "which does not exist" in line

    with monkeypatch.context() as patch:
        patch.setattr("bot.serving.service.verify_model_folder", surprise)
        versions.switch("good")
        await look(watch)
        assert told.lines() == [f"Version failed to load: version=good serving={FIRST}"]
    assert process_id(serving) == first

    versions.switch("good")
    await look(watch)
    assert serving.folder.version == "good"


def surprise(_folder: Path) -> None:
    raise RuntimeError("nobody has thought of this")


async def test_a_reload_by_command_comes_first_and_another_folder_is_followed_from_then_on(
    serving: ModelService, versions: ModelVersions, chat_model_dir: Path, tmp_path: Path, told: Told
) -> None:
    watch, others = VersionWatcher(serving), ModelVersions(tmp_path / "other")
    for name in ("here", "there"):
        add_version(others, name, chat_model_dir)
    others.switch("here")

    before = engines()
    replacing = asyncio.create_task(serving.replace(others.home))
    await until(lambda: engines() > before)
    versions.switch("good")
    await look(watch)
    assert not replacing.done()
    await replacing
    await look(watch)
    assert (serving.folder.path, told.lines()) == (others.folder("here"), [])

    others.switch("there")
    await look(watch)
    assert serving.folder.path == others.folder("there")

    await serving.replace(versions.folder("first"))
    for each in (others, versions):
        each.switch("bad")
    told.lines()
    await look(watch)
    assert serving.folder.path == versions.folder("first")
    assert told.lines() == [], "a version that was asked for by its own path stays"


async def test_a_folder_that_was_exported_by_hand_is_followed_from_its_first_version_on(
    memory: Memory, chat_model_dir: Path, tmp_path: Path, told: Told
) -> None:
    versions = ModelVersions(tmp_path / "home")
    shutil.copytree(chat_model_dir, versions.home)
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        await serving.start(lambda _: None)
        watch = VersionWatcher(serving)
        add_version(versions, "exported", chat_model_dir)
        await look(watch)
        assert (serving.folder.version, told.lines()) == (None, [])
        versions.switch("exported")
        await look(watch)
        assert serving.folder.version == "exported"
    finally:
        await serving.close()


async def test_what_a_start_refused_is_not_tried_until_the_pointer_is_written(
    memory: Memory, versions: ModelVersions, told: Told
) -> None:
    change_file(versions.folder("bad") / WEIGHTS, lambda weights: weights[:-1])
    versions.switch("bad")
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    try:
        await serving.start(lambda _: None)
        watch = VersionWatcher(serving)
        change_file(versions.folder("bad") / WEIGHTS, lambda weights: weights + b"?")
        write_manifest(versions.folder("bad"))
        await look(watch)
        assert (serving.folder.version, told.lines()) == ("first", [])
        versions.switch("bad")
        await look(watch)
        assert (serving.folder.version, refused(serving)) == ("bad", None)
    finally:
        await serving.close()


async def test_it_looks_by_itself_and_gives_up_what_it_loads_when_it_is_closed(
    serving: ModelService, versions: ModelVersions
) -> None:
    before, first = engines(), process_id(serving)
    watch = VersionWatcher(serving, seconds=0.01)
    await watch.close()
    watch.start()
    versions.switch("good")
    await until(lambda: engines() > before)
    await watch.close()
    assert (engines(), process_id(serving)) == (before, first)
    assert not serving.is_replacing
    assert await answered(serving) is FinishReason.LENGTH

    watch = VersionWatcher(serving, seconds=0.01)
    watch.start()
    await until(lambda: serving.folder.version == "good")
    await watch.close()
    assert await answered(serving) is FinishReason.LENGTH
