"""Compares the exported tokenizers with the checkpoint's, and repairs them in the exported folder.

With a wrong tokenizer a model silently reads other words than people wrote. The bot reads `tokenizer.json` itself; the
sample's code goes through transformers, and openvino-genai through a converted tokenizer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from bot.errors import ConfigurationError
from bot.export.child_process import ChildError, run_child
from bot.export.corpus import TOKENIZER_TEXTS
from bot.export.workspace import Workspace
from bot.model.report import Finding
from bot.prompting.tokenizer import read_json

_FILE = "tokenizer.json"
_CONFIG = "tokenizer_config.json"

Ids = list[list[int]]


@dataclass(frozen=True, slots=True)
class _Others:
    """Ids from other programs' tokenizers, or one line that says why there are none."""

    transformers: Ids | str
    openvino: Ids | str


def check_tokenizers(workspace: Workspace, source: Path | None) -> list[Finding]:
    """Compare every tokenizer in the workspace's model folder with the checkpoint's, and repair what differs.

    Args:
        source: the checkpoint's folder; None for a fetched model.

    Raises:
        ConfigurationError: tokenizer.json is missing or unreadable.
    """
    findings = [_check_own_file(workspace.model, source)]
    expected = _ids(workspace.model / _FILE)
    others = _other_ids(workspace)
    finding, others = _check_transformers(workspace, expected, others)
    findings.append(finding)
    findings.append(_check_openvino(workspace, expected, others))
    return findings


def _check_own_file(model: Path, source: Path | None) -> Finding:
    what = f"{_FILE}"
    original = None if source is None else source / _FILE
    if original is None or not original.is_file():
        _ids(model / _FILE)
        return Finding(what=what, verdict="skipped", detail="no checkpoint's tokenizer.json to compare with")
    if (model / _FILE).is_file() and _ids(model / _FILE) == _ids(original):
        return Finding(
            what=what, verdict="good", detail=f"same ids as the checkpoint's for {len(TOKENIZER_TEXTS)} texts"
        )
    _replace(original, model / _FILE)
    return Finding(what=what, verdict="repaired", detail="gave other ids than the checkpoint's; replaced by that one")


def _check_transformers(workspace: Workspace, expected: Ids, others: _Others) -> tuple[Finding, _Others]:
    what = "transformers' tokenizer"
    differing = _differing(others.transformers, expected)
    if not differing:
        return Finding(what=what, verdict="good", detail="gives the same ids"), others
    # transformers 5 rebuilds classes such as LlamaTokenizer, with other ids; this class uses tokenizer.json unchanged.
    config = read_json(workspace.model / _CONFIG)
    for name in ("tokenizer_class", "auto_map", "backend"):
        config.pop(name, None)
    _write_json(workspace.model / _CONFIG, {**config, "tokenizer_class": "PreTrainedTokenizerFast"})
    others = _other_ids(workspace)
    if not _differing(others.transformers, expected):
        detail = f"{differing}; now uses PreTrainedTokenizerFast, which reads {_FILE} unchanged"
        return Finding(what=what, verdict="repaired", detail=detail), others
    return Finding(what=what, verdict="noted", detail=_differing(others.transformers, expected)), others


def _check_openvino(workspace: Workspace, expected: Ids, others: _Others) -> Finding:
    what = "openvino_tokenizer.xml"
    start = _start_id(workspace.model)
    differing = _differing(others.openvino, expected, start)
    if not differing:
        return Finding(what=what, verdict="good", detail="gives the same ids")
    try:
        others = _other_ids(workspace, convert=True)
    except ChildError as error:
        return Finding(what=what, verdict="noted", detail=f"cannot be converted: {error}; the bot does not need it")
    if still := _differing(others.openvino, expected, start):
        return Finding(what=what, verdict="noted", detail=f"{still}; the bot does not use it")
    return Finding(what=what, verdict="repaired", detail=f"{differing}; converted again")


def _ids(path: Path) -> Ids:
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower type
        raise ConfigurationError(
            f"the model's {_FILE} is missing or damaged ({error}); choose a model that has one"
        ) from error
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in TOKENIZER_TEXTS]


def _other_ids(workspace: Workspace, *, convert: bool = False) -> _Others:
    texts, result = workspace.folder / "texts.json", workspace.folder / "ids.json"
    _write_json(texts, list(TOKENIZER_TEXTS))
    arguments = [str(workspace.model), str(texts), str(result), *(["--convert"] if convert else [])]
    run_child(
        "bot.export.tokenizer_child",
        arguments,
        log=workspace.log("tokenizers"),
        environment={"HF_HUB_OFFLINE": "1", "TMPDIR": str(workspace.temporary)},
    )
    return _Others(**json.loads(result.read_text(encoding="utf-8")))


def _start_id(model: Path) -> int | None:
    """The token that a converted tokenizer adds before every text."""
    path = model / "generation_config.json"
    value = read_json(path).get("bos_token_id") if path.exists() else None
    return value if isinstance(value, int) else None


def _differing(ids: Ids | str, expected: Ids, start: int | None = None) -> str:
    """Say how a tokenizer's ids differ; empty if they do not."""
    if isinstance(ids, str):
        return f"does not work ({ids})"
    wrong = [
        text
        for text, got, wanted in zip(TOKENIZER_TEXTS, ids, expected, strict=True)
        if got != wanted and got != _started(start, wanted)
    ]
    return f"gave other ids for {len(wrong)} of {len(expected)} texts, such as {wrong[0][:20]!r}" if wrong else ""


def _started(start: int | None, ids: Sequence[int]) -> list[int]:
    return list(ids) if start is None else [start, *ids]


def _replace(original: Path, target: Path) -> None:
    """Replace a file without writing into it: it may be a link to a downloaded one."""
    target.unlink(missing_ok=True)
    shutil.copyfile(original, target)


def _write_json(path: Path, content: object) -> None:
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
