"""Tasks of a question name it in the log; tasks that serve several name none."""

from __future__ import annotations

import asyncio
import gc

import pytest

from bot.log_context import about_question, create_shared_task, current_message_id


async def named() -> int | None:
    await asyncio.sleep(0)
    return current_message_id()


async def test_tasks_and_threads_inherit_the_question_and_the_block_ends_it() -> None:
    with about_question(7):
        task = asyncio.create_task(named())
        assert await asyncio.to_thread(current_message_id) == 7
        with about_question(8):
            assert await named() == 8
        assert await named() == 7
    assert await task == 7
    assert current_message_id() is None


async def test_a_shared_task_and_what_it_starts_name_no_question() -> None:
    async def start() -> int | None:
        return await asyncio.create_task(named())

    with about_question(7):
        shared = create_shared_task(start(), name="shared")
        assert shared.get_name() == "shared"
        assert await shared is None
        assert await named() == 7


async def test_questions_beside_each_other_stay_apart() -> None:
    async def work(message_id: int) -> int | None:
        with about_question(message_id):
            return await named()

    assert await asyncio.gather(*map(work, range(20))) == list(range(20))


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
async def test_a_dropped_coroutine_ends_its_block_in_silence() -> None:
    async def work() -> None:
        with about_question(7):
            await asyncio.Event().wait()

    coroutine = work()
    await asyncio.create_task(_begin(coroutine))
    coroutine.close()
    del coroutine
    gc.collect()
    assert current_message_id() is None


async def _begin(coroutine) -> None:  # type: ignore[no-untyped-def]  # driven by hand
    coroutine.send(None)
