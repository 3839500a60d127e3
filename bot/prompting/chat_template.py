"""Chat templates, rendered without the messages' contents.

A chat template is a Jinja program that turns messages into the text of a prompt. In that text, a member's words cannot
be told from the template's control tokens. So this module renders placeholders instead of contents, and returns the
template's own text in pieces, with a slot where each content belongs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from transformers.utils.chat_template_utils import render_jinja_template

from bot.errors import ConfigurationError
from bot.prompting.tokenizer import read_json

logger = logging.getLogger(__name__)

# What Phi-3-mini's template has done since June 2024. The first revision (April 2024) silently drops the system prompt,
# although the model knows the role.
PHI3_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
PHI3_CONTROL_TEXTS = frozenset({"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"})

# A template is a program: besides Jinja's own errors, it can raise those of its operations on values.
_RENDER_ERRORS = (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# A placeholder is the message's index between two private-use characters. Around it is white space that no template
# writes itself: where it is missing in the result, the template trims contents.
_PADDING = "\u2003"
_PLACEHOLDER = re.compile("(\u2003?)\ue000(\\d+)\ue001(\u2003?)")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a message's content belongs in a rendered template, and whether the template trims it there."""

    index: int
    trim_left: bool
    trim_right: bool


class ChatTemplate:
    """A model's chat template.

    Args:
        source: the Jinja program.
        special_tokens: the texts of variables such as `bos_token`, which templates use.
        control_texts: the texts of the tokenizer's added tokens, which identify Phi-3.

    Attributes:
        has_system_branch: whether the template renders a system message.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str], control_texts: frozenset[str]) -> None:
        self._source = source
        self._special_tokens = dict(special_tokens)
        self.has_system_branch = self._renders_system_role()
        if not self.has_system_branch and control_texts >= PHI3_CONTROL_TEXTS:
            logger.warning("Chat template drops the system prompt, using the current one of Phi-3")
            self._source = PHI3_TEMPLATE
            self.has_system_branch = True
        elif not self.has_system_branch:
            logger.warning("Chat template has no system role, putting the system prompt before the first question")

    @classmethod
    def from_folder(cls, folder: Path, control_texts: frozenset[str]) -> ChatTemplate:
        """Read the template from a model folder: `chat_template.jinja`, else `tokenizer_config.json`.

        Raises:
            ConfigurationError: there is none, or it cannot be rendered.
        """
        config = read_json(folder / "tokenizer_config.json")
        source = _template_source(folder, config)
        if source is None and control_texts >= PHI3_CONTROL_TEXTS:
            source = PHI3_TEMPLATE
        if source is None:
            raise ConfigurationError(
                f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); "
                "choose an instruct model, or copy the template from the model's page"
            )
        return cls(source, _special_tokens(config), control_texts)

    def render(self, roles: Sequence[str], *, open_answer: bool) -> list[str | Slot]:
        """Render messages with a slot for each content.

        Args:
            roles: the role of each message, in order: `system`, `user` or `assistant`.
            open_answer: end with the control token that opens the assistant's answer.

        Returns:
            the template's own texts and the slots, in order.

        Raises:
            ConfigurationError: the template cannot be rendered.
        """
        try:
            return self._render(roles, open_answer)
        except _RENDER_ERRORS as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"the model's chat template cannot be used: {reason}") from error

    def _render(self, roles: Sequence[str], open_answer: bool) -> list[str | Slot]:
        messages = [
            {"role": role, "content": f"{_PADDING}\ue000{index}\ue001{_PADDING}"} for index, role in enumerate(roles)
        ]
        rendered, _ = render_jinja_template(
            conversations=[messages],
            chat_template=self._source,
            add_generation_prompt=open_answer,
            **self._special_tokens,
        )
        return _pieces(rendered[0])

    def _renders_system_role(self) -> bool:
        try:
            pieces = self._render(["system", "user"], open_answer=True)
        except _RENDER_ERRORS:
            # Some templates raise on a system role. A broken one raises again at the first prompt.
            return False
        return any(isinstance(piece, Slot) and piece.index == 0 for piece in pieces)


def _pieces(rendered: str) -> list[str | Slot]:
    pieces: list[str | Slot] = []
    position = 0
    for placeholder in _PLACEHOLDER.finditer(rendered):
        pieces.append(rendered[position : placeholder.start()])
        pieces.append(Slot(int(placeholder[2]), trim_left=not placeholder[1], trim_right=not placeholder[3]))
        position = placeholder.end()
    pieces.append(rendered[position:])
    return [piece for piece in pieces if piece != ""]


def _template_source(folder: Path, config: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _read_text(file)
    template = config.get("chat_template")
    if isinstance(template, list):  # several named templates
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); export the model again") from error


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Variables such as `bos_token`; each is a text, or an object with the text in `content`."""
    tokens = {}
    for name, value in config.items():
        if name.endswith("_token") and value is not None and not isinstance(value, bool):
            tokens[name] = value["content"] if isinstance(value, dict) else str(value)
    return tokens
