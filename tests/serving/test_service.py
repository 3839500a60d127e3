"""Another model takes over, or fails and changes nothing: in real engine processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

import pytest
import pytest_asyncio

from bot.conversation.turn import ConversationKey
from bot.discord_client.commands.model_info import describe_model
from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor import worker_process
from bot.engine.worker import main, memory_limit
from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.serving.service import ModelService
from tests.conversation.memory import Memory, person
from tests.serving.served import answered, broken, engines, make_serving, process_id, until
from tests.serving.tiny_model import CONTEXT_LENGTH

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_PROCESSES = "PROCESSES_OUTSIDE_OF_THE_CONTAINER"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving(memory: Memory, chat_model_dir: Path) -> AsyncIterator[ModelService]:
    """A served model whose KV cache is shorter than its context."""
    serving = make_serving(memory, chat_model_dir, kv_cache_gigabytes=0.05)
    await serving.start(lambda _: None)
    yield serving
    await serving.close()


@pytest.fixture(scope="module")
def copy(chat_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another folder with the same model, which tests may change for a while."""
    return Path(shutil.copytree(chat_model_dir, tmp_path_factory.mktemp("models") / "copy")).resolve()


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Change a file while the block runs."""
    content = path.read_bytes()
    path.write_bytes(change(content))
    try:
        yield
    finally:
        path.write_bytes(content)


def without(*names: str) -> Callable[[bytes], bytes]:
    """Drop keys from a JSON object."""
    return lambda content: json.dumps({k: v for k, v in json.loads(content).items() if k not in names}).encode()


def with_vocabulary(size: int) -> Callable[[bytes], bytes]:
    """Change the number of tokens in a config.json."""
    return lambda config: re.sub(rb'"vocab_size": \d+', f'"vocab_size": {size}'.encode(), config)


async def turns_of_ada(serving: ModelService) -> int:
    """The length of the branch that Ada's next question continues."""
    return len((await serving.answering.conversations.peek(ConversationKey(person("Ada")))).branch)


async def test_a_short_cache_caps_the_context(serving: ModelService, caplog: pytest.LogCaptureFixture) -> None:
    await serving.replace()
    assert serving.facts is not None
    assert serving.folder.context_length == CONTEXT_LENGTH
    assert serving.answering.model.budget.context_length == serving.facts.context_tokens < CONTEXT_LENGTH
    tokens = f"tokens={serving.facts.context_tokens} model_tokens={CONTEXT_LENGTH}"
    assert f"Context shortened: {tokens} cause=KV_CACHE_GIGABYTES holds no more" in caplog.messages


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        pytest.param(
            "openvino_model.bin", lambda weights: weights[:1000], "openvino_model.bin is cut off", id="cut off"
        ),
        pytest.param("tokenizer.json", lambda text: text[:1000], "tokenizer.json is not valid JSON", id="no tokenizer"),
        pytest.param(
            "openvino_model.xml",
            broken,
            r"the model in .* does not load: .*NoSuchOperation",
            id="does not compile",
        ),
        pytest.param(
            "config.json",
            with_vocabulary(100),
            r"contradicts itself: config.json says vocab_size 100, but openvino_model.xml chooses among \d+ tokens",
            id="another vocabulary",
        ),
        pytest.param(
            "tokenizer_config.json",
            lambda config: json.dumps({**json.loads(config), "bos_token": {}}).encode(),
            "bos_token in .* is not a text",
            id="no special token",
        ),
    ],
)
async def test_a_model_that_cannot_answer_changes_nothing(
    serving: ModelService, copy: Path, file: str, change: Callable[[bytes], bytes], reason: str
) -> None:
    before, served = engines(), (process_id(serving), serving.folder.path)
    with changed(copy / file, change), pytest.raises(ConfigurationError, match=reason) as caught:
        await serving.replace(copy)
    assert "\n" not in str(caught.value)
    assert (process_id(serving), serving.folder.path) == served
    assert engines() <= before, "an engine of an earlier test may still be ending"
    assert await answered(serving) is FinishReason.LENGTH


async def test_a_missing_folder_changes_nothing(serving: ModelService, tmp_path: Path) -> None:
    before = process_id(serving)
    with pytest.raises(ConfigurationError, match="there is no model folder"):
        await serving.replace(tmp_path / "nowhere")
    assert process_id(serving) == before


async def test_another_folder_takes_over_and_each_reload_follows_its_link(
    serving: ModelService, chat_model_dir: Path, copy: Path, tmp_path: Path
) -> None:
    link = tmp_path / "current"
    try:
        link.symlink_to(chat_model_dir, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let this user make links")
    await answered(serving)
    conversations = serving.answering.conversations
    turns = await turns_of_ada(serving)
    first = process_id(serving)
    replacing = asyncio.create_task(serving.replace(link))
    await asyncio.sleep(0)
    with pytest.raises(ConfigurationError, match="another model is loading"):
        await serving.replace()
    assert (await replacing).startswith("tiny-chat answers now. It was loaded beside the old one in ")

    second = process_id(serving)
    assert second != first
    assert serving.folder.path == chat_model_dir
    assert serving.facts is not None
    assert serving.answering.model.budget.context_length == serving.facts.context_tokens
    await until(lambda: engines().isdisjoint({first}))

    link.unlink()
    link.symlink_to(copy, target_is_directory=True)
    await serving.replace()

    assert serving.folder.path == copy
    assert process_id(serving) != second
    assert serving.answering.conversations is conversations
    assert await turns_of_ada(serving) == turns > 0
    assert await answered(serving) is FinishReason.LENGTH
    assert await turns_of_ada(serving) == turns + 1
    await until(lambda: engines().isdisjoint({second}))


async def test_close_ends_a_loading_model(memory: Memory, chat_model_dir: Path) -> None:
    before = engines()
    serving = make_serving(memory, chat_model_dir)
    replacing = asyncio.create_task(serving.replace())
    await until(lambda: bool(engines() - before))
    await serving.close()
    assert engines() <= before
    with pytest.raises(asyncio.CancelledError):
        await replacing


async def test_a_model_without_stop_tokens_cannot_stop(memory: Memory, copy: Path) -> None:
    template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}> {% endif %}"
    )
    with (
        changed(copy / "config.json", without("eos_token_id")),
        changed(copy / "generation_config.json", without("eos_token_id")),
        changed(
            copy / "tokenizer_config.json",
            lambda content: json.dumps({**json.loads(content), "chat_template": template}).encode(),
        ),
    ):
        endless = make_serving(memory, copy)
    assert not endless.can_stop
    assert "**Stop tokens:** none: every answer runs to the maximum length" in describe_model(
        endless, PrometheusMetrics(), None
    )
    assert make_serving(memory, copy).can_stop


async def test_a_system_prompt_that_leaves_no_room_is_refused(memory: Memory, chat_model_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SYSTEM_PROMPT takes [\d,]+ tokens, more than half of the 8,184"):
        make_serving(memory, chat_model_dir, system_prompt="word " * 5000)


@pytest.mark.parametrize(
    ("settings", "way_out"),
    [
        ({"max_context_tokens": 128}, "raise MAX_CONTEXT_TOKENS"),
        ({"max_prompt_tokens": 64}, "raise MAX_PROMPT_TOKENS"),
        ({}, "lower MAX_NEW_TOKENS"),
    ],
)
async def test_what_leaves_a_system_prompt_no_room_is_named(
    memory: Memory, chat_model_dir: Path, settings: dict[str, object], way_out: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"shorten it, or {way_out}$"):
        make_serving(memory, chat_model_dir, system_prompt="word " * 5000, **settings)


def run_in_small_container(connection: Connection, options: EngineOptions) -> None:
    """Run an engine in a fake control group, which one loaded engine fills."""
    outside = {os.getpid(), *map(int, os.environ[OTHER_PROCESSES].split())}
    others = engines(os.getppid()) - outside
    files = {
        "proc/self/cgroup": "0::/bot\n",
        "sys/fs/cgroup/bot/memory.max": "8000000000",
        "sys/fs/cgroup/bot/memory.current": str(7_800_000_000 * len(others)),
        "sys/fs/cgroup/bot/memory.stat": "inactive_file 0\n",
    }
    with tempfile.TemporaryDirectory() as root:
        for name, content in files.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        with patch.object(memory_limit, "usable_memory", partial(memory_limit.usable_memory, Path(root))):
            main.run(connection, options)


async def replace_under_load(serving: ModelService, folder: Path) -> str:
    """Replace the model while three members keep asking; each question must be answered."""
    replacing = asyncio.create_task(serving.replace(folder))

    async def keep_asking(member: str) -> None:
        reasons = [await answered(serving, member)]
        while not replacing.done():
            await asyncio.sleep(0.1)  # leaves the processors to the loading engine
            reasons.append(await answered(serving, member))
        assert set(reasons) == {FinishReason.LENGTH}

    await asyncio.gather(*map(keep_asking, ("Ada", "Grace", "Linus")))
    return await replacing


async def test_without_memory_for_two_models_answers_pause_and_none_is_lost(
    memory: Memory, chat_model_dir: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "run", run_in_small_container)
    others = engines()
    monkeypatch.setenv(OTHER_PROCESSES, " ".join(map(str, others)))
    serving = make_serving(memory, chat_model_dir, kv_cache_gigabytes=0.05, max_batch=1)
    await serving.start(lambda _: None)
    first = process_id(serving)

    with changed(copy / "openvino_model.xml", broken), pytest.raises(ConfigurationError, match="does not load"):
        await replace_under_load(serving, copy)

    again = process_id(serving)
    assert again != first, "the old model was unloaded and loaded again"
    assert serving.folder.path == chat_model_dir
    turns = await turns_of_ada(serving)

    line = await replace_under_load(serving, copy)

    assert re.fullmatch(r"tiny-chat answers now\. Memory holds one model only, so answers paused for \d+ s\.", line)
    assert serving.folder.path == copy
    assert engines() - others == {process_id(serving)}
    assert await turns_of_ada(serving) > turns
    await serving.close()
    assert engines() <= others
