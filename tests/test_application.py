"""What a start does before it connects: what the operator reads, and what it leaves alone."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path

import pytest

from bot.application import Application
from bot.cli.progress import Progress
from bot.settings import load_settings
from bot.storage.backup.place import Place
from bot.storage.bot_lock import bot_lock

TOKEN = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"


@pytest.mark.parametrize("setting", [{"engine": "genai"}, {"draft_tokens": 0}, {}])
def test_a_draft_model_that_is_not_used_is_told(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: dict[str, object]
) -> None:
    draft = tmp_path / "draft"
    if not setting:  # the model itself, which would only take memory
        draft.symlink_to(tiny_chat_model_dir)
    settings = load_settings(
        env_file=None, discord_token=TOKEN, model_dir=tiny_chat_model_dir, draft_model_dir=draft, **setting
    )
    Application(settings, Progress())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "Draft model is not used, it needs ENGINE=paged, DRAFT_TOKENS above 0 and another folder than MODEL_DIR: "
        f"DRAFT_MODEL_DIR={draft}"
    ]


async def test_a_second_bot_leaves_the_first_ones_disk_cache_alone(
    tiny_chat_model_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(
        env_file=None, discord_token=TOKEN, model_dir=tiny_chat_model_dir, data_dir=tmp_path, kv_disk_gigabytes=0
    )
    place = Place.of(settings)
    (place.disk_cache / "blocks").mkdir(parents=True)
    async with bot_lock(place.data_folder, place.database):
        second = asyncio.create_task(Application(settings, Progress()).run())
        async with asyncio.timeout(20):
            while "a bot already runs with DATA_DIR=" not in caplog.text:  # noqa: ASYNC110 - logging has no event
                await asyncio.sleep(0.01)
        second.cancel()
        with suppress(asyncio.CancelledError):
            await second
    assert (place.disk_cache / "blocks").exists()
