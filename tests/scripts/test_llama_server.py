"""llama.cpp's server as an engine, against a program that speaks its protocol."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from benchmarking.llama_server import UNKNOWN_ID, LlamaOptions, LlamaServer
from completion_servers import process

from bot.engine.interface import FinishReason, GenerationRequest, Outcome
from bot.errors import ConfigurationError
from bot.export.timed_generation import MeasureError, generate
from tests.scripts import llama_server_stub as stub
from tests.scripts.run_script import ROOT, run_script

FORBIDDEN = "0123456789abcdef"


@pytest.fixture
def server_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the servers of a test write."""
    log = tmp_path / "server.log"
    monkeypatch.setenv("STUB_LOG", str(log))
    return log


@pytest.fixture
def options(tmp_path: Path, server_log: Path) -> LlamaOptions:
    program = tmp_path / "llama-server"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub.__file__}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(b"GGUF")
    return LlamaOptions(str(program), gguf, stub.VOCABULARY, slots=8, context_tokens=4096, threads=2)


async def test_every_token_is_counted_and_the_request_is_greedy(options: LlamaOptions, server_log: Path) -> None:
    async with _loaded(options) as server:
        assert server.facts is not None
        assert server.facts.engine == f"llama.cpp {stub.BUILD}, tiny.gguf"
        runs = await asyncio.gather(*(generate(server, (1, 2, start), 12) for start in (100, 200)))
    # The fifth and the tenth token end within a character; the last comes with the end of the answer.
    unknown = dict.fromkeys((5, 10, 12), UNKNOWN_ID)
    for run, start in zip(runs, (100, 200), strict=True):
        assert run.ids == tuple(unknown.get(number, start + number) for number in range(1, 13))
        assert sum(count for _, count in run.arrivals) == 12
        assert run.decode_tokens_per_second > 0
    asked = json.loads(_lines(server_log)[1])
    assert (asked["n_predict"], asked["temperature"]) == (12, 0)
    assert all(asked[name] for name in ("ignore_eos", "cache_prompt", "stream", "return_tokens"))


async def test_a_cancelled_answer_ends_on_both_sides(
    options: LlamaOptions, server_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", "forever")
    async with _loaded(options) as server:
        unsent = server.submit(_request())
        unsent.cancel()
        assert [ids async for ids in unsent] == []
        assert unsent.outcome == Outcome(FinishReason.CANCELLED)
        running, closed = server.submit(_request()), server.submit(_request())
        async for _ in running:
            break  # leaving early cancels
        await _until(lambda: "disconnected" in _lines(server_log))
        late = server.submit(GenerationRequest((1, 2), frozenset(), 9, time_limit_seconds=0.1))
        async for _ in late:
            pass
        assert late.outcome == Outcome(FinishReason.TIMEOUT)
    async for _ in closed:
        pass
    assert closed.outcome == Outcome(FinishReason.CANCELLED)


@pytest.mark.parametrize(
    ("behaviour", "prompt", "reason"),
    [
        ("", (stub.REFUSED_ID,), "the prompt is unlucky"),
        ("off", (1,), "broke the answer off"),
        ("old", (1,), "too old"),
    ],
)
async def test_an_answer_that_fails_says_why(
    options: LlamaOptions, monkeypatch: pytest.MonkeyPatch, behaviour: str, prompt: tuple[int, ...], reason: str
) -> None:
    monkeypatch.setenv("STUB", behaviour)
    async with _loaded(options) as server:
        with pytest.raises(MeasureError, match=reason):
            await generate(server, prompt, 4)


async def test_a_server_that_does_not_load_is_one_line_and_leaves_no_process(
    options: LlamaOptions, server_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reason(each: LlamaOptions) -> str:
        with pytest.raises(ConfigurationError) as failed:
            async with _loaded(each):
                pass
        assert "\n" not in str(failed.value)
        return str(failed.value)

    assert "no-such-program cannot be run (No such file" in await reason(replace(options, program="no-such-program"))
    assert "has a vocabulary of 32064 tokens, and the model one of 7" in await reason(
        replace(options, vocabulary_size=7)
    )
    monkeypatch.setenv("STUB", "dies")
    assert await reason(options) == (
        "llama.cpp's server ended with status 1 while it loaded: "
        "gguf_init_from_file: failed; srv main: exiting due to model loading error"
    )
    monkeypatch.setenv("STUB", "crashes")
    assert await reason(options) == "llama.cpp's server ended with SIGABRT while it loaded: it said nothing"
    assert not any(psutil.pid_exists(each) for each in _process_ids(server_log))


async def test_a_server_that_does_not_end_is_killed(
    options: LlamaOptions, server_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB", "stubborn")
    monkeypatch.setenv("MY_API_KEY", FORBIDDEN)
    monkeypatch.setattr(process, "_END_SECONDS", 0.2)
    async with _loaded(options):
        [process_id] = _process_ids(server_log)
        assert FORBIDDEN not in psutil.Process(process_id).environ().values()
    assert not psutil.pid_exists(process_id)


def test_the_script_measures_it_beside_the_bots_engine(
    tiny_chat_model_dir: Path, options: LlamaOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_SERVER", options.program)
    output = tmp_path / "benchmark"
    result = run_script(
        *("--size", "quick", "--rounds", "1", "--engines", "paged,llama.cpp", "--only", "one_chat,crowd,mention"),
        *("--gguf", options.gguf, "--model", tiny_chat_model_dir, "--output", output),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))
    assert report["gguf"] == {"name": "tiny.gguf", "size_bytes": 4}
    measures = report["rounds"][0]["llama.cpp"]["measures"]
    assert measures["one_chat"]["decode_tokens_per_second"] > 1
    assert measures["crowd"]["skipped"] == measures["mention"]["skipped"] == "the bot does not run on this engine"
    assert f"| llama.cpp {stub.BUILD}, tiny.gguf | against llama.cpp |" in result.stdout


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_a_benchmark_that_is_told_to_end_ends_the_server(
    tiny_chat_model_dir: Path,
    options: LlamaOptions,
    server_log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    told: signal.Signals,
) -> None:
    monkeypatch.setenv("STUB", "forever")
    command: list[str | Path] = [sys.executable, ROOT / "scripts" / "benchmark.py", "--size", "quick"]
    command += ["--engines", "llama.cpp", "--gguf", options.gguf]
    command += ["--model", tiny_chat_model_dir, "--output", tmp_path / "benchmark"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LLAMA_SERVER": options.program}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as benchmark:
        assert benchmark.stdout is not None
        assert any(line.endswith("llama.cpp: after_load\n") for line in benchmark.stdout)
        [process_id] = _process_ids(server_log)
        benchmark.send_signal(told)
        status = benchmark.wait(60)
    left = psutil.pid_exists(process_id)
    if left:
        os.kill(process_id, signal.SIGKILL)
    assert (status, left) == (130, False)


@pytest.mark.parametrize(
    ("arguments", "program", "reason"),
    [
        (("--engines", "llama.cpp"), "llama-server", "name its file with --gguf"),
        (("--engines", "llama.cpp"), "", "set LLAMA_SERVER to its program"),
        (("--gguf", __file__), "", "set LLAMA_SERVER to its program"),
        (("--gguf", "nowhere.gguf"), "", "argument --gguf: nowhere.gguf does not exist"),
        (("--only", "one_chat,speed"), "", "argument --only: 'speed' is none of engines, after_load"),
        (("--engines", "llama"), "", "'llama' is not a list of paged, genai, optimum, llama.cpp"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    tiny_chat_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    program: str,
    reason: str,
) -> None:
    monkeypatch.setenv("LLAMA_SERVER", program)
    result = run_script(
        "--size", "quick", "--model", tiny_chat_model_dir, "--output", tmp_path / "benchmark", *arguments
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert reason in result.stderr
    assert len(result.stderr.splitlines()) == 1


@asynccontextmanager
async def _loaded(options: LlamaOptions) -> AsyncIterator[LlamaServer]:
    server = LlamaServer(options)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


def _request() -> GenerationRequest:
    return GenerationRequest((1, 2), frozenset(), max_new_tokens=9)


def _process_ids(log: Path) -> list[int]:
    return [int(line.removeprefix("started ")) for line in _lines(log) if line.startswith("started ")]


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines()


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
