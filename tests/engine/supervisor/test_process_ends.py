"""A worker does not outlive the bot, and a start that fails leaves no request waiting."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor import restarter
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from tests.engine.conftest import collect, kill_after, request
from tests.inference_precision import chosen_precision

BOT = """
import asyncio, sys
from pathlib import Path
from bot.engine.interface import EngineOptions, GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor

async def main():
    engine = EngineSupervisor(EngineOptions("paged", Path(sys.argv[1]), cache_gigabytes=0.2))
    facts = await engine.start()
    if sys.argv[2] == "killed while idle":
        print(facts.process_id, flush=True)
        await asyncio.sleep(1000)
    generation = engine.submit(GenerationRequest((1, 2), frozenset(), 4000))
    async for _ in generation:
        print(facts.process_id, flush=True)
        if sys.argv[2] == "raises":
            raise RuntimeError("a bug in the bot")
        break
    await asyncio.sleep(1000)

if __name__ == "__main__":
    asyncio.run(main())
"""


def new_engine(model_dir: Path) -> EngineSupervisor:
    return EngineSupervisor(EngineOptions("paged", model_dir, properties=chosen_precision(), cache_gigabytes=0.2))


@pytest.mark.parametrize("end", ["killed", "killed while idle", "raises"])
def test_the_engine_ends_with_the_bot(tiny_model: Path, tmp_path: Path, end: str) -> None:
    script = tmp_path / "bot_script.py"
    script.write_text(BOT)
    root = Path(restarter.__file__).parents[3]
    bot = subprocess.Popen(
        [sys.executable, script, tiny_model, end],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert bot.stdout is not None
    engine = psutil.Process(int(bot.stdout.readline()))
    if end != "raises":
        bot.kill()
    bot.wait(timeout=20)
    engine.wait(timeout=20)
    bot.stdout.close()


async def test_close_ends_requests_and_worker(tiny_model: Path) -> None:
    engine = new_engine(tiny_model)
    child = psutil.Process((await engine.start()).process_id)
    running, untouched = (engine.submit(request(1, 2, limit=4000)) for _ in range(2))
    reading = aiter(running)
    await anext(reading)  # now it generates
    async with asyncio.timeout(5):
        await engine.close()
    assert running.outcome is not None
    assert running.outcome.reason is FinishReason.CANCELLED
    assert untouched.outcome == running.outcome
    assert not child.is_running()
    assert await collect(engine.submit(request(1, 2))) == ([], running.outcome)


async def test_close_ends_a_worker_that_does_not_react(tiny_model: Path) -> None:
    engine = new_engine(tiny_model)
    child = psutil.Process((await engine.start()).process_id)
    child.suspend()  # it reads neither `Shutdown` nor SIGTERM
    generation = engine.submit(request(1, 2))
    async with asyncio.timeout(5):
        await engine.close()
    assert generation.outcome is not None
    assert generation.outcome.reason is FinishReason.CANCELLED
    assert not child.is_running()


async def test_requests_wait_for_a_restart_but_not_forever(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restarter, "RESTART_DELAYS", (0.0, 0.1))
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    engine = new_engine(folder)
    worker = psutil.Process((await engine.start()).process_id)
    folder.rename(tmp_path / "away")
    ids, _ = await collect(engine.submit(request(1, 2, limit=4000)), kill_after(1, worker.pid))
    assert ids

    ids, outcome = await collect(engine.submit(request(1, 2)))
    assert ids == []
    assert outcome.reason is FinishReason.FAILED
    assert "has no openvino_model.xml" in outcome.detail
    assert engine.facts is None

    (tmp_path / "away").rename(folder)
    ids, outcome = await collect(engine.submit(request(1, 2)))
    assert len(ids) == 20
    assert outcome.reason is FinishReason.LENGTH
    assert engine.restarts == 1
    await engine.close()


async def test_a_waiting_request_can_be_cancelled_while_the_engine_restarts(tiny_model: Path) -> None:
    engine = new_engine(tiny_model)
    worker = psutil.Process((await engine.start()).process_id)
    worker.kill()
    async with asyncio.timeout(20):
        while engine.facts is not None:  # noqa: ASYNC110 - there is no event for a crash
            await asyncio.sleep(0.01)
    waiting, cancelled = engine.submit(request(1, 2)), engine.submit(request(1, 2))
    cancelled.cancel()
    assert cancelled.outcome is not None
    assert cancelled.outcome.reason is FinishReason.CANCELLED
    ids, _ = await collect(waiting)
    assert len(ids) == 20
    await engine.close()


async def test_requests_submitted_while_the_engine_starts_are_answered(tiny_model: Path) -> None:
    engine = new_engine(tiny_model)
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    ids, _ = await collect(engine.submit(request(1, 2)))
    assert len(ids) == 20
    await starting
    assert engine.restarts == 0
    await engine.close()


async def test_close_while_the_engine_starts_leaves_no_process(tiny_model: Path) -> None:
    others = set(psutil.Process().children())
    engine = new_engine(tiny_model)
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await engine.close()
    with pytest.raises(ConfigurationError, match="closed while it was starting"):
        await starting
    assert engine.facts is None
    left = set(psutil.Process().children()) - others
    assert not any("spawn_main" in " ".join(child.cmdline()) for child in left)


async def test_the_engine_gets_none_of_the_secrets(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {name: f"secret-{name}" for name in ("DISCORD_TOKEN", "discord_token", "DATABASE_URL", "PGPASSWORD")}
    for name, value in {**secrets, "OMP_WAIT_POLICY": "passive"}.items():
        monkeypatch.setenv(name, value)
    engine = new_engine(tiny_model)
    facts = await engine.start()
    given = psutil.Process(facts.process_id).environ()
    await engine.close()
    assert not any("secret-" in value for value in given.values())
    assert (given["OMP_WAIT_POLICY"], given["PATH"]) == ("passive", os.environ["PATH"])
    assert {name: os.environ[name] for name in secrets} == secrets
