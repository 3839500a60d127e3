"""A child that tokenizes texts with transformers and with OpenVINO's converted tokenizer."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bot.export.child_process import die_with_parent

_NAMES = ("openvino_tokenizer.xml", "openvino_detokenizer.xml")

Ids = list[list[int]]


def main() -> None:
    """Write each tokenizer's ids for some texts as JSON, or one line that says why it has none."""
    die_with_parent()
    _import_without_torch()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the model folder")
    parser.add_argument("texts", type=Path, help="a JSON list of texts")
    parser.add_argument("result", type=Path, help="the JSON file to write")
    parser.add_argument("--convert", action="store_true", help="convert OpenVINO's tokenizer again first")
    options = parser.parse_args()
    texts = json.loads(options.texts.read_text(encoding="utf-8"))
    if options.convert:
        _convert(options.folder)
    result = {
        "transformers": _ids_or_reason(_transformers_ids, options.folder, texts),
        "openvino": _ids_or_reason(_openvino_ids, options.folder, texts),
    }
    options.result.write_text(json.dumps(result), encoding="utf-8")


def _import_without_torch() -> None:
    """Have transformers take torch for missing: a tokenizer does not use it, and importing it takes seconds."""
    sys.modules["torch"] = None  # type: ignore[assignment]  # its import then fails, as it must


def _ids_or_reason(ask: Callable[[Path, Sequence[str]], Ids], folder: Path, texts: Sequence[str]) -> Ids | str:
    try:
        return ask(folder, texts)
    except Exception as error:  # noqa: BLE001 - these libraries raise anything, and it becomes one line
        return " ".join(f"{type(error).__name__}: {error}".split())


def _transformers_ids(folder: Path, texts: Sequence[str]) -> Ids:
    tokenizer = _load(folder)
    return [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


def _openvino_ids(folder: Path, texts: Sequence[str]) -> Ids:
    import openvino
    import openvino_tokenizers  # noqa: F401 - registers the operations of these models

    if not (folder / _NAMES[1]).is_file():
        raise FileNotFoundError(f"{_NAMES[1]} is missing")
    compiled = openvino.Core().compile_model(folder / _NAMES[0], "CPU")
    return [compiled([text])["input_ids"][0].tolist() for text in texts]


def _convert(folder: Path) -> None:
    import openvino
    from openvino_tokenizers import convert_tokenizer

    models = convert_tokenizer(_load(folder), with_detokenizer=True)
    for name, model in zip(_NAMES, models, strict=True):
        for path in (folder / name, (folder / name).with_suffix(".bin")):
            path.unlink(missing_ok=True)  # it may be a link to a downloaded file, which must not change
        openvino.save_model(model, folder / name)


def _load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


if __name__ == "__main__":
    main()
