"""Folders with a tokenizer like Phi-3's: an imitation, and the real one if it is beside the project.

The imitation has Phi-3's whole machinery (byte fallback, the normalizer that prepends a space, the decoder, every added
token with its flags) over a small vocabulary. Unlike Phi-3's, it also has merges that build control tokens out of typed
letters, which a safe tokenizer must not use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from bot.prompting.prompt import PromptBuilder

REAL_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "phi3-tokenizer"

TEMPLATE_JUNE_2024 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
# The first revision has no branch for the system role, and opens an answer after every question.
TEMPLATE_APRIL_2024 = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\n' + "
    "message['content'] + '<|end|>' + '\n' + '<|assistant|>' + '\n'}}{% elif (message['role'] == 'assistant') %}"
    "{{message['content'] + '<|end|>' + '\n'}}{% endif %}{% endfor %}"
)

# Text, special, rstrip: the flags of Phi-3's own file. `</s>` is not special there.
ADDED_TOKENS = (
    ("<unk>", True, False),
    ("<s>", True, False),
    ("</s>", False, True),
    ("<|endoftext|>", True, False),
    ("<|assistant|>", True, True),
    ("<|placeholder1|>", True, True),
    ("<|placeholder2|>", True, True),
    ("<|placeholder3|>", True, True),
    ("<|placeholder4|>", True, True),
    ("<|system|>", True, True),
    ("<|end|>", True, True),
    ("<|placeholder5|>", True, True),
    ("<|placeholder6|>", True, True),
    ("<|user|>", True, True),
)
_WORDS = ("▁Hello", "▁the", "▁is", "▁you", "ing", "er", "▁▁", "▁▁▁▁", "''", "```", "....", "é")
_CONTROL_TEXTS_IN_REACH = ("</s>", "</s>x", "<|end|>", "<unk>")
_LETTERS = "▁!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~éü½你好"


@dataclass(frozen=True)
class Phi3Tokenizer:
    """A folder with a tokenizer like Phi-3's.

    Attributes:
        folder: with `tokenizer.json` and `tokenizer_config.json`.
        raw: the tokenizer in the `tokenizers` library, which finds control tokens in any text.
        ids: the ids of the added tokens, by text.
    """

    folder: Path
    raw: tokenizers.Tokenizer = field(repr=False)
    ids: Mapping[str, int] = field(repr=False)

    @property
    def builder(self) -> PromptBuilder:
        return PromptBuilder.from_folder(self.folder, {self.ids["<|endoftext|>"]})


def open_phi3_tokenizer(folder: Path) -> Phi3Tokenizer:
    raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Phi3Tokenizer(folder, raw, {text: raw.token_to_id(text) for text, *_ in ADDED_TOKENS})


def write_phi3_tokenizer(folder: Path, template: str | None = TEMPLATE_JUNE_2024, **changes: Any) -> Phi3Tokenizer:
    """Write `tokenizer.json` and `tokenizer_config.json`.

    Args:
        folder: an existing folder.
        template: the chat template; None writes none.
        changes: replacements for parts of `tokenizer.json`, by key.
    """
    definition = {**phi3_definition(), **changes}
    config = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "add_bos_token": False}
    if template is not None:
        config["chat_template"] = template
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return open_phi3_tokenizer(folder)


def phi3_definition() -> dict[str, Any]:
    """The parsed `tokenizer.json`."""
    vocabulary, merges = _vocabulary()
    for text, *_ in ADDED_TOKENS:
        vocabulary.setdefault(text, len(vocabulary))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            _added_token(vocabulary[text], text, special=special, rstrip=rstrip)
            for text, special, rstrip in ADDED_TOKENS
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            ],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def _vocabulary() -> tuple[dict[str, int], list[list[str]]]:
    texts = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *_LETTERS]
    merges: list[list[str]] = []
    for word in (*_WORDS, *_CONTROL_TEXTS_IN_REACH):
        for end in range(2, len(word) + 1):
            merge = [word[: end - 1], word[end - 1]]
            if merge not in merges:
                merges.append(merge)
                texts.append(word[:end])
    vocabulary = {text: id for id, text in enumerate(dict.fromkeys(texts))}
    return vocabulary, merges


def _added_token(id: int, text: str, *, special: bool, rstrip: bool) -> dict[str, Any]:
    return {
        "id": id,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": rstrip,
        "normalized": False,
        "special": special,
    }


def _kinds() -> Sequence[str]:
    return ("made", "real") if REAL_FOLDER.is_dir() else ("made",)


@pytest.fixture(scope="session", params=_kinds())
def phi3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Phi3Tokenizer:
    """The imitated tokenizer, and the real one if it is there."""
    if request.param == "real":
        return open_phi3_tokenizer(REAL_FOLDER)
    return write_phi3_tokenizer(tmp_path_factory.mktemp("phi3"))


@pytest.fixture(scope="session")
def builder(phi3: Phi3Tokenizer) -> PromptBuilder:
    return phi3.builder
