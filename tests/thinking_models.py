"""Prompts of models that think before they answer: who writes which mark, and whether it is a token of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

from bot.prompting.prompt import PromptBuilder

_MESSAGES = (
    "{% for message in messages %}{% set content = message['content'] %}"
    "{% if message['role'] == 'assistant' and 'CLOSING' in content %}"
    "{% set content = content.split('CLOSING')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|' + message['role'] + '|>\n' + content + '<|end|>\n' }}{% endfor %}"
)
_BEGINS_ITSELF = (
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ 'OPENING\n\nCLOSING\n\n' }}{% endif %}{% endif %}"
)
_BEGUN_BY_PROMPT = "{% if add_generation_prompt %}{{ '<|assistant|>\nOPENING\n' }}{% endif %}"


def thinking_template(opening: str = "<think>", closing: str = "</think>", *, begun_by_prompt: bool = False) -> str:
    """A template that drops earlier thoughts, as Qwen3's does, or as DeepSeek-R1's, which also begins the thought."""
    template = _MESSAGES + (_BEGUN_BY_PROMPT if begun_by_prompt else _BEGINS_ITSELF)
    return template.replace("OPENING", opening).replace("CLOSING", closing)


def write_thinking_tokenizer(
    folder: Path,
    template: str,
    marks: tuple[str, ...] = ("<think>", "</think>"),
    *,
    special: bool = False,
    **changes: Any,
) -> None:
    """Write a tokenizer like Phi-3's that has these marks as tokens."""
    definition = {**phi3_definition(), **changes}
    vocabulary = dict(definition["model"]["vocab"])
    added = list(definition["added_tokens"])
    for mark in marks:
        vocabulary[mark] = max(vocabulary.values()) + 1
        added.append({**added[0], "id": vocabulary[mark], "content": mark, "special": special})
    write_phi3_tokenizer_files(folder, template, added_tokens=added, model={**definition["model"], "vocab": vocabulary})


def thinking_builder(
    folder: Path, template: str, marks: tuple[str, ...] = (), *, special: bool = False
) -> PromptBuilder:
    write_thinking_tokenizer(folder, template, marks, special=special)
    return PromptBuilder.from_folder(folder)


def ids_of(builder: PromptBuilder, text: str) -> list[int]:
    """What a model generates for a text: the marks are single tokens where the tokenizer has them."""
    controls = {token.text: token.id for token in builder.tokenizer.control_tokens}
    ids: list[int] = []
    while text:
        found = [(text.find(mark), mark) for mark in builder.thinking.texts if mark in text and mark in controls]
        place, mark = min(found, default=(len(text), ""))
        ids += builder.tokenizer.encode(text[:place])
        if mark:
            ids.append(controls[mark])
        text = text[place + len(mark) :]
    return ids
