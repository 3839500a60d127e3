"""The servers of `ENGINE=openai`: what they serve, and why one cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models.phi3_tokenizer import write_phi3_tokenizer_files

from bot.doctor.check import Check, Findings, run_check
from bot.doctor.checks import servers
from bot.doctor.checks.model import check_model, usable_model
from bot.doctor.checks.servers import check_servers
from bot.doctor.checks.settings import check_settings
from bot.doctor.examination import examine
from bot.engine.worker.remote import learning
from bot.settings import ENV_FILE, Settings, load_settings, read_settings
from tests.completion_server import serving
from tests.doctor.found import found, results
from tests.end_to_end.stage import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tokenizer and without weights."""
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    write_phi3_tokenizer_files(folder)
    return folder


def settings_for(folder: Path, *urls: str, **values: str) -> Settings:
    return load_settings(env_file=None, model_dir=folder, engine="openai", engine_url=",".join(urls), **values)


async def check(settings: Settings) -> list[tuple[str, str, str]]:
    async def find() -> Findings:
        return await check_servers(settings, usable_model(settings)[0])

    return found(await run_check(Check("servers", find, 60)), "servers")


async def test_servers_that_answer(folder: Path) -> None:
    async with serving(folder, "vllm") as one, serving(folder, "llama.cpp") as other:
        lines = await check(settings_for(folder, one.url, other.url))
    assert [(result, way_out) for result, _, way_out in lines] == [("ok", ""), ("ok", "")]
    assert lines[0][1] == f"{one.url}: phi (vLLM), up to 2,000 tokens in a conversation"
    assert lines[1][1].startswith(f"{other.url}: phi (")


async def test_one_of_several_is_a_warning_and_the_only_one_an_error(folder: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with serving(folder, "vllm") as server:
        [ok, (result, line, way_out)] = await check(settings_for(folder, server.url, nowhere))
    assert (ok[0], result) == ("ok", "warning")
    assert line.startswith(f"{nowhere} cannot be reached (")
    assert way_out == "start it, or correct ENGINE_URL"
    [(result, _, _)] = await check(settings_for(folder, nowhere))
    assert result == "error"


async def test_servers_of_different_models(folder: Path) -> None:
    async with serving(folder) as one, serving(folder) as other:
        other.models = ["llama"]
        *_, (result, line, way_out) = await check(settings_for(folder, one.url, other.url))
    assert (result, way_out) == ("warning", "let them serve the same one, under one name")
    assert line == f"The servers name their models differently ({one.url}: phi, {other.url}: llama)"


async def test_a_key_that_is_refused_is_never_shown(folder: Path) -> None:
    async with serving(folder, "vllm") as server:
        server.key = "hunter2"
        [(result, line, way_out)] = await check(settings_for(folder, server.url, engine_key="s3cret-key"))
        assert (result, line, way_out) == ("error", f"{server.url} refuses the key (401)", "correct ENGINE_KEY")
        [(result, _, _)] = await check(settings_for(folder, server.url, engine_key="hunter2"))
        assert result == "ok"


async def test_a_context_that_nobody_knows(folder: Path) -> None:
    async with serving(folder, "text") as server:
        server.context = None
        [(result, line, way_out)] = await check(settings_for(folder, server.url))
    assert (result, "how long the model's context is" in line) == ("error", True)
    assert "MAX_CONTEXT_TOKENS" in way_out


def test_a_folder_with_a_tokenizer_is_enough(folder: Path) -> None:
    settings = settings_for(folder, "http://127.0.0.1:8000")
    [(result, line, _)] = found(check_model(*usable_model(settings), settings), "model")
    assert (result, line.endswith("servers run the model")) == ("ok", True)


async def test_they_take_the_place_of_device_and_memory(folder: Path) -> None:
    async with serving(folder, "vllm") as server:
        lines = f"ENGINE=openai\nENGINE_URL={server.url}\nENGINE_KEY=hunter2-hunter2\nMODEL_DIR={folder}\n"
        ENV_FILE.write_text(lines, encoding="utf-8")
        offline = results((await examine(offline=True)).findings)
        assert (offline["servers"], server.requests) == (["skipped"], [])
        examination = await examine()
    by_check = results(examination.findings)
    assert by_check["servers"] == ["ok"]
    assert by_check["disk"] == ["ok"]
    assert not {"device", "memory"} & by_check.keys()
    assert "hunter2-hunter2" in examination.secrets


def test_settings_that_lack_or_do_not_use_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "openai")
    [_, (result, line, way_out)] = found(check_settings(read_settings(), ENV_FILE), "settings")
    assert (result, line) == ("error", "ENGINE=openai needs the address of a server")
    assert way_out.startswith("set ENGINE_URL")
    monkeypatch.setenv("ENGINE", "paged")
    monkeypatch.setenv("ENGINE_URL", "http://127.0.0.1:8000")
    [_, (result, line, _)] = found(check_settings(read_settings(), ENV_FILE), "settings")
    assert (result, line) == ("warning", "ENGINE_URL is not used")


def test_a_server_that_generates_nothing_is_named_before_the_check_gives_up() -> None:
    requests_before = 4  # its models, and the ids of three texts
    hang_seconds = load_settings(env_file=None).engine_hang_seconds
    assert learning._PROBE_SECONDS + requests_before * hang_seconds < servers.SECONDS
