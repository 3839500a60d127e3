"""A tokenizer of Phi-3's kind over a small vocabulary.

It has Phi-3's whole machinery: byte fallback, the normalizer that puts a space first, the decoder, every added token
with its flags. Unlike Phi-3's it also has merges that build control tokens out of typed letters, which a safe tokenizer
must leave unused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATE_JUNE_2024 = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
# The first revision: no branch for the system role, and the answer's mark is written after every question.
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


def write_phi3_tokenizer_files(folder: Path, template: str | None = TEMPLATE_JUNE_2024, **changes: Any) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json` into an existing folder.

    Args:
        template: the chat template; None leaves it out.
        changes: replaced parts of `tokenizer.json`, by key.
    """
    definition = {**phi3_definition(), **changes}
    config = {"bos_token": "<s>", "eos_token": "<|endoftext|>", "unk_token": "<unk>", "add_bos_token": False}
    if template is not None:
        config["chat_template"] = template
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


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
