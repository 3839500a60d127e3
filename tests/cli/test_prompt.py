"""`prompt` prints the prompt of a list of messages, or says in one line what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.cli.prompt import prompt_as_json
from bot.errors import ConfigurationError
from bot.model.versions import ModelVersions
from bot.prompting.prompt import Message
from tests.phi3_tokenizer import TEMPLATE_JUNE_2024, Phi3Tokenizer, write_phi3_tokenizer


@pytest.fixture
def phi3(tmp_path: Path) -> Phi3Tokenizer:
    return write_phi3_tokenizer(tmp_path)


def prompt_for(phi3: Phi3Tokenizer, content: bytes) -> str:
    file = phi3.folder / "messages.json"
    file.write_bytes(content)
    return prompt_as_json(phi3.folder, file)


def test_ids_and_text_are_what_the_bot_would_send(phi3: Phi3Tokenizer) -> None:
    result = json.loads(
        prompt_for(phi3, b'[{"role": "user", "content": "Hello"}, {"role": "assistant", "content": ""}]')
    )
    prompt = phi3.builder.build([Message("user", "Hello"), Message("assistant", "")])
    assert result == {"ids": list(prompt.ids), "text": prompt.text}


def test_the_current_version_is_used(tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    for name, template in (("first", TEMPLATE_JUNE_2024), ("second", TEMPLATE_JUNE_2024.replace("user|>", "user|> "))):
        versions.folder(name).mkdir(parents=True)
        write_phi3_tokenizer(versions.folder(name), template)
    file = tmp_path / "messages.json"
    file.write_text('[{"role": "user", "content": "Hello"}]', encoding="utf-8")
    for name in ("first", "second"):
        versions.switch(name)
        assert prompt_as_json(versions.home, file) == prompt_as_json(versions.folder(name), file)
    assert prompt_as_json(versions.folder("first"), file) != prompt_as_json(versions.folder("second"), file)


def test_a_windows_editors_mark_is_passed_over(phi3: Phi3Tokenizer) -> None:
    content = b'[{"role": "user", "content": "Hello"}]'
    assert prompt_for(phi3, b"\xef\xbb\xbf" + content) == prompt_for(phi3, content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not valid JSON"),
        (b"\xff", "is not valid JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"{}", "must hold a JSON list"),
        (b"[]", "must hold a JSON list"),
        (b'["Hi"]', "message 1: needs"),
        (b'[{"role": "user", "content": "a"}, {"role": "User", "content": "b"}]', "message 2: needs"),
        (b'[{"role": ["user"], "content": "a"}]', "message 1: needs"),
        (b'[{"role": "user", "content": 3}]', "message 1: needs"),
        (b'[{"role": "user"}]', "message 1: needs"),
        (b'[{"role": "user", "content": "\\ud800"}]', "message 1: its content is not valid Unicode"),
    ],
)
def test_unusable_messages_end_with_one_line(phi3: Phi3Tokenizer, content: bytes, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        prompt_for(phi3, content)
    assert "\n" not in str(caught.value)
    assert "messages.json" in str(caught.value)


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "messages.json").write_text('[{"role": "user", "content": "Hi"}]', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"tokenizer\.json cannot be read"):
        prompt_as_json(tmp_path, tmp_path / "messages.json")
