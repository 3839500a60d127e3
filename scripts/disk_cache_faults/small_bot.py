"""The bot's process as its engine knows it: it starts the engine, restarts it, asks it, and can be killed."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import psutil

from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.observer import BatchState
from bot.engine.supervisor.supervisor import EngineSupervisor
from disk_cache_faults.conversations import request_for

_PATIENCE_SECONDS = 120.0
_LEAVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Answers:
    """What the engine answered.

    Attributes:
        ids: of each prompt; None if the answer failed.
        from_disk: prompt tokens that came from the disk.
        engine_id: the process id of the engine.
        restarts: of the engine so far.
    """

    ids: tuple[tuple[int, ...] | None, ...]
    from_disk: int
    engine_id: int
    restarts: int


class SmallBot:
    """A process that runs an engine.

    Attributes:
        crashes: of the engine without a kill.
    """

    def __init__(self, options: EngineOptions) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(options, theirs), name="small-bot")
        self._process.start()
        theirs.close()
        self._engine_id = 0
        self._kills = 0
        self.crashes = 0

    async def ask(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """Ask all of this at the same time; then call `answers`."""
        await asyncio.to_thread(self._connection.send, prompts)

    async def answers(self) -> Answers:
        """Wait for the answers; without any before, for the engine's start.

        Raises:
            TimeoutError: they do not come.
            EOFError: the process has ended.
        """
        if not await asyncio.to_thread(self._connection.poll, _PATIENCE_SECONDS):
            raise TimeoutError(f"the engine did not answer within {_PATIENCE_SECONDS:.0f} s")
        answers: Answers = self._connection.recv()
        self._engine_id = answers.engine_id
        # The supervisor may not have noticed the kill yet.
        self.crashes = max(self.crashes, answers.restarts - self._kills)
        return answers

    def kill_engine(self) -> None:
        """Kill the engine's process, as of the latest answers."""
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self._engine_id).kill()
            self._kills += 1

    def kill(self) -> None:
        """Kill this process; its engine notices it."""
        self._process.kill()

    async def wait(self) -> bool:
        """Wait until the killed process has gone, and its engine; return whether the engine left in time."""
        await asyncio.to_thread(self._process.join)
        self._connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                while _is_running(self._engine_id):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.02)
        return not _is_running(self._engine_id)


def _is_running(process_id: int) -> bool:
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class _FromDisk:
    """An `EngineObserver` that counts tokens from the disk."""

    def __init__(self) -> None:
        self.tokens = 0

    def prompt_read(self, tokens: int, cached: int, from_disk: int) -> None:  # noqa: ARG002 - memory does not count
        self.tokens += from_disk

    def engine_stepped(self, state: BatchState) -> None:
        """Ignore it."""

    def engine_restarted(self, cause: str) -> None:
        """Ignore it: the suite kills it."""


def _run(options: EngineOptions, connection: Connection) -> None:
    asyncio.run(_serve(options, connection))


async def _serve(options: EngineOptions, connection: Connection) -> None:
    """Answer until the pipe ends or this process is killed."""
    engine = EngineSupervisor(options, observer := _FromDisk())
    await engine.start()
    ids: tuple[tuple[int, ...] | None, ...] = ()
    try:
        while True:
            while engine.facts is None:  # noqa: ASYNC110 - a restart has no event
                await asyncio.sleep(0.02)
            connection.send(Answers(ids, observer.tokens, engine.facts.process_id, engine.restarts))
            observer.tokens = 0
            prompts = await asyncio.to_thread(connection.recv)
            ids = tuple(await asyncio.gather(*(_answer(engine, prompt) for prompt in prompts)))
    except EOFError:
        return
    finally:
        await engine.close()


async def _answer(engine: EngineSupervisor, prompt: tuple[int, ...]) -> tuple[int, ...] | None:
    generation = engine.submit(request_for(prompt))
    ids = [token async for piece in generation for token in piece]
    outcome = generation.outcome
    return tuple(ids) if outcome is not None and outcome.reason is FinishReason.LENGTH else None
