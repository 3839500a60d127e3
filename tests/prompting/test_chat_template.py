"""The kinds of chat template that model folders contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ConfigurationError
from bot.prompting.prompt import Message, PromptBuilder
from tests.phi3_tokenizer import TEMPLATE_APRIL_2024, TEMPLATE_JUNE_2024, phi3_definition, write_phi3_tokenizer

CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", " Hello "),
    Message("assistant", "Hi"),
    Message("user", "Bye"),
]
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}<start_of_turn>{{ 'model' if message['role'] == 'assistant' else "
    "message['role'] }}\n{{ message['content'] | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}"
    "<start_of_turn>model\n{% endif %}"
)


def other_model(*control_texts: str, **changes: Any) -> dict[str, Any]:
    """Changes for a tokenizer with other control tokens than Phi-3's."""
    definition = phi3_definition()
    vocabulary = {
        text: id for text, id in definition["model"]["vocab"].items() if "|>" not in text and not text.startswith("<|e")
    }
    vocabulary = {text: id for id, text in enumerate(vocabulary)}
    merges = [merge for merge in definition["model"]["merges"] if "".join(merge) in vocabulary]
    added = [
        {**definition["added_tokens"][0], "content": text, "id": len(vocabulary) + position}
        for position, text in enumerate(control_texts)
    ]
    model = {**definition["model"], "vocab": vocabulary, "merges": merges}
    return {"added_tokens": added, "model": model, **changes}


def test_phi3s_april_template_does_not_lose_the_system_prompt(tmp_path: Path) -> None:
    (tmp_path / "april").mkdir()
    (tmp_path / "june").mkdir()
    april = write_phi3_tokenizer(tmp_path / "april", TEMPLATE_APRIL_2024).builder
    june = write_phi3_tokenizer(tmp_path / "june", TEMPLATE_JUNE_2024).builder
    assert april.build(CONVERSATION) == june.build(CONVERSATION)
    assert "Be brief." in april.build(CONVERSATION).text
    assert april.stop_ids == june.stop_ids


def test_without_a_system_role_the_first_question_holds_the_system_prompt(tmp_path: Path) -> None:
    write_phi3_tokenizer(tmp_path, GEMMA, **other_model("<s>", "<start_of_turn>", "<end_of_turn>"))
    builder = PromptBuilder.from_folder(tmp_path)
    prompt = builder.build(CONVERSATION)
    assert prompt.text == (
        "<s><start_of_turn>user\nBe brief.\n\n Hello<end_of_turn>\n<start_of_turn>model\nHi<end_of_turn>\n"
        "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
    )
    assert builder.tokenizer.control_ids >= builder.stop_ids
    assert len(builder.stop_ids) == 2


def test_a_template_can_trim_contents(tmp_path: Path) -> None:
    template = (
        "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content.strip() + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    phi3 = write_phi3_tokenizer(tmp_path, template)
    prompt = phi3.builder.build(CONVERSATION)
    assert prompt.text == (
        "<|system|>Be brief.<|end|><|user|>Hello<|end|><|assistant|>Hi<|end|><|user|>Bye<|end|><|assistant|>"
    )
    assert list(prompt.ids) == phi3.raw.encode(prompt.text, add_special_tokens=False).ids


def test_phi3_without_a_template_gets_its_own(tmp_path: Path) -> None:
    (tmp_path / "june").mkdir()
    june = write_phi3_tokenizer(tmp_path / "june", TEMPLATE_JUNE_2024).builder
    assert write_phi3_tokenizer(tmp_path, None).builder.build(CONVERSATION) == june.build(CONVERSATION)


def test_the_jinja_file_takes_precedence_over_the_configuration(tmp_path: Path) -> None:
    write_phi3_tokenizer(tmp_path, "{{ 1 / 0 }}")
    (tmp_path / "chat_template.jinja").write_text(TEMPLATE_JUNE_2024, encoding="utf-8")
    assert PromptBuilder.from_folder(tmp_path).build(CONVERSATION).text.startswith("<|system|>\nBe brief.<|end|>\n")


def test_the_default_of_several_named_templates_is_used(tmp_path: Path) -> None:
    write_phi3_tokenizer(tmp_path)
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": TEMPLATE_JUNE_2024}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}), encoding="utf-8")
    assert PromptBuilder.from_folder(tmp_path).build(CONVERSATION).text.startswith("<|system|>\nBe brief.")


@pytest.mark.parametrize(
    ("template", "says"),
    [
        pytest.param(None, "no chat template", id="none"),
        pytest.param("{% for m in messages %}{{ m.content }}", "cannot be used", id="syntax"),
        pytest.param("{{ messages[0].content + 1 }}", "cannot be used", id="types"),
        pytest.param("{{ messages[0].content.nothing.at.all }}", "cannot be used", id="undefined"),
        pytest.param("{{ 1 // 0 }}", "cannot be used", id="division"),
        pytest.param("{{ raise_exception('no,\n never') }}", "no, never", id="raises"),
        pytest.param("Hello!", "drops messages", id="ignores messages"),
        pytest.param("{{ messages[-1].content }}", "drops messages", id="last message only"),
        pytest.param(
            "{% for m in messages %}{{ m.content }}{% if loop.index > 5 %}{{ raise_exception('No.') }}{% endif %}"
            "{% endfor %}",
            r"after 2 turns, No\.",
            id="refuses longer conversations",
        ),
        pytest.param(
            "{% for m in messages %}{{ m.content }}\ue000999999999\ue001{% endfor %}", "private use", id="private use"
        ),
    ],
)
def test_an_unusable_template_is_an_error_of_one_line(tmp_path: Path, template: str | None, says: str) -> None:
    write_phi3_tokenizer(tmp_path, template, **other_model("<s>"))
    with pytest.raises(ConfigurationError, match=says) as caught:
        PromptBuilder.from_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_jinja_file_that_is_no_text(tmp_path: Path) -> None:
    write_phi3_tokenizer(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"chat_template\.jinja cannot be read"):
        PromptBuilder.from_folder(tmp_path)


def test_a_tokenizer_that_adds_a_space_before_the_first_word_only(tmp_path: Path) -> None:
    """It has a Metaspace with `prepend_scheme` first, like newer exports of SentencePiece models."""
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    phi3 = write_phi3_tokenizer(tmp_path, TEMPLATE_JUNE_2024, normalizer=None, pre_tokenizer=metaspace)
    for messages in (CONVERSATION, [Message("user", "Hello the  you")], [Message("user", " 你好")]):
        prompt = phi3.builder.build(messages)
        assert list(prompt.ids) == phi3.raw.encode(prompt.text, add_special_tokens=False).ids
    start = phi3.builder.tokenizer.encode("Hello", at_start=True)
    assert start == phi3.raw.encode("Hello", add_special_tokens=False).ids
    assert start != phi3.builder.tokenizer.encode("Hello")
