"""Turns messages into token ids, in which only the chat template can put control tokens.

Everything that members write, including names and personas, is encoded as plain text. It is encoded together with the
template's plain text around it, because a tokenizer merges across that border. So for messages without look-alikes of
control tokens, the ids are exactly the raw tokenizer's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bot.errors import ConfigurationError
from bot.prompting.chat_template import ChatTemplate
from bot.prompting.repeated_turns import Pieces, Slot
from bot.prompting.thinking import Thinking
from bot.prompting.tokenizer import ControlToken, Tokenizer

Role = Literal["system", "user", "assistant"]

# Unicode's White_Space, as in the tokenizers library. Python's `str.strip` removes more.
_WHITE_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WHITE_SPACE_LEFT = re.compile(f"^[{_WHITE_SPACE}]+")
_WHITE_SPACE_RIGHT = re.compile(f"[{_WHITE_SPACE}]+$")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        ids: of an answer: the token ids that the model generated. Later prompts contain them unchanged, because
            encoding the text again can give other ids, for which the prefix cache holds nothing.
        tokenizer: the fingerprint of the tokenizer that made the ids. Other tokenizers encode `content`.
    """

    role: Role
    content: str
    ids: tuple[int, ...] | None = None
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids for the engine, and the same as a text for people.

    Attributes:
        starts: for each message, an index before which no id depends on its content: that of the plain text which
            was encoded together with its beginning. The number of ids for a message that the template leaves out.
    """

    ids: tuple[int, ...]
    text: str
    starts: tuple[int, ...]


class PromptBuilder:
    """Builds prompts in one model's format.

    Args:
        eos_token_ids: the stop tokens in the model's configuration.

    Attributes:
        thinking: how the model thinks before it answers.
        stop_ids: all stop tokens: those, and the control tokens around turns.
        highest_id: the highest id that a prompt can contain, apart from generated ones.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate, eos_token_ids: Collection[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._template = template
        self._controls = {token.text: token for token in tokenizer.control_tokens}
        longest_first = sorted(self._controls, key=len, reverse=True)
        self._control_pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        pieces = self._render_turns()
        prompt_end = pieces[-1] if isinstance(pieces[-1], str) else ""
        self.thinking = Thinking.of(template.source, self._controls, prompt_end)
        self.stop_ids = frozenset(eos_token_ids) | self._turn_control_ids(pieces)
        written = [token.id for piece in pieces if isinstance(piece, str) for token in self._controls_in(piece)]
        self.highest_id = max([tokenizer.highest_plain_id, *written])

    @classmethod
    def from_folder(
        cls, folder: Path, eos_token_ids: Collection[int] = (), on_wait: Callable[[], None] = lambda: None
    ) -> PromptBuilder:
        """Make the builder for a model folder. Reads only the tokenizer's files and the chat template.

        Args:
            folder: the model folder.
            eos_token_ids: the stop tokens in the model's configuration.
            on_wait: called several times a second while children try the files; it may raise to stop them.

        Raises:
            ConfigurationError: a file is missing or cannot be used.
        """
        tokenizer = Tokenizer.from_folder(folder, on_wait)
        control_texts = frozenset(token.text for token in tokenizer.control_tokens)
        return cls(tokenizer, ChatTemplate.from_folder(folder, control_texts, on_wait), eos_token_ids)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the prompts."""
        return self._tokenizer

    def answer(self, text: str, ids: Sequence[int]) -> Message:
        """A message with an answer that the model generated with this builder's tokenizer."""
        return Message("assistant", text, tuple(ids), self._tokenizer.fingerprint)

    def build(self, messages: Sequence[Message]) -> Prompt:
        """Build a prompt that ends where the assistant's next answer begins.

        Raises:
            ConfigurationError: the chat template refuses these roles in this order.
        """
        rendered = self._with_renderable_system_prompt(messages)
        pieces = self._template.render([message.role for message in rendered])
        writer = _Writer(self._tokenizer)
        texts = []
        start_of: dict[int, int] = {}
        for piece in pieces:
            if isinstance(piece, str):
                self._write_template_text(writer, piece)
                texts.append(piece)
            else:
                start_of.setdefault(piece.index, writer.text_start)
                texts.append(self._write_content(writer, piece, rendered[piece.index]))
        ids = tuple(writer.finish())
        starts = [start_of.get(index, len(ids)) for index in range(len(rendered))]
        if len(rendered) < len(messages):
            starts.insert(0, starts[0])  # the system prompt is in the first question
        return Prompt(ids, "".join(texts), tuple(starts))

    def _write_template_text(self, writer: _Writer, text: str) -> None:
        position = 0
        for match in self._control_pattern.finditer(text):
            writer.plain(text[position : match.start()])
            writer.control(self._controls[match[0]])
            position = match.end()
        writer.plain(text[position:])

    def _write_content(self, writer: _Writer, slot: Slot, message: Message) -> str:
        """Write a message's content in its slot, and return the text that it has there."""
        if message.ids is not None and message.tokenizer == self._tokenizer.fingerprint:
            writer.generated(message.ids)
            return message.content
        content = message.content.lstrip() if slot.trim_left else message.content
        content = content.rstrip() if slot.trim_right else content
        writer.plain(content)
        return content

    def _with_renderable_system_prompt(self, messages: Sequence[Message]) -> list[Message]:
        """Put the system prompt before the first question if the template has no system role."""
        messages = list(messages)
        if self._template.has_system_branch or not messages or messages[0].role != "system":
            return messages
        system, *rest = messages
        for index, message in enumerate(rest):
            if message.role == "user":
                rest[index] = replace(message, content=f"{system.content}\n\n{message.content}")
                return rest
        return [replace(system, role="user")]

    def _render_turns(self) -> Pieces:
        """Render a turn and a question, and a system prompt if the template knows one."""
        roles = ["user", "assistant", "user"]
        if self._template.has_system_branch:
            roles.insert(0, "system")
        pieces = self._template.render(roles)
        if len({piece.index for piece in pieces if isinstance(piece, Slot)}) < len(roles):
            raise ConfigurationError(
                "the model's chat template drops messages; choose an instruct model, or copy the template from "
                "the model's page"
            )
        return pieces

    def _turn_control_ids(self, pieces: Pieces) -> frozenset[int]:
        """The special tokens that the template writes around turns: a model that generates one has ended its answer."""
        # A token before the first content, such as <s>, may begin the whole prompt instead of a turn.
        first = next(position for position, piece in enumerate(pieces) if isinstance(piece, Slot))
        texts = [piece for piece in pieces[first:] if isinstance(piece, str)]
        controls = (token for text in texts for token in self._controls_in(text))
        return frozenset(token.id for token in controls if token.special and token.text not in self.thinking.texts)

    def _controls_in(self, text: str) -> list[ControlToken]:
        return [self._controls[match] for match in self._control_pattern.findall(text)]


class _Writer:
    """Collects token ids. Encodes all plain text between two control tokens in one piece."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._text = ""
        self._strip_left = False

    @property
    def text_start(self) -> int:
        """The index of the first id of the text that is not encoded yet."""
        return len(self._ids)

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
