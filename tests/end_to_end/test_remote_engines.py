"""The real bot with servers on other machines: answers outlive the server that began them."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from tests.completion_server import ANSWER, CompletionServer, serving
from tests.end_to_end.stage import online


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Only a tokenizer: the weights are on the servers."""
    folder = tmp_path / "phi"
    folder.mkdir()
    write_phi3_tokenizer_files(folder)
    return folder


async def test_a_server_dies_in_the_middle_of_an_answer(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving(folder) as one, serving(folder) as two:
        for server in (one, two):
            server.key = "hunter2"
            server.answer = ANSWER[:400]
        addresses = f"{one.url}, {two.url}/v1"
        async with online(folder, engine="openai", engine_url=addresses, engine_key="hunter2") as stage:
            for server in (one, two):
                server.faults.hold_after = 30
            channel = await stage.fresh_channel("questions")
            question = await stage.mention(stage.ada, channel, "Count!")
            shown = await stage.streaming(stage.ada, channel, question)
            assert shown["content"]
            dying, other = _by_question(one, two)
            other.faults.hold_after = None
            await dying.stop()
            [reply] = await stage.answer(stage.ada, channel, question)
            assert reply["content"] == ANSWER[:400].strip()
            assert len(other.answers) == 1

            # The conversation stays where it is now, and its next prompt goes on from there.
            assert await stage.ask(stage.ada, channel, "Again!") == ANSWER[:400].strip()
            first, second = other.answers
            assert second["prompt"][: len(first["prompt"])] == first["prompt"]
        assert "hunter2" not in caplog.text
        assert "Engine ready: engine=openai (vLLM) phi servers=127.0.0.1" in caplog.text


def _by_question(one: CompletionServer, two: CompletionServer) -> tuple[CompletionServer, CompletionServer]:
    """The server that got the question, and the other one."""
    return (one, two) if one.answers else (two, one)
