"""The question that the log's lines are about, by the id of its message.

Tasks inherit it from whoever starts them. A task that works for many questions must not: it would name the one that
happened to start it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")

_message_id: ContextVar[int | None] = ContextVar("message_id", default=None)


def current_message_id() -> int | None:
    """The message of the question that this task works on; None if it works on no single one."""
    return _message_id.get()


@contextmanager
def about_question(message_id: int | None) -> Iterator[None]:
    """Name a question, or none, in every line of the block, and of the tasks that it starts."""
    before = _message_id.set(message_id)
    try:
        yield
    finally:
        with suppress(ValueError):  # a coroutine that is dropped is closed in another context
            _message_id.reset(before)


def about_no_question() -> Context:
    """A copy of the current context, for what outlives a question or serves several."""
    context = copy_context()
    context.run(_message_id.set, None)
    return context


def create_shared_task(work: Coroutine[Any, Any, Result], *, name: str | None = None) -> asyncio.Task[Result]:
    """Start a task that outlives the question that started it, or serves several."""
    return asyncio.get_running_loop().create_task(work, name=name, context=about_no_question())
