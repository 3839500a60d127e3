"""Chat templates, rendered without the messages' contents.

A chat template is a Jinja program that turns messages into the text of a prompt. In that text, a member's words cannot
be told from the template's control tokens. So placeholders are rendered instead of contents, and the result is the
template's own text in pieces, with a slot where each content belongs.

The program runs in a child (`template_child`) when the model is loaded, for conversations of some lengths. What it
writes for each further turn then repeats, so prompts are put together without it. A date that it writes stays that of
the load, as the prefix cache needs it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.errors import ConfigurationError
from bot.model.files import MOST_BYTES, read_file
from bot.prompting.child_process import ChildError, ask_child
from bot.prompting.repeated_turns import LENGTHS, Pieces, Slot, chat, repeats, with_more_turns
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

_CHILD = "bot.prompting.template_child"
_CHILD_SECONDS = 10.0
_LEADS = ((), ("system",))
_WAY_OUT = "copy the template from the model's page into chat_template.jinja, or choose another model"
# The variables of transformers' tokenizers. Others that end in `_token` may be anything.
_SPECIAL_TOKENS = frozenset(f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"))

# A placeholder is the message's index between two private-use characters. Around it is white space that no template
# writes itself: where it is missing in the result, the template trims contents.
_PADDING = "\u2003"
_PLACEHOLDER = re.compile("(\u2003?)\ue000(\\d{1,9})\ue001(\u2003?)")


@dataclass(frozen=True, slots=True)
class _Unusable:
    """Why the template cannot render some roles."""

    reason: str


class ChatTemplate:
    """A model's chat template.

    Args:
        source: the Jinja program.
        special_tokens: the texts of variables such as `bos_token`, which templates use.
        control_texts: the texts of the tokenizer's added tokens, which identify Phi-3.
        on_wait: called several times a second while the template is rendered; it may raise to stop.

    Attributes:
        has_system_branch: whether the template renders a system message.

    Raises:
        ConfigurationError: it is no template, refuses conversations of some length, runs too long, needs too much
            memory or crashes.
    """

    def __init__(
        self,
        source: str,
        special_tokens: Mapping[str, str],
        control_texts: frozenset[str],
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._special_tokens = dict(special_tokens)
        self._render_other = lru_cache(maxsize=256)(self._render_one)
        self._known = self._render_all(on_wait)
        if not self.has_system_branch and control_texts >= PHI3_CONTROL_TEXTS:
            logger.warning("Chat template drops the system prompt, using the current one of Phi-3")
            self._source = PHI3_TEMPLATE
            self._known = self._render_all(on_wait)
        elif not self.has_system_branch:
            logger.warning("Chat template has no system role, putting the system prompt before the first question")
        self._require_every_length()
        self._repeating = frozenset(lead for lead in _LEADS if repeats(lead, self._known))

    @classmethod
    def from_folder(
        cls, folder: Path, control_texts: frozenset[str], on_wait: Callable[[], None] = lambda: None
    ) -> ChatTemplate:
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
        return cls(source, _special_tokens(folder, config), control_texts, on_wait)

    @property
    def source(self) -> str:
        """The Jinja program in use."""
        return self._source

    @property
    def has_system_branch(self) -> bool:
        """Whether the template renders a system message; some raise on one."""
        pieces = self._known[chat(("system",), 0)]
        return not isinstance(pieces, _Unusable) and any(
            isinstance(piece, Slot) and piece.index == 0 for piece in pieces
        )

    def render(self, roles: Sequence[str]) -> Pieces:
        """Return the template's own texts and a slot for each content, in order, up to where an answer begins.

        A conversation of ordinary turns takes no time. Only for other roles, or a template that does not repeat, a
        child is asked.

        Args:
            roles: the role of each message, in order: `system`, `user` or `assistant`.

        Raises:
            ConfigurationError: the template cannot render these roles in this order.
        """
        pieces = self._pieces(tuple(roles))
        if isinstance(pieces, _Unusable):
            raise _unusable(pieces.reason)
        return pieces

    def _require_every_length(self) -> None:
        """Refuse now what would refuse a member's question once the conversation is so long."""
        lead = ("system",) if self.has_system_branch else ()
        for turns in LENGTHS:
            pieces = self._known[chat(lead, turns)]
            if isinstance(pieces, _Unusable):
                raise _unusable(f"after {turns} turns, {pieces.reason}" if turns > 1 else pieces.reason)

    def _pieces(self, roles: tuple[str, ...]) -> Pieces | _Unusable:
        if roles in self._known:
            return self._known[roles]
        lead = roles[:1] if roles[:1] == ("system",) else ()
        turns = (len(roles) - len(lead)) // 2
        if lead in self._repeating and roles == chat(lead, turns):
            return with_more_turns(lead, self._known, turns)
        return self._render_other(roles)

    def _render_all(self, on_wait: Callable[[], None]) -> dict[tuple[str, ...], Pieces | _Unusable]:
        chats = [chat(lead, turns) for lead in _LEADS for turns in LENGTHS]
        return dict(zip(chats, self._ask(chats, on_wait), strict=True))

    def _render_one(self, roles: tuple[str, ...]) -> Pieces | _Unusable:
        [pieces] = self._ask([roles], lambda: None)
        return pieces

    def _ask(self, chats: Sequence[tuple[str, ...]], on_wait: Callable[[], None]) -> list[Pieces | _Unusable]:
        job = {
            "source": self._source,
            "variables": self._special_tokens,
            "conversations": [
                [
                    {"role": role, "content": f"{_PADDING}\ue000{index}\ue001{_PADDING}"}
                    for index, role in enumerate(roles)
                ]
                for roles in chats
            ],
        }
        try:
            rendered = ask_child(_CHILD, job, seconds=_CHILD_SECONDS, on_wait=on_wait)
        except ChildError as error:
            raise _unusable(str(error)) from error
        return [
            _Unusable(reason) if text is None else _split(text, len(roles))
            for roles, (text, reason) in zip(chats, rendered, strict=True)
        ]


def _unusable(reason: str) -> ConfigurationError:
    return ConfigurationError(f"the model's chat template cannot be used: {reason}; {_WAY_OUT}")


def _split(rendered: str, messages: int) -> Pieces | _Unusable:
    pieces: list[str | Slot] = []
    position = 0
    for placeholder in _PLACEHOLDER.finditer(rendered):
        if int(placeholder[2]) >= messages:
            return _Unusable("it writes characters of Unicode's private use area")
        pieces.append(rendered[position : placeholder.start()])
        pieces.append(Slot(int(placeholder[2]), trim_left=not placeholder[1], trim_right=not placeholder[3]))
        position = placeholder.end()
    pieces.append(rendered[position:])
    return tuple(piece for piece in pieces if piece != "")


def _template_source(folder: Path, config: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.exists():
        return _read_text(file)
    template = config.get("chat_template")
    if isinstance(template, list) and all(isinstance(entry, dict) for entry in template):  # several named templates
        template = {str(entry.get("name")): entry.get("template") for entry in template}
    if isinstance(template, dict):
        template = template.get("default")
    if template is not None and not isinstance(template, str):
        path = folder / "tokenizer_config.json"
        raise ConfigurationError(f"chat_template in {path} is neither a text nor a list of named texts; {_WAY_OUT}")
    return template


def _read_text(path: Path) -> str:
    try:
        return read_file(path, MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error}); export the model again") from error


def _special_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Variables such as `bos_token`; each is a text, or an object with the text in `content`."""
    tokens = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if isinstance(text, str) and name.endswith("_token"):
            tokens[name] = text
        elif name in _SPECIAL_TOKENS and value is not None and not isinstance(value, bool):
            raise ConfigurationError(
                f"{name} in {folder / 'tokenizer_config.json'} is not a text; export the model again"
            )
    return tokens
