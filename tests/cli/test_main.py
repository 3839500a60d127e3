"""What a person sees who starts the program with something amiss: one line, and no traceback."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord
from bot.model.versions import ModelVersions
from bot.prompting.prompt import Message
from bot.settings import Settings
from tests.phi3_tokenizer import write_phi3_tokenizer
from tests.serving.versions_of_small_model import add_version, cut_off
from tests.small_model import small_model_dir

__all__ = ["small_model_dir"]

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@dataclass(frozen=True)
class Done:
    """A process that has ended."""

    code: int | None
    out: str
    err: str

    @property
    def line(self) -> str:
        """The only line of an error."""
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        return self.err.removesuffix("\n")

    @property
    def last_line(self) -> str:
        """The error below what was said of the progress before it."""
        assert "Traceback" not in self.err, self.err
        return self.err.splitlines()[-1]


async def run(folder: Path, *arguments: str, **settings: str) -> Done:
    """Run the bot in a folder, with no settings but these."""
    unset = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    return await _run(["-m", "bot", *arguments], folder, {**environment, **settings, "PYTHONPATH": str(ROOT)})


async def run_on(server: LoopbackDiscord, folder: Path, **settings: str) -> Done:
    """The same against a loopback Discord."""
    addresses = [server.api_url, server.gateway_url, server.cdn_url]
    unset = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in unset}
    environment |= {"DISCORD_TOKEN": server.bot_token, **settings, "PYTHONPATH": str(ROOT)}
    return await _run([str(ROOT / "tests" / "bot_on_loopback.py"), *addresses, "run"], folder, environment)


async def _run(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> Done:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=folder,
        env=dict(environment),
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


async def test_without_a_token_the_way_out_is_told(tmp_path: Path) -> None:
    done = await run(tmp_path)
    assert done.code == 2
    assert done.line.startswith("error: DISCORD_TOKEN is not set; copy .env.example to .env")
    assert names_in(tmp_path) == []


async def test_a_malformed_token_is_never_printed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=hunter2-hunter2-hunter2\n", encoding="utf-8")
    done = await run(tmp_path)
    assert done.code == 2
    assert done.line.startswith("error: DISCORD_TOKEN is malformed: 23 characters in 1 parts")
    assert "hunter2" not in done.err


async def test_a_model_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = await run(tmp_path, DISCORD_TOKEN=TOKEN)
    assert done.code == 2
    assert str(Path("model/phi3-instruct/int4")) in done.line
    assert "python -m bot export --prebuilt --output " in done.line
    assert "make demo" in done.line


async def test_a_model_folder_that_is_incomplete_is_told(tmp_path: Path, small_model_dir: Path) -> None:
    folder = tmp_path / "half"
    shutil.copytree(small_model_dir, folder, ignore=shutil.ignore_patterns("*.bin", "*.gguf"))
    done = await run(tmp_path, DISCORD_TOKEN=TOKEN, MODEL_DIR=str(folder))
    assert done.code == 2
    assert f"MODEL_DIR={folder} is not complete: " in done.line
    assert "openvino_model.bin" in done.line


async def test_where_no_version_can_be_used_the_current_one_is_told(tmp_path: Path, small_model_dir: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    for name in ("first", "second"):
        add_version(versions, name, small_model_dir, damaged_by=("openvino_model.bin", cut_off))
        versions.switch(name)
    done = await run(tmp_path, DISCORD_TOKEN=TOKEN, MODEL_DIR=str(versions.home))
    assert done.code == 2
    assert done.line.startswith(f"error: the version second in MODEL_DIR={versions.home} is not complete: ")
    assert f"python -m bot export --output {versions.home} --rollback" in done.line

    (versions.home / "current.json").write_text("{", encoding="utf-8")
    done = await run(tmp_path, DISCORD_TOKEN=TOKEN, MODEL_DIR=str(versions.home))
    assert done.code == 2
    assert "current.json cannot be read (it is damaged); choose a version: " in done.line


async def test_a_token_that_discord_refuses_is_told(
    server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path
) -> None:
    done = await run_on(server, tmp_path, DISCORD_TOKEN=TOKEN, MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert done.last_line.startswith("error: DISCORD_TOKEN was refused by Discord; make a new one at https://")
    assert TOKEN not in done.err


async def test_an_intent_that_was_not_granted_is_told(
    server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path
) -> None:
    done = await run_on(server, tmp_path, MESSAGE_CONTENT_INTENT="true", MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert done.last_line.startswith("error: the message-content intent is not granted to this bot; switch it on at")
    assert "MESSAGE_CONTENT_INTENT=false" in done.last_line


async def test_a_device_that_is_not_there_is_told(
    server: LoopbackDiscord, tmp_path: Path, small_model_dir: Path
) -> None:
    done = await run_on(server, tmp_path, DEVICE="TOASTER", MODEL_DIR=str(small_model_dir))
    assert done.code == 2
    assert "TOASTER" in done.last_line
    assert "CPU" in done.last_line


async def test_a_discord_out_of_reach_is_told(tmp_path: Path, small_model_dir: Path) -> None:
    server = LoopbackDiscord()
    await server.start()
    await server.close()
    done = await run_on(server, tmp_path, MODEL_DIR=str(small_model_dir))
    assert done.code == 1
    assert done.last_line.startswith("error: Discord cannot be reached (")


async def test_a_prompt_is_printed_as_json(tmp_path: Path) -> None:
    phi3 = write_phi3_tokenizer(tmp_path)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße 🦙 <|end|>"}]
    (tmp_path / "messages.json").write_text(json.dumps(messages), encoding="utf-8")
    done = await run(tmp_path, "prompt", "--model", ".", "messages.json")
    assert (done.code, done.err) == (0, "")
    expected = phi3.builder.build([Message("system", "Be brief."), Message("user", "Grüße 🦙 <|end|>")])
    assert json.loads(done.out) == {"ids": list(expected.ids), "text": expected.text}
    assert "🦙" in done.out


async def test_a_prompt_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    write_phi3_tokenizer(tmp_path)
    (tmp_path / "messages.json").write_text('[{"role": "robot", "content": "Hi"}]', encoding="utf-8")
    done = await run(tmp_path, "prompt", "--model", ".", "messages.json")
    assert done.code == 2
    assert done.line.startswith('error: messages.json, message 1: needs "role" (system, user, assistant)')


async def test_help_lists_every_command(tmp_path: Path) -> None:
    done = await run(tmp_path, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: python -m bot ")
    for command in ("run", "demo", "export", "prompt"):
        assert f"\n    {command} " in done.out


async def test_export_is_one_program_with_two_launchers(tmp_path: Path) -> None:
    script = str(ROOT / "scripts" / "export_model.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for launcher, program in ((["-m", "bot", "export"], "python -m bot export"), ([script], "scripts/export_model.py")):
        done = await _run([*launcher, "--help"], tmp_path, environment)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"usage: {program} [-h] [--model ID_OR_FOLDER]")
        done = await _run([*launcher, "--list", "--output", "nowhere"], tmp_path, environment)
        assert done.code == 2
        assert done.line.startswith("error: there are no versions in nowhere; ")


async def test_an_unknown_command_shows_how_it_is_used(tmp_path: Path) -> None:
    done = await run(tmp_path, "dance")
    assert done.code == 2
    assert done.err.startswith("usage: python -m bot")
