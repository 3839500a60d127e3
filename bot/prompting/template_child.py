"""The child that renders chat templates, in the same sandbox and with the same extras as transformers.

It imports nothing but Jinja, so that it takes a moment to start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bot.prompting.child_side import answer, reason

_PROCESSOR_SECONDS = 10.0
_MEMORY_BYTES = 1 << 29
_MOST_CHARACTERS = 1_000_000


def main() -> None:
    """Answer one job: `source`, `variables`, and `conversations`, a list of lists of messages.

    The result has a pair for each conversation: the text and None, or None and why it cannot be rendered.
    """
    answer(_render, seconds=_PROCESSOR_SECONDS, memory_bytes=_MEMORY_BYTES)


def _render(job: Mapping[str, Any]) -> list[tuple[str | None, str | None]]:
    template = _environment().from_string(job["source"])
    return [_rendered(template, conversation, job["variables"]) for conversation in job["conversations"]]


def _rendered(
    template: jinja2.Template, messages: Sequence[Mapping[str, str]], variables: Mapping[str, str]
) -> tuple[str | None, str | None]:
    parts, characters = [], 0
    try:
        for part in template.generate(
            messages=messages, tools=None, documents=None, add_generation_prompt=True, **variables
        ):
            characters += len(part)
            if characters > _MOST_CHARACTERS:
                raise ValueError(f"it writes more than {_MOST_CHARACTERS:,} characters")
            parts.append(part)
        text = "".join(parts)
        text.encode()
    except Exception as error:  # noqa: BLE001 - a template is a program: its operations raise anything
        return None, reason(error)
    return text, None


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)  # local, as in transformers
    return environment


class _Generation(Extension):
    """`{% generation %}`, which marks answers for training and writes nothing itself."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # Jinja's own filter escapes HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
