"""An erasure reaches every engine and the disk; what the engines never read costs nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from bot.conversation.context_window import ContextWindow, FittedPrompt
from bot.conversation.conversations import Conversations
from bot.conversation.turn import Question, Turn, UserMessage
from bot.engine.erasure_log import ErasureLog
from bot.engine.interface import EngineOptions, Erasure
from bot.engine.supervisor import worker_process
from bot.serving.engine_caches import EngineCaches
from bot.serving.service import ModelService
from tests.conversation.memory import Memory, ask, open_memory, say
from tests.engine.scripted_worker import ON_DISK, Gate, reported, run_scripted
from tests.serving.served import engines, make_serving, process_id, until

MANY = range(1_000, 3_000)


@pytest.fixture
def disk_cache(tmp_path: Path) -> Path:
    folder = tmp_path / "kv_cache"
    folder.mkdir()
    return folder


@pytest_asyncio.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(tmp_path) as memory:
        yield memory


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


@pytest_asyncio.fixture
async def serving(
    memory: Memory,
    chat_model_dir: Path,
    disk_cache: Path,
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[ModelService]:
    """A model that is served by a scripted worker."""
    monkeypatch.setattr(worker_process, "run", run_scripted)
    caplog.set_level(logging.WARNING)
    serving = make_serving(
        memory,
        chat_model_dir,
        data_dir=disk_cache.parent,
        kv_disk_gigabytes=1.0,
        device_properties=gate.properties,
    )
    await serving.start(lambda _: None)
    await reported(caplog, 1)
    yield serving
    gate.open()
    await serving.close()


@pytest.fixture
def conversations(serving: ModelService) -> Conversations:
    return serving.answering.conversations


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def logged(disk_cache: Path) -> list[Erasure] | None:
    return ErasureLog(disk_cache).take()


async def test_a_deletion_is_on_disk_when_the_bot_has_made_it(
    serving: ModelService, conversations: Conversations, disk_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    number = conversations.erasures + 1
    await conversations.erase([ON_DISK])
    expected = Erasure(number, message_ids=frozenset({ON_DISK}))
    assert logged(disk_cache) == [expected]
    assert await reported(caplog, 1) == [(process_id(serving), f"erase {number}")]
    await conversations.forget(5, None)
    assert logged(disk_cache) == [expected, Erasure(number + 1, author_id=5)]


async def test_messages_that_no_engine_has_read_cost_nothing(
    conversations: Conversations, disk_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.gather(*(conversations.erase([message_id]) for message_id in MANY))
    await asyncio.gather(*(conversations.edit(message_id, "Hi", []) for message_id in MANY))
    assert files_in(disk_cache) == []
    await conversations.erase([ON_DISK])
    [(_, line)] = await reported(caplog, 1)
    assert line == f"erase {conversations.erasures}"


async def test_a_question_that_is_being_answered_can_be_taken_back_from_the_caches(
    serving: ModelService, conversations: Conversations, caplog: pytest.LogCaptureFixture
) -> None:
    changes: list[Callable[[int], Coroutine[None, None, object]]] = [
        lambda question_id: conversations.edit(question_id, "Something else", []),
        lambda question_id: conversations.erase([question_id]),
        lambda _: conversations.forget(question.asked.author_id, None),
    ]
    for change in changes:
        question = ask("Tell me a secret.")
        answering = asyncio.create_task(_text(serving, question))
        [(_, submitted)] = await reported(caplog, 1)
        assert submitted.startswith("submit")
        before = conversations.erasures
        changing = asyncio.create_task(change(question.id))
        await asyncio.sleep(0)
        assert conversations.erasures == before + 1, "the store is not needed to know of it"
        await changing
        assert await reported(caplog, 1) == [(process_id(serving), f"erase {before + 1}")]
        answering.cancel()
        await asyncio.wait([answering])


async def _text(serving: ModelService, question: Question) -> str:
    answer = serving.answering.ask(question)
    async for _ in answer.texts():
        pass
    return answer.text


async def test_an_erasure_reaches_engines_that_load_and_that_retire(
    serving: ModelService, conversations: Conversations, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    old = process_id(serving)
    answering = asyncio.create_task(_text(serving, ask("A long answer, please.")))
    await reported(caplog, 1)
    before = engines()
    gate.close()
    replacing = asyncio.create_task(serving.replace())
    await until(lambda: len(engines()) > len(before))
    [new] = engines() - before
    number = conversations.erasures + 1
    await conversations.forget(5, None)
    gate.open()
    await replacing
    assert process_id(serving) == new
    commands = await reported(caplog, 3)  # the probe is the third
    assert {(old, f"erase {number}"), (new, f"erase {number}")} < set(commands)
    await conversations.forget(6, None)
    assert set(await reported(caplog, 2)) == {(old, f"erase {number + 1}"), (new, f"erase {number + 1}")}
    answering.cancel()
    await asyncio.wait([answering])


async def test_without_a_disk_cache_nothing_is_logged(tmp_path: Path) -> None:
    caches = EngineCaches(EngineOptions("paged", tmp_path), lambda: ())
    await caches.erase(Erasure(1, author_id=1))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("of_history", [False, True], ids=["the question", "its history"])
async def test_words_that_are_erased_while_their_prompt_is_made_do_not_stay(
    serving: ModelService,
    conversations: Conversations,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    of_history: bool,
) -> None:
    began, go_on, fit = threading.Event(), threading.Event(), ContextWindow.fit

    def slow_fit(window: ContextWindow, system_prompt: str, branch: Sequence[Turn], asked: UserMessage) -> FittedPrompt:
        began.set()
        assert go_on.wait(20)
        return fit(window, system_prompt, branch, asked)

    before = await say(conversations, "A secret from before the restart.")
    monkeypatch.setattr(ContextWindow, "fit", slow_fit)
    question = ask("Tell me another secret.")
    answering = asyncio.create_task(_text(serving, question))
    assert await asyncio.to_thread(began.wait, 20)
    await conversations.edit(before if of_history else question.id, "Something else", [])
    go_on.set()
    [(_, first), (_, second)] = await reported(caplog, 2)
    assert (first, second.split()[0]) == (f"erase {conversations.erasures}", "submit")
    answering.cancel()
    await asyncio.wait([answering])
