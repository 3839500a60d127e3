"""Learns what a server serves and how it wants to be asked, and that its tokens mean what ours mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from bot.engine.interface import GenerationRequest
from bot.engine.worker.remote.connection import Connection
from bot.engine.worker.remote.dialects import ANY_TOKENS, Dialect, llama_cpp, text_only, vllm
from bot.engine.worker.remote.errors import (
    RequestRefusedError,
    ServerBusyError,
    ServerDownError,
    ServerLoadingError,
    ServerLostError,
)
from bot.engine.worker.remote.server import Generated, Learned, Server
from bot.prompting.exact_text import ExactText
from bot.prompting.tokenizer import Tokenizer

_TEXTS = ("The quick brown fox, 1234567890.", "Grüße aus Köln! 你好 🦙\n\tdef f(x): return x")
_PROBE_SECONDS = 120.0  # alive or not, a server that takes longer for one token must not keep others waiting
_MOST_CONTROL_TOKENS = 16
_MOST_SHOWN = 5


class Learner:
    """Learns about servers.

    Args:
        tokenizer: of the model folder.
        text: the same one, for generated text.
        model: the model's name on the servers; empty means the one that they serve.
        vocabulary: every id of the model is below it.
    """

    def __init__(self, tokenizer: Tokenizer, text: ExactText, model: str, vocabulary: int) -> None:
        self._tokenizer = tokenizer
        self._model = model
        stop_texts = {token.id: token.text for token in tokenizer.control_tokens}
        self._dialects = (vllm(vocabulary), llama_cpp(text, vocabulary), text_only(text, stop_texts))

    async def learn(self, connection: Connection) -> Learned:
        """Ask a server for its models, one token in each dialect until it answers, and the ids of some texts.

        Raises:
            ServerLostError: it does not answer, or cannot be used. The message is one line with the way out.
        """
        try:
            model, context = self._choose(connection.url, await connection.ask("/models"))
            await self._require_same_tokenizer(connection, model)
            dialect, runs = await self._dialect(connection, model)
        except ServerBusyError:
            raise ServerLoadingError(f"{connection.url} is busy (429); it is asked again later") from None
        return Learned(model, dialect, context or await _context_per_slot(connection), runs)

    def _choose(self, url: str, models: Any) -> tuple[str, int | None]:
        by_name = _models_by_name(models)
        names = ", ".join(list(by_name)[:_MOST_SHOWN]) or "none"
        if self._model:
            if by_name and self._model not in by_name:
                raise ServerLostError(f"{url} has no model {self._model!r}, but {names}; correct ENGINE_MODEL")
            return self._model, _context(self._model, by_name)
        if not by_name:
            raise ServerLostError(f"{url} lists no models; correct ENGINE_URL, or set ENGINE_MODEL to the model's name")
        if len(by_name) > 1:
            raise ServerLostError(f"{url} serves several models ({names}); set ENGINE_MODEL to one of them")
        [name] = by_name
        return name, _context(name, by_name)

    async def _dialect(self, connection: Connection, model: str) -> tuple[Dialect, str | None]:
        """Find a server's dialect, and what its events call the model that runs, if they do."""
        prompt = tuple(self._tokenizer.encode(_TEXTS[0], at_start=True))
        request = GenerationRequest(prompt, frozenset(), max_new_tokens=1)
        refusal = ""
        for dialect in self._dialects:
            server = Server(connection, Learned(model, dialect, None))
            try:
                async with asyncio.timeout(_PROBE_SECONDS):
                    if await _speaks(server, request):
                        return dialect, server.runs if dialect.names_what_runs else None
            except TimeoutError:
                raise ServerDownError(
                    f"{connection.url} generates no token within {_PROBE_SECONDS:g} s; look at its log"
                ) from None
            except RequestRefusedError as error:
                refusal = error.outcome.detail
        raise ServerLostError(
            f"{connection.url} takes no prompt of token ids ({refusal or 'it generates nothing'}); "
            "set ENGINE_URL to a server such as vLLM or llama.cpp's"
        )

    async def _require_same_tokenizer(self, connection: Connection, model: str) -> None:
        """Compare what the server's ids of some texts mean here; servers without `/tokenize` are trusted.

        Not the ids themselves: where a space goes beside a control token differs between libraries.
        """
        controls = [token.text for token in self._tokenizer.control_tokens][:_MOST_CONTROL_TOKENS]
        for text in (*_TEXTS, "".join(controls)):
            ids = await _tokenize(connection, model, text)
            if ids is None:
                return
            ours = self._tokenizer.decode(ids, shown=controls)
            if _without_spaces(ours) != _without_spaces(text):
                raise ServerLostError(
                    f"{connection.url} has another tokenizer than MODEL_DIR; set MODEL_DIR to the folder of the model "
                    f"that it serves ({model})"
                )


async def _speaks(server: Server, request: GenerationRequest) -> bool:
    """Whether a server understands its dialect: its answer to one token says which it was."""
    try:
        async with aclosing(server.generate(request)) as generated:
            async for each in generated:
                if isinstance(each, Generated) and each.ids:
                    return True
                if isinstance(each, Generated) and each.reason:
                    return server.learned.dialect.name == "text only"  # a control token has no text
    except ServerLostError as error:
        if not isinstance(error.__cause__, ValueError):
            raise
    return False


async def _tokenize(connection: Connection, model: str, text: str) -> list[int] | None:
    """A server's ids of a text, with control tokens where it holds them; None if it does not tell."""
    body = {
        **{"model": model, "prompt": text, "add_special_tokens": False},  # vLLM's names
        **{"content": text, "add_special": False, "parse_special": True},  # llama.cpp's
    }
    try:
        found = await connection.ask("/tokenize", body, beside_api=True)
    except (RequestRefusedError, ServerLostError):  # a proxy may let only the API through; the next request tells more
        return None
    ids = found.get("tokens") if isinstance(found, dict) else None
    return ids if isinstance(ids, list) and all(type(id) is int and 0 <= id <= ANY_TOKENS for id in ids) else None


async def _context_per_slot(connection: Connection) -> int | None:
    """The context that llama.cpp's server has for one conversation."""
    try:
        properties = await connection.ask("/props", beside_api=True)
    except (RequestRefusedError, ServerLostError):
        return None
    settings = properties.get("default_generation_settings") if isinstance(properties, dict) else None
    return _positive(settings.get("n_ctx")) if isinstance(settings, dict) else None


def _models_by_name(models: Any) -> dict[str, Mapping[str, Any]]:
    listed = models.get("data") if isinstance(models, dict) else None
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return {each["id"]: each for each in entries if isinstance(each.get("id"), str)}


def _context(name: str, by_name: Mapping[str, Mapping[str, Any]]) -> int | None:
    """The context of a model, or of the one that it adapts: vLLM does not repeat it for a LoRA."""
    entry = by_name.get(name, {})
    parent = entry.get("parent")
    adapted = by_name.get(parent, {}) if isinstance(parent, str) else {}
    return _positive(entry.get("max_model_len")) or _positive(adapted.get("max_model_len"))


def _positive(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _without_spaces(text: str) -> str:
    return "".join(text.split())
