"""Checks an exported model's chat template and stop tokens, and repairs them in its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bot.errors import ConfigurationError
from bot.model.folder import open_model_folder
from bot.model.report import Finding
from bot.prompting.chat_template import PHI3_CONTROL_TEXTS, PHI3_TEMPLATE, ChatTemplate
from bot.prompting.prompt import Message, PromptBuilder
from bot.prompting.tokenizer import Tokenizer, read_json

_TEMPLATE = "chat_template.jinja"
_GENERATION = "generation_config.json"
_MARK = -1  # no token has this id


def check_chat_template(model: Path, source: Path | None) -> Finding:
    """Make sure that there is a chat template, and that Phi-3's includes the system prompt.

    Args:
        model: the exported folder.
        source: the checkpoint's folder, if there is one.

    Raises:
        ConfigurationError: there is no template, and none to replace it.
    """
    what = "chat template"
    controls = frozenset(token.text for token in Tokenizer.from_folder(model).control_tokens)
    note = ""
    try:
        template = ChatTemplate.from_folder(model, frozenset())
    except ConfigurationError:
        if source is not None and (source / _TEMPLATE).is_file():
            shutil.copyfile(source / _TEMPLATE, model / _TEMPLATE)
            note = "was missing; copied from the checkpoint"
        elif controls >= PHI3_CONTROL_TEXTS:
            _write_phi3_template(model)
            note = "was missing; replaced by Phi-3's current one"
        template = ChatTemplate.from_folder(model, frozenset())
    if not template.has_system_branch and controls >= PHI3_CONTROL_TEXTS:
        _write_phi3_template(model)
        note = "dropped the system prompt, like Phi-3's of April 2024; replaced by the current one"
    elif not template.has_system_branch:
        detail = "has no system role; the bot puts the system prompt before the first question"
        return Finding(what=what, verdict="noted", detail=detail)
    if note:
        return Finding(what=what, verdict="repaired", detail=note)
    return Finding(what=what, verdict="good", detail="includes system prompt, questions and answers")


def check_stop_tokens(model: Path) -> Finding:
    """Make sure that `generation_config.json` names every stop token.

    The bot derives them from the template too; the sample's `generate` never stops without them.
    """
    what = "stop tokens"
    folder = open_model_folder(model)
    builder = PromptBuilder.from_folder(model, folder.eos_token_ids)
    path = model / _GENERATION
    document = read_json(path) if path.exists() else {}
    named = _ids(document.get("eos_token_id"))
    needed = folder.eos_token_ids | _answer_end(builder)
    if not needed:
        return Finding(
            what=what, verdict="noted", detail="the model names none, so answers end only at the length limit"
        )
    if needed <= named:
        return Finding(what=what, verdict="good", detail=f"{_list(named)} end an answer")
    path.unlink(missing_ok=True)
    path.write_text(json.dumps({**document, "eos_token_id": sorted(named | needed)}, indent=2) + "\n", encoding="utf-8")
    detail = f"added {_list(needed - named)} to {_GENERATION}"
    return Finding(what=what, verdict="repaired", detail=detail)


def _answer_end(builder: PromptBuilder) -> frozenset[int]:
    """The control token that the template puts after an answer."""
    ids = builder.build([Message("user", "?"), builder.answer("!", [_MARK])]).ids
    following = ids[ids.index(_MARK) + 1 :][:1]
    return frozenset(following) & builder.tokenizer.control_ids


def _write_phi3_template(model: Path) -> None:
    path = model / _TEMPLATE
    path.unlink(missing_ok=True)
    path.write_text(PHI3_TEMPLATE, encoding="utf-8")


def _ids(value: object) -> frozenset[int]:
    return frozenset(each for each in (value if isinstance(value, list) else [value]) if isinstance(each, int))


def _list(ids: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
