"""An engine whose servers all were down runs again once they are back, without anybody asking."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from bot.engine.interface import FinishReason, GenerationRequest
from bot.engine.supervisor import restarter
from tests.completion_server import serving
from tests.engine.conftest import collect
from tests.engine.worker.remote.conftest import engine_of, options_for
from tests.engine.worker.remote.test_answers import STOP


async def test_an_engine_runs_again_as_soon_as_its_servers_do(
    folder: Path, asked: GenerationRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.1))
    monkeypatch.setattr(restarter, "RETRY_SECONDS", 0.1)
    async with serving(folder) as server, engine_of(options_for(folder, server)) as engine:
        await server.stop()
        assert (await collect(engine.submit(asked)))[1].reason is FinishReason.FAILED
        assert engine.facts is None
        await server.start()
        async with asyncio.timeout(20):
            while engine.facts is None:  # noqa: ASYNC110 - the engine has no event for it
                await asyncio.sleep(0.02)
        assert (await collect(engine.submit(asked)))[1] == STOP
        refusals = [line for line in caplog.messages if line.startswith("engine did not start")]
        assert len(refusals) == len(set(refusals)), "each reason is logged once"
        assert [line for line in caplog.messages if line.startswith("engine runs again")]
