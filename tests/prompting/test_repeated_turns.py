"""Prompts of any length hold what the template itself writes, as transformers renders it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from bot.prompting import chat_template
from bot.prompting.chat_template import PHI3_TEMPLATE, ChatTemplate
from bot.prompting.repeated_turns import Slot, chat
from tests.phi3_tokenizer import TEMPLATE_APRIL_2024, TEMPLATE_JUNE_2024

SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
CHATML_WITH_DEFAULT = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM_IN_LAST_QUESTION = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}{% if m.role == 'user' %}"
    "[INST] {% if loop.last and system is defined %}{{ system }}\n\n{% endif %}{{ m.content }} [/INST]"
    "{% else %}{% generation %}{{ m.content | trim }}{{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)
WITH_TOOLS_AND_LOOP_CONTROLS = (
    "{%- if tools %}{{ tools | tojson(indent=2) }}{% endif -%}\n  {% for m in messages %}"
    "{% if m.role == 'nobody' %}{% continue %}{% endif %}\n<{{ m.role }}>{{ m.content }}\n  {% endfor %}"
    "{{ {'a': 'é<'} | tojson }}{% if add_generation_prompt %}<assistant>{% endif %}"
)
NUMBERED = (
    "{% for m in messages %}{% if m.role == 'user' %}[Round {{ loop.index0 // 2 + 1 }}]\nQ: {{ m.content }}\n"
    "{% else %}A: {{ m.content }}\n{% endif %}{% endfor %}A:"
)


def rendered_by_transformers(source: str, roles: Sequence[str]) -> str:
    messages = [{"role": role, "content": f"({index})"} for index, role in enumerate(roles)]
    [text], _ = render_jinja_template([messages], chat_template=source, add_generation_prompt=True, **SPECIAL_TOKENS)
    return str(text)


def text_of(template: ChatTemplate, roles: Sequence[str]) -> str:
    return "".join(f"({piece.index})" if isinstance(piece, Slot) else piece for piece in template.render(roles))


@pytest.fixture
def forbid_children(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        monkeypatch.setattr(chat_template, "ask_child", lambda *_, **__: pytest.fail("a child was asked"))

    return forbid


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(PHI3_TEMPLATE, id="Phi-3"),
        pytest.param(TEMPLATE_JUNE_2024, id="Phi-3's own"),
        pytest.param(TEMPLATE_APRIL_2024, id="Phi-3's first"),
        pytest.param(CHATML_WITH_DEFAULT, id="ChatML"),
        pytest.param(SYSTEM_IN_LAST_QUESTION, id="system prompt in the last question"),
        pytest.param(WITH_TOOLS_AND_LOOP_CONTROLS, id="transformers' extras"),
    ],
)
def test_a_template_that_repeats_is_not_run_again(source: str, forbid_children: Callable[[], None]) -> None:
    template = ChatTemplate(source, SPECIAL_TOKENS, frozenset())
    leads = [("system",), ()] if template.has_system_branch else [()]
    forbid_children()
    for roles in (chat(lead, turns) for lead in leads for turns in (*range(12), 33, 200)):
        assert text_of(template, roles) == rendered_by_transformers(source, roles)


@pytest.mark.parametrize("roles", [chat((), 7), chat((), 40), ("user", "user"), ("assistant",), ("user", "assistant")])
def test_anything_else_is_rendered_once_more(roles: tuple[str, ...], forbid_children: Callable[[], None]) -> None:
    template = ChatTemplate(NUMBERED, SPECIAL_TOKENS, frozenset())
    expected = rendered_by_transformers(NUMBERED, roles)
    assert text_of(template, roles) == expected
    forbid_children()
    assert text_of(template, roles) == expected
