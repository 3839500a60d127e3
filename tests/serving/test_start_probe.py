"""A model that loads but cannot answer is found at the start, before anybody asks, by the same probe as at a reload."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import pytest

from bot.engine.interface import EngineOptions, FinishReason, GenerationRequest, Outcome
from bot.engine.supervisor import worker_process
from bot.engine.worker import main
from bot.engine.worker.admission import ModelLimits
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.versions import ModelVersions
from bot.prompting.prompt import PromptBuilder
from bot.serving.service import ModelService
from bot.settings import load_settings
from tests.conversation.memory import Memory
from tests.malformed_json import change
from tests.prompting.template_children import ENDLESS, children, rendering
from tests.serving.served import answered, engines, make_serving, until
from tests.serving.tiny_model import CONTEXT_LENGTH
from tests.serving.versions_of_small_model import add_version

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNANSWERED = "the model tiny-chat does not answer a test question: no row for this token; export it again or choose"


def run_without_rows(connection: Connection, options: EngineOptions, *, missing: int) -> None:
    """Run an engine that cannot compute one token id, as with an embedding that is too small."""

    def refusal(request: GenerationRequest, _limits: ModelLimits) -> Outcome | None:
        lacks = options.model_dir.name != "first" and missing in request.prompt_ids
        return Outcome(FinishReason.FAILED, "no row for this token") if lacks else None

    with patch.object(main, "refusal", refusal):
        main.run(connection, options)


def highest_id(model: Path) -> int:
    return PromptBuilder.from_folder(model).highest_id


@pytest.fixture
def endless_dir(chat_model_dir: Path, tmp_path: Path) -> Path:
    """A model whose template never ends."""
    folder = Path(shutil.copytree(chat_model_dir, tmp_path / "endless"))
    change(folder / "tokenizer_config.json", ["chat_template"], ENDLESS)
    return folder


@contextmanager
def soon() -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 5  # the template has ten seconds
    assert children() == []


async def test_the_start_refuses_a_model_that_cannot_answer(
    memory: Memory, chat_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = engines()
    monkeypatch.setattr(worker_process, "run", partial(run_without_rows, missing=highest_id(chat_model_dir)))
    serving = make_serving(memory, chat_model_dir, kv_cache_gigabytes=0.05)
    with pytest.raises(ConfigurationError, match=UNANSWERED):
        await serving.start(lambda _: None)
    assert engines() <= before
    await serving.close()


async def test_the_start_asks_with_the_system_prompt(
    memory: Memory, chat_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = PromptBuilder.from_folder(chat_model_dir).tokenizer.encode("word999", at_start=True)[-1]
    monkeypatch.setattr(worker_process, "run", partial(run_without_rows, missing=marked))
    serving = make_serving(memory, chat_model_dir, kv_cache_gigabytes=0.05, system_prompt="You know word999")
    with pytest.raises(ConfigurationError, match=UNANSWERED):
        await serving.start(lambda _: None)
    await serving.close()


async def test_the_start_falls_back_to_the_version_that_answers(
    memory: Memory, chat_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = ModelVersions(tmp_path / "home")
    for name in ("first", "second"):
        add_version(versions, name, chat_model_dir)
        versions.switch(name)
    monkeypatch.setattr(worker_process, "run", partial(run_without_rows, missing=highest_id(chat_model_dir)))
    serving = make_serving(memory, versions.home, kv_cache_gigabytes=0.05)
    await serving.start(lambda _: None)
    assert serving.folder.version == "first"
    assert serving.refusal is not None
    assert "the model tiny-chat (second) does not answer a test question" in serving.refusal.reason
    assert await answered(serving) is FinishReason.LENGTH
    await serving.close()


async def test_a_system_prompt_that_the_cache_cannot_hold_is_shortened(
    memory: Memory, chat_model_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serving = make_serving(memory, chat_model_dir, kv_cache_gigabytes=0.05, system_prompt="Hello " * 4000)
    await serving.start(lambda _: None)
    budget = serving.answering.model.budget
    assert budget.context_length < CONTEXT_LENGTH
    [line] = [each for each in caplog.messages if each.startswith("SYSTEM_PROMPT is cut")]
    assert line.endswith(f"room={budget.system_prompt_limit}")
    assert await answered(serving) is FinishReason.LENGTH
    await serving.close()


async def test_a_tokenizer_with_ids_that_the_model_lacks(memory: Memory, chat_model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(chat_model_dir, tmp_path / "more words"))
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    change(folder / "tokenizer.json", ["model", "vocab"], vocabulary | {"▁one": 40_000})
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json has ids up to 40,000, but config\.json says vocab"):
        make_serving(memory, folder)


async def test_a_cancelled_start_stops_an_endless_template(memory: Memory, endless_dir: Path) -> None:
    settings = load_settings(env_file=None, model_dir=endless_dir)
    opening = asyncio.create_task(ModelService.open(settings, memory.conversations(), PrometheusMetrics()))
    await until(rendering)
    with soon():
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: not children())


async def test_closing_stops_a_reload_of_an_endless_template(
    memory: Memory, chat_model_dir: Path, endless_dir: Path
) -> None:
    serving = make_serving(memory, chat_model_dir)
    replacing = asyncio.create_task(serving.replace(endless_dir))
    await until(rendering)
    with soon():
        await serving.close()
        with pytest.raises(asyncio.CancelledError):
            await replacing
        await until(lambda: not children())
