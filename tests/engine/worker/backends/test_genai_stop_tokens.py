"""openvino-genai falls back to the model folder's end token; only the request's stop tokens may count."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bot.engine.interface import EngineOptions, FinishReason
from bot.engine.supervisor.supervisor import EngineSupervisor
from tests.engine.conftest import collect, request
from tests.inference_precision import EXACT


async def test_the_folders_end_token_does_not_end_an_answer(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path, dirs_exist_ok=True)

    async def answer() -> tuple[list[int], FinishReason]:
        engine = EngineSupervisor(EngineOptions("genai", tmp_path, properties=EXACT, cache_gigabytes=1))
        await engine.start()
        ids, outcome = await collect(engine.submit(request(1, 5, 6, 7, stop=frozenset({32007}))))
        await engine.close()
        return ids, outcome.reason

    before = await answer()
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": before[0][5]}))
    assert await answer() == before == (before[0], FinishReason.LENGTH)
