"""Whatever tokenizer and template files hold: a prompt comes out, or one line; the bot's process survives it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConfigurationError
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import Tokenizer
from tests.malformed_json import CONTENTS, VALUES, change, check_line
from tests.phi3_tokenizer import phi3_definition, write_phi3_tokenizer

CONVERSATION = [Message("system", "Be brief."), Message("user", "Hello"), Message("assistant", "Hi")] * 2

TOKENIZER_FIELDS: tuple[tuple[str | int, ...], ...] = (
    ("added_tokens",),
    ("added_tokens", 0),
    *(("added_tokens", 0, key) for key in ("id", "content", "special", "lstrip", "rstrip", "normalized")),
    ("normalizer",),
    ("normalizer", "normalizers", 0, "prepend"),
    ("pre_tokenizer",),
    ("post_processor",),
    ("decoder",),
    ("truncation",),
    ("padding",),
    ("model",),
    *(("model", key) for key in phi3_definition()["model"]),
    ("model", "vocab", "Hello"),
    ("model", "merges", 0),
)
CONFIG_FIELDS: tuple[tuple[str | int, ...], ...] = (
    ("chat_template",),
    ("bos_token",),
    ("eos_token",),
    ("pad_token",),
    ("image_token",),
    ("add_bos_token",),
    ("model_max_length",),
    ("added_tokens_decoder",),
)


def prompt_or_line(folder: Path) -> str:
    """Build a prompt, and check the line if the folder is refused."""
    try:
        builder = PromptBuilder.from_folder(folder)
        builder.build(CONVERSATION)
        builder.tokenizer.decode([*builder.stop_ids, 5, 6])
    except ConfigurationError as error:
        check_line(str(error))
        return str(error)
    return ""


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sampled_from(CONFIG_FIELDS), value=VALUES)
def test_any_value_in_the_tokenizers_configuration(tmp_path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    write_phi3_tokenizer(tmp_path)
    change(tmp_path / "tokenizer_config.json", keys, value)
    prompt_or_line(tmp_path)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sampled_from(TOKENIZER_FIELDS), value=VALUES)
def test_any_value_in_the_tokenizer(tmp_path: Path, keys: tuple[str | int, ...], value: Any) -> None:
    write_phi3_tokenizer(tmp_path)
    change(tmp_path / "tokenizer.json", keys, value)
    prompt_or_line(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("chat_template", [1, 2], "neither a text nor a list of named texts"),
        ("chat_template", [[]], "neither a text nor a list of named texts"),
        ("chat_template", 5, "neither a text nor a list of named texts"),
        ("chat_template", [{"name": "default", "template": {}}], "neither a text nor a list of named texts"),
        ("chat_template", {"default": 1}, "neither a text nor a list of named texts"),
        ("chat_template", [{}], ""),  # Phi-3 has one of its own
        ("chat_template", [{"name": {}, "template": 1}], ""),
        ("bos_token", {}, "bos_token in "),
        ("bos_token", {"content": None}, "bos_token in "),
        ("eos_token", 2, "eos_token in "),
        ("pad_token", [], "pad_token in "),
        ("pad_token", None, ""),
        ("bos_token", {"content": "<s>", "lstrip": 7}, ""),
        ("num_image_token", 256, ""),
    ],
)
def test_a_malformed_configuration_is_refused_with_its_key(tmp_path: Path, key: str, value: object, says: str) -> None:
    write_phi3_tokenizer(tmp_path)
    change(tmp_path / "tokenizer_config.json", [key], value)
    line = prompt_or_line(tmp_path)
    assert says in line
    assert bool(says) == bool(line)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
def test_a_file_that_is_no_json_object(tmp_path: Path, name: str, content: bytes) -> None:
    write_phi3_tokenizer(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert str(tmp_path / name) in prompt_or_line(tmp_path)


def token(text: str, id: object) -> dict[str, object]:
    return {**phi3_definition()["added_tokens"][0], "content": text, "id": id}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"added_tokens": [token("", 5)]}, "not a list of texts with an id each", id="empty text"),
        pytest.param({"added_tokens": [token("<s>", True)]}, "not a list of texts with an id each", id="no id"),
        pytest.param({"added_tokens": [token("<s>", -1)]}, "not a list of texts with an id each", id="negative id"),
        pytest.param(
            {"added_tokens": [token("<s>", 1), token("<s>", 2)]}, "has '<s>' twice, with two ids", id="two ids"
        ),
        pytest.param(
            {"normalizer": {"type": "Replace", "pattern": {"Regex": "(x+x+)+y"}, "content": ""}},
            "retry-limit-in-match over",
            id="endless search",
        ),
        pytest.param(
            {
                "normalizer": {
                    "type": "Sequence",
                    "normalizers": [{"type": "Replace", "pattern": {"String": "x"}, "content": "xx"}] * 40,
                }
            },
            "it crashes (exit code",
            id="endless growth",
        ),
        pytest.param(
            {"normalizer": {"type": "Replace", "pattern": {"String": "x"}, "content": "x" * 10_000}},
            "many times longer",
            id="growth",
        ),
        pytest.param(
            {"model": {**phi3_definition()["model"], "continuing_subword_prefix": "x"}},
            "not a char boundary",
            id="panic",
        ),
        pytest.param(
            {"model": {**phi3_definition()["model"], "vocab": {"a": 2**40}}}, "is not a tokenizer", id="huge id"
        ),
    ],
)
def test_a_tokenizer_that_would_harm_the_bot(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    write_phi3_tokenizer(tmp_path, None)
    (tmp_path / "tokenizer.json").write_text(json.dumps({**phi3_definition(), **changes}), encoding="utf-8")
    line = prompt_or_line(tmp_path)
    assert says in line
    assert line.startswith(str(tmp_path / "tokenizer.json"))


def test_a_panic_at_a_members_text_is_an_ordinary_error() -> None:
    slow = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
    tokenizer = Tokenizer({**phi3_definition(), "pre_tokenizer": slow})
    with pytest.raises(ConfigurationError, match="retry-limit-in-match over"):
        tokenizer.encode("x" * 60)
