"""What an operator sees who starts the program with a mistake in the setup: one line, and no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.demo.loopback import LoopbackDiscord
from bot.model.versions import ModelVersions
from bot.own_command import own_command
from bot.prompting.prompt import Message
from bot.settings import Settings
from tests.model.exported_folder import write_model
from tests.phi3_tokenizer import write_phi3_tokenizer

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
SETTINGS = {name.upper() for name in Settings.model_fields}


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    code: int | None
    out: str
    err: str

    @property
    def line(self) -> str:
        """The error, which is all that was printed."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        return self.err.removesuffix("\n")

    @property
    def last_line(self) -> str:
        """The error below the progress."""
        assert "Traceback" not in self.err, self.err
        return self.err.splitlines()[-1]


RunHere = Callable[..., Done]


@pytest.fixture
def run_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunHere:
    """Runs the program in this process and in the test's folder, with no settings but those given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **settings: str) -> Done:
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            code = main(arguments)
        return Done(code, *capsys.readouterr())

    return run


async def run(folder: Path, *arguments: str, **settings: str) -> Done:
    """The same in a process of its own."""
    return await _run(["-m", "bot", *arguments], folder, settings)


async def run_on(server: LoopbackDiscord, folder: Path, **settings: str) -> Done:
    """The same against a loopback Discord."""
    addresses = [server.api_url, server.gateway_url, server.cdn_url]
    script = str(ROOT / "scripts" / "bot_on_loopback.py")
    return await _run([script, *addresses, "run"], folder, {"DISCORD_TOKEN": server.bot_token, **settings})


async def _run(arguments: list[str], folder: Path, settings: Mapping[str, str]) -> Done:
    environment = {name: value for name, value in os.environ.items() if name.upper() not in SETTINGS}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        env={**environment, **settings, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Done(process.returncode, out.decode(), err.decode())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def server() -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as server:
        yield server


async def test_without_a_token_one_line_names_the_way_out(tmp_path: Path) -> None:
    done = await run(tmp_path)
    assert done.code == 2
    assert done.line.startswith(f"error: DISCORD_TOKEN is not set; there is no {tmp_path / '.env'}: start the bot in")
    assert names_in(tmp_path) == []


def test_a_malformed_token_is_never_printed(run_here: RunHere) -> None:
    Path(".env").write_text("DISCORD_TOKEN=hunter2-hunter2-hunter2\n", encoding="utf-8")
    done = run_here()
    assert done.code == 2
    assert done.line.startswith("error: DISCORD_TOKEN is malformed: 23 characters in 1 part")
    assert "hunter2" not in done.err


def test_a_missing_model_folder(run_here: RunHere) -> None:
    done = run_here(DISCORD_TOKEN=TOKEN)
    assert done.code == 2
    assert str(Path("model/phi3-instruct/int4")) in done.line
    assert f"{own_command('export')} --prebuilt --output " in done.line
    assert done.line.endswith("or set MODEL_DIR to another folder")


def test_an_incomplete_model_folder(run_here: RunHere) -> None:
    folder = write_model(Path.cwd() / "half")
    (folder / "openvino_model.bin").unlink()
    done = run_here(DISCORD_TOKEN=TOKEN, MODEL_DIR=str(folder))
    assert done.code == 2
    assert f"{folder} is incomplete: " in done.line
    assert "openvino_model.bin" in done.line


def test_where_no_version_works_the_error_is_the_current_ones(run_here: RunHere) -> None:
    versions = ModelVersions(Path.cwd() / "home")
    for name in ("first", "second"):
        (write_model(versions.folder(name)) / "openvino_model.bin").unlink()
        versions.switch(name)
    done = run_here(DISCORD_TOKEN=TOKEN, MODEL_DIR=str(versions.home))
    assert done.code == 2
    assert done.line.startswith(f"error: the version second in {versions.home} is incomplete: ")
    assert f"{own_command('export')} --output {versions.home} --rollback" in done.line

    (versions.home / "current.json").write_text("{", encoding="utf-8")
    done = run_here(DISCORD_TOKEN=TOKEN, MODEL_DIR=str(versions.home))
    assert done.code == 2
    assert "current.json cannot be read (it is damaged); choose a version: " in done.line


async def test_a_token_that_discord_refuses(server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path) -> None:
    done = await run_on(server, tmp_path, DISCORD_TOKEN=TOKEN, MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert done.last_line.startswith("error: DISCORD_TOKEN was refused by Discord; make a new one at https://")
    assert TOKEN not in done.err


async def test_an_intent_that_was_not_granted(server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path) -> None:
    done = await run_on(server, tmp_path, MESSAGE_CONTENT_INTENT="true", MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert done.last_line.startswith("error: the message-content intent is not granted to this bot; switch it on at")
    assert "MESSAGE_CONTENT_INTENT=false" in done.last_line


async def test_an_unknown_device(server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path) -> None:
    done = await run_on(server, tmp_path, DEVICE="TOASTER", MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert "TOASTER" in done.last_line
    assert "CPU" in done.last_line


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_a_database_server_that_may_start_later(
    tmp_path: Path, tiny_chat_model_dir: Path, unused_tcp_port: int, log_format: str
) -> None:
    address = f"postgresql://me:secret@127.0.0.1:{unused_tcp_port}/db"
    settings = {"MODEL_DIR": str(tiny_chat_model_dir), "DATABASE_URL": address, "LOG_FORMAT": log_format}
    done = await run(tmp_path, "run", DISCORD_TOKEN=TOKEN, **settings)
    assert "check that the server runs at this address" in done.last_line
    assert done.code == 1, "a service manager does not start the bot again after a 2"


async def test_a_prompt_is_printed_as_json(tmp_path: Path) -> None:
    phi3 = write_phi3_tokenizer(tmp_path)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße 🦙 <|end|>"}]
    (tmp_path / "messages.json").write_text(json.dumps(messages), encoding="utf-8")
    done = await run(tmp_path, "prompt", "--model", ".", "messages.json")
    assert (done.code, done.err) == (0, "")
    expected = phi3.builder.build([Message("system", "Be brief."), Message("user", "Grüße 🦙 <|end|>")])
    assert json.loads(done.out) == {"ids": list(expected.ids), "text": expected.text}
    assert "🦙" in done.out


def test_a_prompt_that_cannot_be_built(run_here: RunHere) -> None:
    write_phi3_tokenizer(Path.cwd())
    Path("messages.json").write_text('[{"role": "robot", "content": "Hi"}]', encoding="utf-8")
    done = run_here("prompt", "--model", ".", "messages.json")
    assert done.code == 2
    assert done.line.startswith('error: messages.json, message 1: needs "role" (system, user, assistant)')


async def test_help_lists_every_command(tmp_path: Path) -> None:
    done = await run(tmp_path, "--help")
    assert (done.code, done.err) == (0, "")
    assert " -m bot [-h] COMMAND" in done.out.splitlines()[0]
    for command in ("run", "demo", "export", "prompt"):
        assert f"\n    {command} " in done.out


async def test_export_is_one_program_with_two_launchers(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "export_model.py")
    for launcher, program in ((["-m", "bot", "export"], " -m bot export"), ([script], script)):
        done = await _run([*launcher, "--help"], tmp_path, {})
        assert (done.code, done.err) == (0, "")
        assert f"{program} [-h]" in " ".join(done.out.split())
        done = await _run([*launcher, "--list", "--output", "nowhere"], tmp_path, {})
        assert done.code == 2
        assert done.line.startswith("error: there are no versions in nowhere; ")


async def test_a_page_whose_port_is_in_use(tmp_path: Path, tiny_chat_model_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = await run(
            tmp_path, "demo", "--model", str(tiny_chat_model_dir), "--port", port, KV_CACHE_GIGABYTES="0.05"
        )
    assert done.code == 2
    assert done.last_line.startswith(f"error: port {port} of 127.0.0.1 is taken by another program")
    assert done.last_line.endswith("; choose another with --port")
