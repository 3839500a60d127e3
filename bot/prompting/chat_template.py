"""A model's chat template, rendered around the contents instead of through them.

A chat template is a Jinja text that turns messages into one prompt text. Rendering people's words through it would
mix them with the template's control tokens for good. Here each content is replaced by a mark before rendering, so
that afterwards it is known, character by character, what the template wrote and where each content stands.
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

# The template of Phi-3-mini since June 2024, written out. The first revision (April 2024) has no system branch and
# drops the system prompt without a word; the model itself knows the role.
PHI3_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
PHI3_MARKS = frozenset({"<|system|>", "<|user|>", "<|assistant|>", "<|end|>"})

# A template is somebody's program: besides Jinja's own errors it can raise those of the values that it handles.
_RENDER_ERRORS = (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

# A content's mark: its place in the list between two private-use characters, in white space that no template writes
# of itself, so that a template which trims its contents is noticed.
_PADDING = "\u2003"
_MARK = re.compile("(\u2003?)\ue000(\\d+)\ue001(\u2003?)")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a content stands in a rendered template, and whether the template trims it there."""

    index: int
    trim_left: bool
    trim_right: bool


class ChatTemplate:
    """How one model wants a conversation written.

    Args:
        source: the Jinja text.
        special_tokens: names such as `bos_token` and their texts, which templates refer to.
        control_texts: the texts of the tokenizer's added tokens; Phi-3 is told by them.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str], control_texts: frozenset[str]) -> None:
        self._source = source
        self._special_tokens = dict(special_tokens)
        self.has_system_branch = self._renders_system_role()
        if not self.has_system_branch and control_texts >= PHI3_MARKS:
            logger.warning("The model's chat template leaves the system prompt out; Phi-3's current one is used.")
            self._source = PHI3_TEMPLATE
            self.has_system_branch = True
        elif not self.has_system_branch:
            logger.warning(
                "The model's chat template has no system role; the system prompt goes before the first question."
            )

    @classmethod
    def from_folder(cls, folder: Path, control_texts: frozenset[str]) -> ChatTemplate:
        """Read the template from a model folder: `chat_template.jinja`, else `tokenizer_config.json`.

        Raises:
            ConfigurationError: the folder has no chat template, or one that cannot be rendered.
        """
        config = read_json(folder / "tokenizer_config.json")
        source = _template_source(folder, config)
        if source is None and control_texts >= PHI3_MARKS:
            source = PHI3_TEMPLATE
        if source is None:
            raise ConfigurationError(
                f"{folder} has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); "
                "choose an instruct model, or copy the template from the model's page"
            )
        return cls(source, _special_tokens(config), control_texts)

    def render(self, roles: Sequence[str], *, open_answer: bool) -> list[str | Slot]:
        """Render messages of these roles around their contents.

        Args:
            roles: the role of each message, in order: `system`, `user` or `assistant`.
            open_answer: end with the mark that opens the assistant's answer.

        Returns:
            the template's own texts and the contents' slots, in order.

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
            # Some templates raise on a system role; one that is broken altogether raises again at the first prompt.
            return False
        return any(isinstance(piece, Slot) and piece.index == 0 for piece in pieces)


def _pieces(rendered: str) -> list[str | Slot]:
    pieces: list[str | Slot] = []
    position = 0
    for mark in _MARK.finditer(rendered):
        pieces.append(rendered[position : mark.start()])
        pieces.append(Slot(int(mark[2]), trim_left=not mark[1], trim_right=not mark[3]))
        position = mark.end()
    pieces.append(rendered[position:])
    return [piece for piece in pieces if piece != ""]


def _template_source(folder: Path, config: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _read_text(file)
    template = config.get("chat_template")
    if isinstance(template, list):  # several named templates: the plain one
        named = {entry["name"]: entry["template"] for entry in template}
        template = named.get("default")
    return template


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); export the model again") from error


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """`bos_token` and the like; written as a text, or as an object with the text in `content`."""
    tokens = {}
    for name, value in config.items():
        if name.endswith("_token") and value is not None and not isinstance(value, bool):
            tokens[name] = value["content"] if isinstance(value, dict) else str(value)
    return tokens
