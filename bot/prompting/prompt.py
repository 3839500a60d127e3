"""Messages to token ids, safe by construction.

Control tokens come from the chat template alone. What people wrote, names and system prompt included, is encoded as
plain text, together with the template's plain text around it, because a tokenizer merges across that border. For a
conversation that holds no look-alikes the ids are exactly the raw tokenizer's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bot.errors import ConfigurationError
from bot.prompting.chat_template import ChatTemplate, Slot
from bot.prompting.tokenizer import ControlToken, Tokenizer

Role = Literal["system", "user", "assistant"]

# Unicode's White_Space, which the tokenizers library means by white space; Python's `str.strip` takes more.
_WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WHITE_SPACE_LEFT = re.compile(f"^[{_WHITE_SPACE}]+")
_WHITE_SPACE_RIGHT = re.compile(f"[{_WHITE_SPACE}]+$")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks.
        content: the text.
        ids: for an answer, the token ids that the model generated; they go into later prompts as they are, so that
            a prompt only ever grows and the engine's prefix cache holds.
        tokenizer: the fingerprint of the tokenizer that the ids belong to. For any other the text is encoded again.
    """

    role: Role
    content: str
    ids: tuple[int, ...] | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine gets: token ids, and the same as one text for people to read."""

    ids: tuple[int, ...]
    text: str


class PromptBuilder:
    """Writes conversations in one model's format.

    Args:
        tokenizer: the model's tokenizer.
        template: the model's chat template.
        eos_token_ids: the end tokens that the model's configuration names.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate, eos_token_ids: Collection[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._controls = {token.text: token for token in tokenizer.control_tokens}
        longest_first = sorted(self._controls, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self.stop_ids = frozenset(eos_token_ids) | self._turn_marks()

    @classmethod
    def from_folder(cls, folder: Path, eos_token_ids: Collection[int] = ()) -> PromptBuilder:
        """Make the builder for a model folder; only its tokenizer's files are read.

        Raises:
            ConfigurationError: a file is missing or cannot be used.
        """
        tokenizer = Tokenizer.from_folder(folder)
        control_texts = frozenset(token.text for token in tokenizer.control_tokens)
        return cls(tokenizer, ChatTemplate.from_folder(folder, control_texts), eos_token_ids)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the ids belong to."""
        return self._tokenizer

    def answer(self, text: str, ids: Sequence[int]) -> Message:
        """What the model answered: its text, and the ids that it generated with this builder's tokenizer."""
        return Message("assistant", text, tuple(ids), self._tokenizer.fingerprint)

    def build(self, messages: Sequence[Message]) -> Prompt:
        """Write a conversation, up to the mark that opens the assistant's next answer.

        Raises:
            ConfigurationError: the model's template refuses these roles in this order.
        """
        messages = self._with_system_in_reach(messages)
        pieces = self._template.render([message.role for message in messages], open_answer=True)
        writer = _Writer(self._tokenizer)
        texts = []
        for piece in pieces:
            if isinstance(piece, str):
                self._write_template_text(writer, piece)
                texts.append(piece)
            else:
                texts.append(self._write_content(writer, piece, messages[piece.index]))
        return Prompt(tuple(writer.finish()), "".join(texts))

    def _write_template_text(self, writer: _Writer, text: str) -> None:
        position = 0
        for match in self._control_pattern.finditer(text):
            writer.plain(text[position : match.start()])
            writer.control(self._controls[match[0]])
            position = match.end()
        writer.plain(text[position:])

    def _write_content(self, writer: _Writer, slot: Slot, message: Message) -> str:
        """Write a message's content where its slot stands, and return the text that it shows there."""
        if message.ids is not None and message.tokenizer == self._tokenizer.fingerprint:
            writer.generated(message.ids)
            return message.content
        content = message.content.lstrip() if slot.trim_left else message.content
        content = content.rstrip() if slot.trim_right else content
        writer.plain(content)
        return content

    def _with_system_in_reach(self, messages: Sequence[Message]) -> list[Message]:
        """Where the template knows no system role, put the system prompt before the first question."""
        messages = list(messages)
        if self._template.has_system_branch or not messages or messages[0].role != "system":
            return messages
        system, *rest = messages
        for index, message in enumerate(rest):
            if message.role == "user":
                rest[index] = replace(message, content=f"{system.content}\n\n{message.content}")
                return rest
        return [replace(system, role="user")]

    def _turn_marks(self) -> frozenset[int]:
        """The special tokens that the template writes around turns: a model that makes one has left its answer."""
        roles = ["system", "user", "assistant", "user"]
        if not self._template.has_system_branch:
            roles.remove("system")
        pieces = self._template.render(roles, open_answer=True)
        slots = {piece.index: position for position, piece in enumerate(pieces) if isinstance(piece, Slot)}
        if len(slots) < len(roles):
            raise ConfigurationError(
                "the model's chat template leaves messages out; choose an instruct model, or copy the template from "
                "the model's page"
            )
        # What stands before the first content may open the whole text, as <s> does; that ends no turn.
        texts = [piece for piece in pieces[min(slots.values()) :] if isinstance(piece, str)]
        found = (self._controls[match] for text in texts for match in self._control_pattern.findall(text))
        return frozenset(token.id for token in found if token.special)


class _Writer:
    """Collects token ids: control tokens as they are, and the plain text between two of them in one piece."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._text = ""
        self._strip_left = False

    def plain(self, text: str) -> None:
        self._text += text

    def control(self, token: ControlToken) -> None:
        if token.strips_left:
            self._text = _WHITE_SPACE_RIGHT.sub("", self._text)
        self._encode_text()
        self._ids.append(token.id)
        self._strip_left = token.strips_right

    def generated(self, ids: Sequence[int]) -> None:
        self._encode_text()
        self._ids.extend(ids)

    def finish(self) -> list[int]:
        self._encode_text()
        return self._ids

    def _encode_text(self) -> None:
        text = _WHITE_SPACE_LEFT.sub("", self._text) if self._strip_left else self._text
        if text:
            self._ids.extend(self._tokenizer.encode(text, at_start=not self._ids))
        self._text = ""
        self._strip_left = False
