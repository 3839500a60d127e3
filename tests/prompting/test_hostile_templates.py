"""Templates that hang, fill the memory or try to get out, and what the bot's process notices of it: one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from bot.errors import ConfigurationError
from bot.prompting import chat_template
from bot.prompting.chat_template import ChatTemplate
from bot.prompting.prompt import PromptBuilder
from tests.phi3_tokenizer import write_phi3_tokenizer
from tests.prompting.template_children import ENDLESS, children, rendering

QUESTION = ("user",)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert children() == []


def refusal(source: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ChatTemplate(source, {}, frozenset()).render(QUESTION)
    line = str(caught.value)
    assert line.startswith("the model's chat template cannot be used: ")
    assert line.endswith("copy the template from the model's page into chat_template.jinja, or choose another model")
    assert "\n" not in line
    assert len(line) < 600
    return line


@pytest.mark.parametrize(
    ("source", "says"),
    [
        pytest.param("{{ 'x' * 10**11 }}", "needs too much memory", id="huge text"),
        pytest.param("{{ '%999999999d' % 1 }}", "needs too much memory", id="huge number"),
        pytest.param(
            "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}", "more than 1,000,000 characters", id="long"
        ),
        pytest.param(
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself without end", id="recursive macro"
        ),
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "calls itself without end", id="deep expression"),
        pytest.param("{{ '\\ud800' }}", "surrogates not allowed", id="half a surrogate"),
        pytest.param("{% include 'config.json' %}", "no loader", id="another file"),
        pytest.param("{{ ''.__class__.__mro__ }}", "is unsafe", id="classes"),
        pytest.param("{{ cycler.__init__.__globals__.os }}", "is unsafe", id="globals"),
        pytest.param("{{ '{0.__class__.__mro__}'.format('') }}", "is unsafe", id="format"),
        pytest.param("{{ messages.append(1) }}", "is unsafe", id="change"),
    ],
)
def test_a_hostile_template_is_an_error_of_one_line(source: str, says: str) -> None:
    assert says in refusal(source)


def test_an_endless_template_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "_CHILD_SECONDS", 1.0)
    started = time.monotonic()
    assert "it takes longer than 1 s" in refusal(ENDLESS)
    assert time.monotonic() - started < 5


class _StoppedError(Exception):
    pass


def test_whoever_waits_can_stop_it(tmp_path: Path) -> None:
    """For a tokenizer's child it is the same function."""
    write_phi3_tokenizer(tmp_path, ENDLESS)
    stopped_at = 0.0

    def stop_while_it_renders() -> None:
        nonlocal stopped_at
        if rendering():
            stopped_at = stopped_at or time.monotonic()
            raise _StoppedError

    with pytest.raises(_StoppedError):
        PromptBuilder.from_folder(tmp_path, on_wait=stop_while_it_renders)
    assert time.monotonic() - stopped_at < 1


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9")
def test_the_child_ends_with_a_killed_bot() -> None:
    program = f"from bot.prompting.chat_template import ChatTemplate; ChatTemplate({ENDLESS!r}, {{}}, frozenset())"
    with subprocess.Popen([sys.executable, "-c", program]) as bot:
        while not (found := children(bot.pid)):
            time.sleep(0.02)
        os.kill(bot.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(found, timeout=5)
    assert alive == []


def test_the_child_knows_neither_token_nor_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    monkeypatch.setenv("DATABASE_URL", "secret")
    names: set[str] = set()

    def look() -> None:
        for child in children():
            with suppress(psutil.Error):
                names.update(child.environ())
        if names:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        ChatTemplate(ENDLESS, {}, frozenset(), look)
    assert names.isdisjoint({"DISCORD_TOKEN", "DATABASE_URL"})
