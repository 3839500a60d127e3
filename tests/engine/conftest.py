"""Models and helpers of the engine's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny_models.phi3 import write_tiny_phi3

from bot.engine.interface import EngineOptions, Generation, GenerationRequest, Outcome
from tests.inference_precision import EXACT
from tests.shared_folder import shared_folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that generates thousands of tokens a second."""
    return shared_folder(tmp_path_factory, "tiny-phi3", write_tiny_phi3)


@pytest.fixture(scope="session")
def slow_options(tmp_path_factory: pytest.TempPathFactory) -> EngineOptions:
    """An engine whose prefill is a single long step: a small file with huge keys and values.

    2 GB of KV cache hold 1,024 tokens.
    """

    def write(folder: Path) -> None:
        write_tiny_phi3(folder, layers=4, hidden=8, heads=128, head_size=512)

    model_dir = shared_folder(tmp_path_factory, "slow-phi3", write)
    return EngineOptions("paged", model_dir, properties=EXACT, cache_gigabytes=1)


def request(*prompt_ids: int, stop: frozenset[int] = frozenset(), limit: int = 20, **rest: Any) -> GenerationRequest:
    """A request with a short limit."""
    return GenerationRequest(prompt_ids, stop, limit, **rest)


def kill_after(tokens: int, process_id: int) -> Callable[[list[int]], None]:
    """For `collect`: kill a process after this many tokens."""
    killed = False

    def kill(ids: list[int]) -> None:
        nonlocal killed
        if len(ids) >= tokens and not killed:
            killed = True
            psutil.Process(process_id).kill()

    return kill


async def collect(
    generation: Generation, on_ids: Callable[[list[int]], None] | None = None
) -> tuple[list[int], Outcome]:
    """Consume a generation and return its ids and its outcome.

    Args:
        on_ids: called with all ids so far, after every new piece.
    """
    ids: list[int] = []
    async for piece in generation:
        assert piece, "an empty piece is useless"
        ids.extend(piece)
        if on_ids is not None:
            on_ids(ids)
    assert generation.outcome is not None
    return ids, generation.outcome
