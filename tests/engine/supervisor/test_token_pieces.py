"""A request resumes after a crash between two pieces of several tokens, and gets exactly as many as it may."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bot.engine.interface import EngineFacts, EngineOptions, FinishReason, Outcome
from bot.engine.observer import BatchState
from bot.engine.protocol import Ended, Ready, Shutdown, Stepped, Submit, Tokens
from bot.engine.supervisor import restarter, worker_process
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.engine.conftest import collect, request

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = (1, 2, 3)
PIECES_OF_A_LIFE = 5
TOKENS_OF_A_LIFE = sum(range(1, PIECES_OF_A_LIFE + 1))


def token_at(position: int) -> int:
    """What this engine generates: it depends on the position alone, as a seeded choice does."""
    return position * position % 1009


def run_in_pieces(connection: Connection, options: EngineOptions) -> None:
    """Run a worker that generates pieces of 1, 2, 3 … tokens, and crashes after the fifth."""
    connection.send([Ready(EngineFacts("pieces", "CPU", "a test", 0.0, datetime.now(UTC), os.getpid(), 4096))])
    while not isinstance(command := connection.recv(), Shutdown):
        if not isinstance(command, Submit):
            continue
        position, left = len(command.request.prompt_ids), command.request.max_new_tokens
        for number in itertools.count(1):
            piece = min(number, left)
            ids = tuple(map(token_at, range(position, position + piece)))
            connection.send([Tokens(command.request_id, ids), Stepped(BatchState(batch=1))])
            position, left = position + piece, left - piece
            if number == PIECES_OF_A_LIFE:
                os._exit(1)
            if not left:
                break
        connection.send([Ended(command.request_id, Outcome(FinishReason.LENGTH))])


@pytest.mark.parametrize(
    ("limit", "crashes"),
    [
        (TOKENS_OF_A_LIFE - 1, 1),  # the fifth piece is the last one, and cut
        (TOKENS_OF_A_LIFE, 1),  # only the end is missing
        (TOKENS_OF_A_LIFE + 1, 1),
        (3 * TOKENS_OF_A_LIFE + 8, 3),
    ],
)
async def test_it_goes_on_at_the_token_after_the_last_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, crashes: int
) -> None:
    monkeypatch.setattr(worker_process, "run", run_in_pieces)
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0,) * 4)
    engine = EngineSupervisor(EngineOptions("paged", tmp_path))
    await engine.start()
    ids, outcome = await collect(engine.submit(request(*PROMPT, limit=limit)))
    await engine.close()
    assert ids == [token_at(position) for position in range(len(PROMPT), len(PROMPT) + limit)]
    assert outcome == Outcome(FinishReason.LENGTH)
    assert engine.restarts == crashes
