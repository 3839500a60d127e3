"""Engines that ask the servers of `tests/completion_server.py`, with a real supervisor and a real worker process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from bot.engine.interface import EngineOptions, GenerationRequest
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.prompting.exact_text import ExactText
from bot.prompting.tokenizer import Tokenizer, read_tokenizer
from tests.completion_server import CompletionServer

HANG_SECONDS = 2.0


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of Phi-3's kind, and nothing else."""
    folder = tmp_path_factory.mktemp("tokenizer")
    write_phi3_tokenizer_files(folder)
    return folder


@pytest.fixture(scope="session")
def text(folder: Path) -> ExactText:
    return ExactText(read_tokenizer(folder))


@pytest.fixture(scope="session")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer(read_tokenizer(folder))


@pytest.fixture(scope="session")
def asked(tokenizer: Tokenizer) -> GenerationRequest:
    """A question, with room for the whole answer."""
    ids = {token.text: token.id for token in tokenizer.control_tokens}
    prompt = (ids["<|user|>"], *tokenizer.encode("Hello"), ids["<|end|>"], ids["<|assistant|>"])
    return GenerationRequest(prompt, frozenset({ids["<|end|>"], ids["<|endoftext|>"]}), 1900, conversation="1 0")


def options_for(folder: Path, *servers: CompletionServer, **changes: Any) -> EngineOptions:
    options = EngineOptions("openai", folder, hang_seconds=HANG_SECONDS)
    return replace(options, server_urls=tuple(server.url for server in servers), **changes)


@asynccontextmanager
async def engine_of(options: EngineOptions) -> AsyncIterator[EngineSupervisor]:
    engine = EngineSupervisor(options)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.close()
