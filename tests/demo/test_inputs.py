"""What `python -m bot demo` says to arguments that it cannot use."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.errors import ConfigurationError


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line with which the demo refuses its arguments."""
    assert main(["demo", *arguments]) == ConfigurationError.EXIT_CODE
    printed = capsys.readouterr()
    line: str = printed.err.splitlines()[-1]
    assert "Traceback" not in printed.err
    return line.removeprefix("error: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "--say needs a text that can be seen"),
        (" \n\u200b", "--say needs a text that can be seen"),
        ("\udcff", "the text of --say is not valid UTF-8; save or type it as UTF-8"),
        ("x" * 1951, "the text of --say has 1951 characters, and Discord takes 1950 beside the mention; shorten it"),
    ],
)
def test_a_text_that_cannot_be_asked_is_refused_before_the_start(
    capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    assert refusal(capsys, "--say", text) == reason


def test_a_port_that_cannot_be_used_is_refused_before_the_model_is_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    model = ("--model", str(tmp_path / "none"))
    for port in ("65536", "-1"):
        with pytest.raises(SystemExit):
            main(["demo", *model, f"--port={port}"])
        assert capsys.readouterr().err.splitlines()[-1].endswith("argument --port: must be 0 to 65535")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        reason = refusal(capsys, *model, "--port", port)
        assert reason.startswith(f"port {port} of 127.0.0.1 cannot be used (")
        assert reason.endswith("); choose another with --port")


def test_a_model_that_is_no_folder_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no model")
    assert "is a file; name the folder" in refusal(capsys, "--model", str(tmp_path / "file"), "--say", "hello")
    (tmp_path / "folder" / "config.json").mkdir(parents=True)
    assert "is incomplete" in refusal(capsys, "--model", str(tmp_path / "folder"), "--say", "hello")
