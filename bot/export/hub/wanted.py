"""Chooses the files of a repository that are worth a download."""

from __future__ import annotations

from collections.abc import Collection

_TEXTS = ("merges.txt", "vocab.txt")
_SMALL = (".json", ".jinja", ".model")  # settings, chat templates, SentencePiece tokenizers
_MODEL_PARTS = (".xml", ".bin")


def wanted_for_export(names: Collection[str], *, trust_remote_code: bool = False) -> set[str]:
    """Choose what transformers reads of a checkpoint: one set of weights, the settings and the tokenizer.

    Args:
        names: the files in the repository's root.
        trust_remote_code: include the repository's Python code.
    """
    endings = (*_SMALL, ".py") if trust_remote_code else _SMALL
    return _weights(names) | {name for name in names if name in _TEXTS or name.endswith(endings)}


def wanted_of_prebuilt(names: Collection[str]) -> set[str]:
    """Choose the files of a model in OpenVINO's format, tokenizer included.

    Args:
        names: the files in the repository's root.
    """
    model = {name for name in names if name.startswith("openvino_") and name.endswith(_MODEL_PARTS)}
    return model | {name for name in names if name in _TEXTS or name.endswith(_SMALL)}


def _weights(names: Collection[str]) -> set[str]:
    """Choose the first set that exists, in the order in which transformers looks for them."""
    for stem, ending in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        if stem + ending in names:
            return {stem + ending}
        # The stem excludes a second copy in the maker's own format, such as consolidated.safetensors.
        shards = {name for name in names if name.startswith(stem) and name.endswith(ending)}
        if shards:
            return shards
    return set()
