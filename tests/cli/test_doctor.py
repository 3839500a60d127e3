"""`python -m bot doctor` as a program: its exit codes, its JSON, and its mistakes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bot.cli.main import main
from bot.demo.loopback import LoopbackDiscord
from bot.settings import Settings
from tests.cli.test_main import ROOT, TOKEN, _run
from tests.cli.test_start_in_outage import bot_on, end, read_until


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    log = logging.getLogger("bot")
    level = log.level
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    yield
    log.setLevel(level)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not say who has a file open")
async def test_beside_the_running_bot(tmp_path: Path, small_model_dir: Path) -> None:
    async with LoopbackDiscord() as server:
        server.set_permissions(server.bot.id, server.channels[1].id, deny=["attach_files"])
        async with bot_on(server, tmp_path, small_model_dir) as process:
            printed = await read_until(process, "Permissions are missing")
            assert f"missing=Attach Files channels={server.channels[1].id}" in printed
            assert "is online" in printed
            assert "Check of the setup" not in printed
            script = str(ROOT / "scripts" / "bot_on_loopback.py")
            addresses = [server.api_url, server.gateway_url, server.cdn_url]
            settings = {"DISCORD_TOKEN": server.bot_token, "MODEL_DIR": str(small_model_dir)}
            done = await _run([script, *addresses, "doctor"], tmp_path, settings)
            assert server.bot_online
            assert process.returncode is None
            await end(process)
    assert (done.code, done.err) == (0, ""), done.out
    assert "the bot runs and uses data (" in done.out
    assert "not planned, because the running bot has taken its memory" in done.out
    assert "Phi's playground: no Attach Files in #help" in done.out
    assert done.out.splitlines()[-1] == "1 warning. 1 not checked."
    assert server.bot_token not in done.out


@pytest.mark.usefixtures("_here")
def test_mistakes_exit_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEED", "x")
    assert main(["doctor", "--offline", "--json"]) == 2
    printed = capsys.readouterr()
    rows = json.loads(printed.out)
    assert printed.err == ""
    assert all(list(row) == ["check", "result", "line", "way_out"] for row in rows)
    assert rows[0] == {
        "check": "settings",
        "result": "error",
        "line": "SEED is 'x'",
        "way_out": "allowed: 0 to 4294967295",
    }


@pytest.mark.usefixtures("_here")
def test_warnings_count_only_if_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_model_dir: Path
) -> None:
    Path(".env").write_text("\n")
    Path(".env").chmod(0o644)
    monkeypatch.setenv("MODEL_DIR", str(small_model_dir))
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    assert main(["doctor", "--offline"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 warning. 4 not checked."
    assert main(["doctor", "--offline", "--strict"]) == 1
    assert [path.name for path in Path().iterdir()] == [".env"]


def test_ctrl_c_while_the_checks_are_loaded_does_not_pass_for_a_good_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(ModuleType):
        def __getattr__(self, _name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "bot.doctor.examination", Interrupted("bot.doctor.examination"))
    assert main(["doctor", "--offline"]) == 130


@pytest.mark.parametrize("argument", ["--fix", "now"])
def test_an_argument_that_does_not_exist(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["doctor", argument])
    assert exited.value.code == 2
    assert capsys.readouterr().err.startswith("error: unrecognized arguments: ")
