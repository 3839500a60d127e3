"""Prompts have exactly the ids of the model's own format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.model.folder import open_model_folder
from bot.prompting.prompt import Message, PromptBuilder, Role
from tests.phi3_tokenizer import ADDED_TOKENS, REAL_FOLDER, Phi3Tokenizer

CODE = "```python\ndef greet(name):\n    return f'Hello, {name}'\n```"
CONTENTS = st.one_of(
    st.text(),
    st.text(st.sampled_from(" \t\n\r\u00a0\u2003\u3000\x0b\x1c\u200b<|>/s▁`Hello你🦙é"), max_size=30),
    st.sampled_from(["", " ", "\n", CODE, "Hello the 你好", "a  b   c", "<|", "<s", "nice </ s>", "e\u0301 👩‍👩‍👧"]),
).filter(lambda text: not any(control in text for control, *_ in ADDED_TOKENS))


def conversation(contents: list[str], system: str | None) -> list[Message]:
    roles: tuple[Role, ...] = ("user", "assistant")
    turns = [Message(roles[index % 2], content) for index, content in enumerate(contents)]
    return ([] if system is None else [Message("system", system)]) + turns


def written(messages: list[Message]) -> str:
    """Phi-3's format, independent of the template."""
    turns = [f"<|{message.role}|>\n{message.content}<|end|>\n" for message in messages]
    return "".join(turns) + "<|assistant|>\n"


def test_a_conversation_has_phi3s_ids(phi3: Phi3Tokenizer, builder: PromptBuilder) -> None:
    def plain(text: str) -> list[int]:
        return list(phi3.raw.encode(text, add_special_tokens=False).ids)

    messages = [Message("system", "Be the"), Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "?")]
    prompt = builder.build(messages)
    system, user, assistant, end = (phi3.ids[f"<|{name}|>"] for name in ("system", "user", "assistant", "end"))
    expected = [system, *plain("Be the"), end, user, *plain("Hello"), end]
    expected += [assistant, *plain("Hi"), end, user, *plain("?"), end, assistant]
    assert list(prompt.ids) == expected
    assert prompt.text == written(messages)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    contents=st.lists(CONTENTS, min_size=1, max_size=5).filter(lambda c: len(c) % 2 == 1), system=st.none() | CONTENTS
)
def test_without_look_alikes_the_ids_are_the_raw_tokenizers(
    phi3: Phi3Tokenizer, builder: PromptBuilder, contents: list[str], system: str | None
) -> None:
    messages = conversation(contents, system)
    prompt = builder.build(messages)
    assert prompt.text == written(messages)
    assert list(prompt.ids) == phi3.raw.encode(written(messages), add_special_tokens=False).ids


def test_every_control_token_that_ends_an_answer_stops_it(phi3: Phi3Tokenizer, builder: PromptBuilder) -> None:
    assert builder.stop_ids >= {phi3.ids[text] for text in ("<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>")}


def test_ordinary_text_does_not_stop_an_answer(phi3: Phi3Tokenizer, builder: PromptBuilder) -> None:
    assert builder.stop_ids.isdisjoint(phi3.raw.encode(CODE, add_special_tokens=False).ids)
    assert phi3.ids["<s>"] not in builder.stop_ids


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason="Phi-3's own tokenizer is not beside the project")
class TestTheRealTokenizer:
    def test_control_tokens_have_the_published_ids(self) -> None:
        builder = PromptBuilder.from_folder(REAL_FOLDER, {32000})
        prompt = builder.build([Message("system", "Hello"), Message("user", "Hi")])
        assert prompt.ids == (32006, 15043, 32007, 32010, 6324, 32007, 32001)
        assert builder.stop_ids >= {32000, 32001, 32007}

    def test_every_published_vector_has_its_ids(self) -> None:
        builder = PromptBuilder.from_folder(REAL_FOLDER)
        vectors = json.loads((REAL_FOLDER / "vectors.json").read_text(encoding="utf-8"))
        assert vectors
        for vector in vectors:
            assert builder.tokenizer.encode(vector["text"], at_start=True) == vector["ids"], vector["text"]


# ChatML. SmolLM2's tokenizer works on bytes, and its template adds a default system prompt.


@pytest.fixture(scope="module")
def chatml(small_model_dir: Path) -> PromptBuilder:
    return PromptBuilder.from_folder(small_model_dir, open_model_folder(small_model_dir).eos_token_ids)


@pytest.fixture(scope="module")
def raw_chatml(small_model_dir: Path) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(small_model_dir / "tokenizer.json"))


def test_a_conversation_has_chatmls_ids(chatml: PromptBuilder) -> None:
    prompt = chatml.build([Message("system", "Be brief"), Message("user", "Hi")])
    start, end, newline = 1, 2, 198
    encode = chatml.tokenizer.encode
    assert list(prompt.ids) == [
        *[start, *encode("system"), newline, *encode("Be brief"), end, newline],
        *[start, *encode("user"), newline, *encode("Hi"), end, newline],
        *[start, *encode("assistant"), newline],
    ]


def test_the_templates_own_system_prompt_is_kept(chatml: PromptBuilder) -> None:
    prompt = chatml.build([Message("user", "What is the capital of France?")])
    # From OpenVINO's tokenizer for the same model's GGUF file.
    known = (1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712)
    assert prompt.ids[: len(known)] == known


def test_the_end_of_a_turn_stops_in_chatml(chatml: PromptBuilder) -> None:
    assert chatml.stop_ids >= {1, 2}


@settings(max_examples=150)
@given(content=st.text().filter(lambda text: "<" not in text))
def test_chatml_ids_are_the_raw_tokenizers(
    chatml: PromptBuilder, raw_chatml: tokenizers.Tokenizer, content: str
) -> None:
    prompt = chatml.build([Message("system", "Be brief"), Message("user", content)])
    assert list(prompt.ids) == raw_chatml.encode(prompt.text, add_special_tokens=False).ids
