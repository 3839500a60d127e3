"""`prompt`: the token ids that a model reads for a list of messages, for whoever compares engines or templates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from bot.errors import ConfigurationError
from bot.model.versions import current_model_folder
from bot.prompting.prompt import Message, PromptBuilder, Role

_ROLES = get_args(Role)


def prompt_as_json(model_dir: Path, messages_file: Path) -> str:
    """Return the prompt for the messages in a file, as a JSON object with the keys `ids` and `text`.

    Args:
        model_dir: a folder with a tokenizer, or one with versions.
        messages_file: a JSON list of `{"role": …, "content": …}`.

    Raises:
        ConfigurationError: the folder or the file cannot be used.
    """
    messages = _read_messages(messages_file)
    prompt = PromptBuilder.from_folder(current_model_folder(model_dir)).build(messages)
    return json.dumps({"ids": list(prompt.ids), "text": prompt.text}, ensure_ascii=False)


def _read_messages(path: Path) -> list[Message]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path} is nested too deeply") from error
    except ValueError as error:
        raise ConfigurationError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ConfigurationError(f'{path} must hold a JSON list of {{"role": …, "content": …}}, at least one')
    return [_message(path, number, entry) for number, entry in enumerate(entries, start=1)]


def _message(path: Path, number: int, entry: object) -> Message:
    if not isinstance(entry, dict) or entry.get("role") not in _ROLES or not isinstance(entry.get("content"), str):
        raise ConfigurationError(f'{path}, message {number}: needs "role" ({", ".join(_ROLES)}) and "content" (a text)')
    try:
        entry["content"].encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{path}, message {number}: its content is not valid Unicode ({error})") from error
    return Message(entry["role"], entry["content"])
