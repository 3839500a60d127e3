"""Every mistake of a command line: one line, found before anything is loaded."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.errors import ConfigurationError
from bot.settings import Settings
from tests.phi3_tokenizer import write_phi3_tokenizer

ROOT = Path(__file__).resolve().parents[2]
LOADED_LATER = ("openvino", "transformers", "discord", "sqlalchemy")

Refusal = Callable[..., str]


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Refusal]:
    """Returns the one line with which a command refuses its arguments."""
    log, on_terminate = logging.getLogger("bot"), signal.getsignal(signal.SIGTERM)
    level = log.level
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def refused(*arguments: str) -> str:
        try:
            code = main(arguments)
        except SystemExit as exited:
            code = exited.code if isinstance(exited.code, int) else -1
        printed = capsys.readouterr()
        assert (code, printed.out) == (ConfigurationError.EXIT_CODE, "")
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1, printed.err
        return printed.err.removeprefix("error: ").removesuffix("\n")

    yield refused
    log.setLevel(level)
    signal.signal(signal.SIGTERM, on_terminate)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("dance", "argument COMMAND: invalid choice: 'dance' (choose from"),
        ("--loud", "unrecognized arguments: --loud"),
        ("run fast", "unrecognized arguments: fast"),
        ("demo --po 1", "unrecognized arguments: --po 1"),
        ("demo --port 65536", "argument --port: '65536' is no port; write a number from 0 to 65535"),
        ("demo --port=-1", "argument --port: '-1' is no port"),
        ("demo --port http", "argument --port: 'http' is no port"),
        ("demo --port 8_0", "argument --port: '8_0' is no port"),
        ("demo --port 80.5", "argument --port: '80.5' is no port"),
        ("demo --port ''", "argument --port: '' is no port"),
        ("demo --port", "argument --port: expected one argument"),
        ("demo --say hello --port 80", "argument --port: not allowed with argument --say"),
        ("demo --say", "argument --say: expected one argument"),
        ("demo --say ''", "argument --say: the text has nothing that can be seen; write a question"),
        ("demo --say '\u200b'", "argument --say: the text has nothing that can be seen"),
        ("demo --say '\u3164'", "argument --say: the text has nothing that can be seen"),
        ("demo --say '\u2800'", "argument --say: the text has nothing that can be seen"),
        ("demo --say hello --say ' '", "argument --say: the text has nothing that can be seen"),
        ("demo --say '\udcff'", "argument --say: the text is not valid UTF-8; save or type it as UTF-8"),
        (f"demo --say {'x' * 1951}", "argument --say: the text has 1,951 characters, and Discord takes 1,950"),
        ("demo --model nowhere", "argument --model: nowhere does not exist; check the path"),
        ("demo --model FILE", "argument --model: FILE is a file, not a folder; check the path"),
        ("demo --model ''", "argument --model: is empty; name a folder"),
        ("demo --model ~nobody-of-this-name", "argument --model: ~nobody-of-this-name: "),
        (f"demo --model {'x' * 300}", "argument --model: "),
        ("prompt", "the following arguments are required: --model, FILE.json"),
        ("prompt --model nowhere x.json", "argument --model: nowhere does not exist; check the path"),
        ("prompt --model . nowhere.json", "nowhere.json cannot be read: No such file or directory"),
        ("prompt --model . .", ". cannot be read: Is a directory"),
        ("prompt --model . FILE", "FILE is not valid JSON: "),
        ("export --ratio half", "argument --ratio: 'half' is no number from 0 to 1"),
        ("export --ratio nan", "argument --ratio: 'nan' is no number from 0 to 1"),
        ("export --ratio 1.5", "argument --ratio: '1.5' is no number from 0 to 1"),
        ("export --group-size many", "argument --group-size: 'many' is no whole number from -1 on"),
        (
            "export --group-size 3",
            "--group-size 3 divides few models' layers; choose 32, 64 or 128, or add",
        ),
        ("export --num-samples 0", "argument --num-samples: '0' is no whole number from 1 on"),
        ("export --dataset poems", "argument --dataset: invalid choice: 'poems' (choose from 'auto',"),
        ("export --sensitivity-metric x", "argument --sensitivity-metric: invalid choice: 'x'"),
        ("export --perplexity-limit nan", "argument --perplexity-limit: 'nan' is no number from 1 on"),
        ("export --perplexity-limit 0", "argument --perplexity-limit: '0' is no number from 1 on"),
        ("export --model ''", "argument --model: is empty; write a value, or leave the argument out"),
        ("export --output ''", "argument --output: is empty; name a folder"),
        ("export --output FILE --list", "--output FILE: "),
        ("export --output FILE/x", "--output FILE/x: "),
        ("export --prebuilt --recipe small", "--prebuilt takes a model as it is, "),
        ("export --recipe tiny", "argument --recipe: invalid choice: 'tiny' (choose from 'sample',"),
        ("export --list --rollback", "argument --rollback: not allowed with argument --list"),
        ("export --rollback ''", "argument --rollback: is empty"),
        ("export --rollback nowhere", "there are no versions in model/phi3-instruct/int4; export one with `"),
        ("export --prune 0", "argument --prune: '0' is no whole number from 1 on"),
        ("export --modle x", "unrecognized arguments: --modle x"),
    ],
)
def test_a_mistake_is_one_line(refusal: Refusal, arguments: str, reason: str) -> None:
    Path("FILE").write_text("no JSON")
    words = [word.strip("'") for word in arguments.split(" ")] if "' '" not in arguments else None
    assert refusal(*(words or ["demo", "--say", "hello", "--say", " "])).startswith(reason)


def test_a_mistake_names_the_help(refusal: Refusal) -> None:
    assert refusal("demo", "--port", "x").endswith(" -m bot demo --help`")
    assert refusal("export", "--ratio", "x").endswith(" -m bot export --help`")


def test_a_mistake_is_found_before_anything_is_loaded() -> None:
    code = (
        "import sys\nfrom bot.cli.main import main\n"
        "try: main(['demo', '--say', ''])\n"
        f"except SystemExit: print([name for name in {LOADED_LATER} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_wrong_variable_is_found_before_a_model_is_fetched(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPERATURE", "hot")
    assert refusal("demo", "--say", "hello").startswith("TEMPERATURE is 'hot'; allowed: 0 to 2")
    assert not Path("model").exists()


def test_a_taken_port_is_found_before_a_model_is_fetched(refusal: Refusal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        line = refusal("demo", "--port", port)
    assert line == f"port {port} of 127.0.0.1 is taken by another program; choose another with --port"
    assert not Path("model").exists()


def test_an_incomplete_model_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    assert "is incomplete" in refusal("demo", "--model", "folder", "--say", "hello")


# ------------------------------------------------------- streams and other Pythons


def bot(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell's line in which BOT is the bot."""
    line = command.replace("BOT", f"'{sys.executable}' -m bot")
    environment = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shell is POSIX's")


@pytest.mark.parametrize(
    ("command", "out", "code"),
    [
        ("BOT export --help | head -c 6", "usage:", 0),
        ("BOT --help >&-", "", 0),
        ("BOT run 2>&-", "", 2),
        ("BOT run <&- 2>/dev/null", "", 2),
        ("BOT run >&- 2>/dev/null", "", 2),
        ("BOT demo --say '' 2>&- <&- >&-", "", 2),
    ],
)
def test_streams_that_are_closed_end_quietly(tmp_path: Path, command: str, out: str, code: int) -> None:
    done = bot(command, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (out, "", code)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", [["export", "--help"], ["prompt", "--model", ".", "messages.json"]])
def test_a_reader_that_has_gone_is_no_error(tmp_path: Path, command: list[str], unbuffered: str) -> None:
    write_phi3_tokenizer(tmp_path)
    (tmp_path / "messages.json").write_text('[{"role": "user", "content": "Hi"}]')
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(
        [sys.executable, "-m", "bot", *command], cwd=tmp_path, env=environment, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert done.stderr == b""
    # argparse itself passes over an error while it prints the help.
    assert done.returncode in ((0, 141) if "--help" in command else (141,))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("length", [1, 10_000], ids=["short", "longer than a buffer"])
def test_an_output_without_room_is_one_line(tmp_path: Path, length: int, unbuffered: str) -> None:
    write_phi3_tokenizer(tmp_path)
    (tmp_path / "messages.json").write_text(json.dumps([{"role": "user", "content": "Hi " * length}]))
    done = bot(f"PYTHONUNBUFFERED={unbuffered} BOT prompt --model . messages.json >/dev/full", tmp_path)
    reason = "No space left on device"
    assert done.stderr == f"error: the output cannot be written: {reason}; write it elsewhere\n"
    assert done.returncode == 1


@pytest.mark.parametrize("stdin", ["<&-", "</dev/null", "<.env"])
def test_nobody_is_asked_where_there_is_no_terminal(tmp_path: Path, stdin: str) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=\n")
    done = bot(f"BOT run {stdin}", tmp_path)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == (
        f"error: DISCORD_TOKEN is not set; add to {tmp_path / '.env'} the token from "
        "https://discord.com/developers/applications (Bot, Reset Token)\n"
    )


@pytest.mark.parametrize("arguments", ["-m bot run", f"{ROOT}/scripts/export_model.py --list"])
def test_a_python_without_packages_is_told_from_the_bots_own(arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _WITHOUT_PACKAGES, *arguments.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: this Python, ") or " has no package " in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


_WITHOUT_PACKAGES = """
import runpy, sys
sys.argv = sys.argv[1:]
if sys.argv[0] == "-m":
    sys.path.insert(0, ".")
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    sys.path.insert(0, "scripts")
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
