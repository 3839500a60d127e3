"""A model whose weights are on servers: served, reloaded and described from a tokenizer's files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from aiohttp import web
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from bot.discord_client.commands.model_info import describe_model
from bot.engine.interface import FinishReason
from bot.errors import ConfigurationError, ServerUnreachableError
from bot.metrics.prometheus import PrometheusMetrics
from bot.model.versions import ModelVersions
from bot.serving.version_watcher import VersionWatcher
from tests.completion_server import CompletionServer, Faults
from tests.completion_server import serving as completion_server
from tests.conversation.memory import Memory
from tests.end_to_end.stage import free_port
from tests.serving.served import answered, engines, make_serving, process_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


def add_tokenizer(versions: ModelVersions, name: str) -> None:
    folder = versions.folder(name)
    folder.mkdir(parents=True)
    write_phi3_tokenizer_files(folder)
    (folder / "model_source.json").write_text(json.dumps({"name": "Phi"}))


async def test_versions_of_a_tokenizer_are_followed_and_reloaded(memory: Memory, tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    add_tokenizer(versions, "first")
    add_tokenizer(versions, "second")
    versions.switch("first")
    before = engines()
    async with completion_server(versions.folder("first")) as server:
        serving = make_serving(memory, versions.home, engine="openai", engine_url=server.url)
        try:
            await serving.start(lambda _: None)
            assert await answered(serving) is FinishReason.LENGTH
            assert server.answers[-1]["max_tokens"] == 8

            first = process_id(serving)
            versions.switch("second")
            await VersionWatcher(serving).poll()
            assert (serving.folder.title, serving.refusal) == ("Phi (second)", None)
            assert process_id(serving) != first

            (versions.folder("second") / "tokenizer.json").unlink()
            with pytest.raises(ConfigurationError, match=r"has no tokenizer\.json; copy tokenizer\.json"):
                await serving.replace()
            await server.stop()
            write_phi3_tokenizer_files(versions.folder("second"))
            with pytest.raises(ConfigurationError, match="no server can be used"):
                await serving.replace()
            await server.start()
            assert await answered(serving) is FinishReason.LENGTH
        finally:
            await serving.close()
    assert engines() <= before


async def test_a_start_without_servers_blames_no_version(memory: Memory, tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    for name in ("first", "second"):
        add_tokenizer(versions, name)
        versions.switch(name)
    url = f"http://127.0.0.1:{free_port()}"
    serving = make_serving(memory, versions.home, engine="openai", engine_url=url)
    with pytest.raises(ServerUnreachableError, match="no server can be used"):
        await serving.start(lambda _: None)
    assert serving.folder.version == "second"
    await serving.close()


class _Learnable(CompletionServer):
    """Generates one token, and refuses to generate more."""

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.faults = Faults() if body["max_tokens"] == 1 else Faults(status=400, error="no")
        return await super()._complete(request)


async def test_servers_that_answer_no_question(memory: Memory, tmp_path: Path) -> None:
    write_phi3_tokenizer_files(tmp_path)
    server = _Learnable(tmp_path, "vllm")
    await server.start()
    serving = make_serving(memory, tmp_path, engine="openai", engine_url=server.url)
    line = r"the servers do not answer a test question: .* refuses the request \(400: no\); look at their logs"
    with pytest.raises(ServerUnreachableError, match=line):
        await serving.start(lambda _: None)
    await serving.close()
    await server.stop()


async def test_information_says_where_the_model_runs(memory: Memory, tmp_path: Path) -> None:
    write_phi3_tokenizer_files(tmp_path)
    async with completion_server(tmp_path) as server:
        serving = make_serving(memory, tmp_path, engine="openai", engine_url=server.url)
        try:
            await serving.start(lambda _: None)
            for_admin = describe_model(serving, PrometheusMetrics(), None, for_admin=True).splitlines()
            for_all = describe_model(serving, PrometheusMetrics(), None).splitlines()
        finally:
            await serving.close()
    assert "**Weights:** on the servers" in for_all
    assert "**Context:** 2,000 tokens" in for_all
    assert "**Engine:** openai (vLLM) phi" in for_all
    assert "**Device:** 1 server" in for_all
    assert f"**Device:** {server.url.removeprefix('http://')} · 1 server" in for_admin
    assert not any(line.startswith(("**Size on disk", "**KV cache", "**Inference")) for line in for_all)
