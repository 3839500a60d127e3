"""What the first start asks on a real terminal, and what it leaves behind."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.first_start import FirstStart
from bot.cli.terminal import Terminal
from bot.demo.loopback import LoopbackDiscord, Outage, connect_discord_py
from bot.discord_client import own_application
from bot.discord_client.invite import invite_link
from bot.errors import ConfigurationError
from bot.settings import Settings, load_settings
from tests.model.exported_folder import write_model
from tests.pseudo_terminal import CTRL_D, PseudoTerminal
from tests.small_disk import small_disk_at

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")

WRONG = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
ASKED = "Paste the token; it stays hidden: "
OFFER = "Download it? [Y/n, or the folder of a model] "
Start = Callable[[], "asyncio.Task[int]"]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bot"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def discord() -> LoopbackDiscord:
    return LoopbackDiscord()


@pytest.fixture
async def server(discord: LoopbackDiscord) -> AsyncIterator[LoopbackDiscord]:
    async with discord:
        with connect_discord_py(discord):
            yield discord


@pytest.fixture
async def terminal() -> AsyncIterator[PseudoTerminal]:
    terminal = PseudoTerminal()
    yield terminal
    terminal.close()


@pytest.fixture
def start(terminal: PseudoTerminal) -> Start:
    """Begins the conversation in a thread; the task's result is its exit code."""

    def converse() -> int:
        with open(terminal.program_end, "w", encoding="utf-8", closefd=False) as screen:
            return FirstStart(load_settings(), Terminal(terminal.program_end, screen)).complete()

    return lambda: asyncio.create_task(asyncio.to_thread(converse))


@pytest.fixture
def model() -> Path:
    """A model where the settings look for one."""
    return write_model(Path("model", "phi3-instruct", "int4"))


async def answer(terminal: PseudoTerminal, question: str, text: str) -> None:
    await terminal.until(question)
    terminal.type(text)


def write(text: str) -> None:
    Path(".env").write_bytes(text.encode())
    Path(".env").chmod(0o644)


def written() -> str:
    return Path(".env").read_bytes().decode()


def mode() -> int:
    return stat.S_IMODE(Path(".env").stat().st_mode)


def files() -> list[str]:
    return sorted(str(path) for path in Path().iterdir())


async def test_it_asks_for_the_token_and_ends_with_the_invite_link(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, model: Path
) -> None:
    running = start()
    await terminal.until("https://discord.com/developers/applications")
    await answer(terminal, ASKED, f"{server.bot_token}\n")
    assert await running == 0
    await terminal.until(f"It is the token of {server.bot.name}.")
    await terminal.until(f"Add the bot to a server with this link: {invite_link(server.bot.id)}\r\n")
    assert server.bot_token not in terminal.screen
    assert f"DISCORD_TOKEN={server.bot_token}" in written().splitlines()
    assert mode() == 0o600
    assert files() == [".env", "model"]
    assert load_settings().require_token() == server.bot_token
    terminal.screen = ""
    assert await start() == 0
    assert terminal.screen == "", "nothing is missing any more"


async def test_a_paste_may_have_several_lines_and_none_answers_a_later_question(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start
) -> None:
    running = start()
    half = len(server.bot_token) // 2
    await answer(terminal, ASKED, "\n")
    await answer(terminal, ASKED, f"\n  'Bot {server.bot_token[:half]}\n{server.bot_token[half:]}'\n\n")
    await answer(terminal, OFFER, "n\n")
    assert await running == 0
    assert load_settings().require_token() == server.bot_token
    assert terminal.screen.count(OFFER) == 1
    assert not any(part in terminal.screen for part in server.bot_token.split("."))


async def test_a_wrong_token_is_asked_for_again(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, model: Path
) -> None:
    running = start()
    await answer(terminal, ASKED, "hunter2-hunter2\n")
    await terminal.until("This is no bot's token: 15 characters in 1 part, but a bot's token has three parts")
    await answer(terminal, ASKED, f"{WRONG}\n")
    await terminal.until("Discord refuses this token; make a new one")
    await answer(terminal, ASKED, f"{server.bot_token}\n")
    assert await running == 0
    assert load_settings().require_token() == server.bot_token
    assert "hunter2" not in terminal.screen
    assert WRONG not in terminal.screen


async def test_after_three_wrong_tokens_it_gives_up(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start
) -> None:
    running = start()
    for _ in range(3):
        await answer(terminal, ASKED, f"{WRONG}\n")
    with pytest.raises(ConfigurationError, match=r"^3 tokens were wrong, nothing is written; make a"):
        await running
    assert files() == []


@pytest.mark.parametrize("answers", [[CTRL_D], ["TOKEN\n", CTRL_D]])
async def test_at_the_end_of_the_input_nothing_is_written(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, answers: list[str]
) -> None:
    running = start()
    for question, text in zip((ASKED, OFFER), answers, strict=False):
        await answer(terminal, question, text.replace("TOKEN", server.bot_token))
    assert await running == 130
    await terminal.until("\r\nStopped; nothing is written.\r\n")
    assert files() == []
    assert terminal.echoes


@pytest.mark.parametrize(
    ("outage", "reason"),
    [
        (Outage.RESET, "Discord cannot be reached: "),
        (Outage.UNAVAILABLE, "Service Unavailable (503)"),
        (Outage.HANG, "Discord does not answer"),
    ],
)
async def test_without_discord_only_the_form_is_checked(
    server: LoopbackDiscord,
    terminal: PseudoTerminal,
    start: Start,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    outage: Outage,
    reason: str,
) -> None:
    monkeypatch.setattr(own_application, "_SECONDS", 0.5)
    await server.start_outage(rest=outage)
    running = start()
    await answer(terminal, ASKED, f"{WRONG[:-9]}\n")
    await terminal.until("This is no bot's token: its three parts have 24, 6, 18 characters")
    await answer(terminal, ASKED, f"{server.bot_token}\n")
    await terminal.until(f"The token has the right form, but cannot be checked now: {reason}")
    assert await running == 0
    assert load_settings().require_token() == server.bot_token
    assert "oauth2" not in terminal.screen


async def test_the_intent_is_asked_for_only_where_the_portal_grants_it(terminal: PseudoTerminal, start: Start) -> None:
    for number, (granted, before, text, after) in enumerate(
        [
            ([], "", "", None),
            (["message_content"], "", "\n", "true"),
            (["message_content"], "", "what?\nno\n", "false"),
            (["message_content"], "MESSAGE_CONTENT_INTENT=false\n", "", "false"),
        ]
    ):
        write_model(Path("model", "phi3-instruct", "int4"))
        write(before)
        async with LoopbackDiscord(granted_intents=granted) as server:
            with connect_discord_py(server):
                running = start()
                await answer(terminal, ASKED, f"{server.bot_token}\n")
                for line in text.splitlines(keepends=True):
                    await answer(terminal, "Use it? [Y/n] ", line)
                assert await running == 0, number
        lines = dict(line.split("=") for line in written().splitlines() if "=" in line)
        assert lines.get("MESSAGE_CONTENT_INTENT") == after, number


async def test_a_folder_with_a_model_can_be_named(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, tmp_path: Path
) -> None:
    folder = write_model(tmp_path / "my model #1")
    write(f"DISCORD_TOKEN={server.bot_token}\n")
    running = start()
    await answer(terminal, OFFER, f"{tmp_path}\n")
    await terminal.until(f"{tmp_path} is incomplete: ")
    await answer(terminal, OFFER, f"{tmp_path / 'nowhere'}\n")
    await terminal.until("there is no model folder at ")
    await answer(terminal, OFFER, f"'{folder}'\n")
    assert await running == 0
    assert written() == f"DISCORD_TOKEN={server.bot_token}\nMODEL_DIR='{folder}'\n"
    assert load_settings().model_dir == folder


async def test_what_an_interrupted_download_left_is_no_model(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start
) -> None:
    write(f"DISCORD_TOKEN={server.bot_token}\n")
    home = Path("model", "phi3-instruct", "int4")
    for folder in (home / "sources" / "OpenVINO--Phi-3@0123", home / "versions" / ".work"):
        folder.mkdir(parents=True)
    (home / ".export.lock").touch()
    running = start()
    await answer(terminal, OFFER, "n\n")
    assert await running == 0
    (home / "openvino_model.bin").touch()
    terminal.screen = ""
    assert await start() == 0
    assert terminal.screen == "", "whose files these are, the bot cannot know; it says what is missing"


async def test_a_variable_is_not_asked_for(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hunter2-hunter2")
    assert await start() == 0
    assert terminal.screen == "", "the bot says what is wrong with the variable"
    monkeypatch.setenv("DISCORD_TOKEN", server.bot_token)
    monkeypatch.setenv("MODEL_DIR", "elsewhere")
    running = start()
    await answer(terminal, "There is no model at elsewhere.", "")
    await answer(terminal, "Download it? [Y/n] ", "model\n")
    await answer(terminal, "Download it? [Y/n] ", "N\n")
    assert await running == 0
    assert files() == []


async def test_a_file_keeps_its_other_lines(
    server: LoopbackDiscord, terminal: PseudoTerminal, start: Start, model: Path
) -> None:
    before = "# mine\r\nSEED = 7 # lucky\r\nDISCORD_TOKEN=hunter2\r\n\r\n#DEVICE=GPU"
    write(before)
    running = start()
    await terminal.until("DISCORD_TOKEN is malformed: 7 characters in 1 part")
    await answer(terminal, ASKED, f"{server.bot_token}\n")
    assert await running == 0
    assert written() == before.replace("hunter2", server.bot_token)
    assert mode() == 0o600


@pytest.fixture
def read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", 64) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        monkeypatch.chdir(disk)
        yield disk
        monkeypatch.chdir(tmp_path)


async def test_a_folder_that_cannot_be_written_is_refused_before_the_token_is_asked_for(
    terminal: PseudoTerminal, start: Start, read_only_folder: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await start()
    assert str(caught.value).startswith(f"{read_only_folder / '.env'} cannot be written: ")
    assert terminal.screen == ""
