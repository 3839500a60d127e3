"""`python -m bot demo`, as a newcomer starts and stops it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

START_SECONDS = 240


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bot", "demo", *arguments]


@pytest.mark.usefixtures("small_model_dir")  # which the demo finds by itself
def test_the_example_of_the_readme_prints_its_transcript_and_exits_with_0() -> None:
    root = Path(__file__).resolve().parents[2]
    [example] = re.findall(r"bot (demo --say .+)", (root / "README.md").read_text(encoding="utf-8"))
    command = demo(*shlex.split(example)[1:])
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=START_SECONDS, cwd=root)

    assert done.returncode == 0, done.stderr
    first, first_answer, second, second_answer = filter(None, done.stdout.splitlines())
    assert (first, second) == ("Ada: @Phi what is the capital of France?", "Ada: @Phi And of Italy?")
    assert first_answer.startswith("Phi: ")
    assert "Paris" in first_answer
    assert "Rome" in second_answer
    assert "Traceback" not in done.stderr


def test_say_explains_why_there_is_no_answer(small_model_dir: Path) -> None:
    command = demo("--model", str(small_model_dir), "--say", "Tell me a very long story about a dragon.")
    environment = os.environ | {"ANSWER_TIME_LIMIT_SECONDS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=START_SECONDS, env=environment
    )

    assert done.returncode == 1
    assert "got no answer: This answer took too long, so I cut it off." in done.stderr


@pytest.fixture
def page_demo(tiny_chat_model_dir: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        demo("--model", str(tiny_chat_model_dir)),
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # A shell that runs the tests in the background makes them, and so their children, ignore Ctrl-C.
        preexec_fn=None if sys.platform == "win32" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    yield process
    process.kill()
    process.wait()


def test_ctrl_c_stops_every_process(page_demo: subprocess.Popen[str]) -> None:
    url = _url_of(page_demo)
    with urllib.request.urlopen(url, timeout=10) as page:
        assert page.status == 200
    children = psutil.Process(page_demo.pid).children(recursive=True)
    assert any(child.memory_info().rss > 100_000_000 for child in children), "the engine is one of them"

    page_demo.send_signal(signal.SIGINT)

    assert page_demo.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    deadline = time.monotonic() + START_SECONDS
    for line in process.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
            return found[0]
        assert time.monotonic() < deadline, "the page did not start in time"
    raise AssertionError("the demo exited before its page was ready")
