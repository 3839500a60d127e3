"""How servers want to be asked, and how they say which tokens they generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bot.engine.interface import GenerationRequest
from bot.engine.worker.remote.retokenizer import Retokenizer
from bot.prompting.exact_text import ExactText

Choice: TypeAlias = Mapping[str, Any]
"""One entry of an event's `choices`."""

MOST_STOP_TEXTS = 4
"""OpenAI's own limit."""

ANY_TOKENS = 2**31 - 1
"""The size of a vocabulary that nobody knows."""

_LARGEST_SEED = 2**31 - 1  # llama.cpp takes 2**32 - 1 for a random one


class IdReader(Protocol):
    """Reads the ids of one answer from the choices of its events."""

    def add(self, choice: Choice) -> Sequence[int]:
        """Return the ids that this choice settles.

        Raises:
            ValueError: it does not say which tokens it holds.
        """
        ...

    def finish(self) -> Sequence[int]:
        """Return the ids that were held back."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """A kind of server.

    Attributes:
        name: for display.
        parameters: what a request takes besides the fields that all servers know.
        open_reader: a reader for the answer to a request.
        names_what_runs: whether events name the model that runs, which may not be the one that was asked for.
    """

    name: str
    parameters: Callable[[GenerationRequest], dict[str, Any]]
    open_reader: Callable[[GenerationRequest], IdReader]
    names_what_runs: bool = False

    def body(self, request: GenerationRequest, model: str) -> dict[str, Any]:
        """The body of a request for `/completions`."""
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": model,
            "prompt": list(request.prompt_ids),
            "max_tokens": max(request.max_new_tokens, 1),
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.temperature > 0:
            # A resumed answer must not repeat the draws of its beginning.
            body["seed"] = (sampling.seed + request.resumed_tokens) % _LARGEST_SEED
        return body | self.parameters(request)


def vllm(vocabulary: int = ANY_TOKENS) -> Dialect:
    """vLLM's: ids come beside the text.

    Args:
        vocabulary: every id is below it.
    """
    return Dialect("vLLM", _vllm_parameters, lambda _: _GivenIds(vocabulary))


def llama_cpp(text: ExactText, vocabulary: int = ANY_TOKENS) -> Dialect:
    """llama.cpp's server: each event has the id of its last token.

    Args:
        vocabulary: every id is below it.
    """
    return Dialect("llama.cpp", _llama_cpp_parameters, lambda _: _LastIds(text, vocabulary), names_what_runs=True)


def text_only(text: ExactText, stop_texts: Mapping[int, str]) -> Dialect:
    """Any other server's, which returns text.

    Args:
        stop_texts: control tokens as they look if a server shows them.
    """

    def stops(request: GenerationRequest) -> dict[str, int]:
        return {stop_texts[id]: id for id in sorted(request.stop_ids) if id in stop_texts}

    def parameters(request: GenerationRequest) -> dict[str, Any]:
        texts = list(stops(request))
        return {"stop": texts[:MOST_STOP_TEXTS]} if texts else {}

    return Dialect("text only", parameters, lambda request: _TextIds(text, stops(request)))


def _vllm_parameters(request: GenerationRequest) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "top_k": sampling.top_k or -1,
        "min_p": 0.0,
        "repetition_penalty": sampling.repetition_penalty,
        "stop_token_ids": sorted(request.stop_ids),
        "ignore_eos": not request.stop_ids,
        "skip_special_tokens": False,
        "return_token_ids": True,
    }


def _llama_cpp_parameters(request: GenerationRequest) -> dict[str, Any]:
    sampling = request.sampling
    return {
        "top_k": sampling.top_k,
        "min_p": 0.0,
        "repeat_penalty": sampling.repetition_penalty,
        "repeat_last_n": len(request.prompt_ids) + request.max_new_tokens,
        "ignore_eos": not request.stop_ids,
        "cache_prompt": True,
        "logprobs": 1,
        "return_progress": True,
    }


class _GivenIds:
    def __init__(self, vocabulary: int) -> None:
        self._vocabulary = vocabulary

    def add(self, choice: Choice) -> Sequence[int]:
        ids = choice.get("token_ids")
        if ids is None and not choice.get("text"):  # the end alone
            return ()
        return _checked(ids, self._vocabulary)

    def finish(self) -> Sequence[int]:
        return ()


class _LastIds:
    """Ids where an event holds a character of several tokens, but only the last one's id."""

    def __init__(self, text: ExactText, vocabulary: int) -> None:
        self._text = text
        self._vocabulary = vocabulary

    def add(self, choice: Choice) -> Sequence[int]:
        logprobs, text = choice.get("logprobs"), choice.get("text") or ""
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        if not content and not text:
            return ()
        if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
            raise ValueError("an event without the ids of its tokens")
        ids = _checked([each.get("id") for each in content], self._vocabulary)
        return (*self._before(text, ids), *ids)

    def finish(self) -> Sequence[int]:
        return ()

    def _before(self, text: str, ids: Sequence[int]) -> Sequence[int]:
        """The ids of the tokens that an event leaves out."""
        whole, known = text.encode("utf-8", "replace"), b"".join(map(self._text.bytes_of, ids))
        if not known or len(whole) <= len(known) or not whole.endswith(known):
            return ()
        likely = self._text.encode(text)
        if likely[-len(ids) :] == list(ids):
            return likely[: -len(ids)]
        return self._text.encode_bytes(whole[: -len(known)])


class _TextIds:
    """Ids of a text, up to a stop token that a server shows instead of ending there."""

    def __init__(self, text: ExactText, stops: Mapping[str, int]) -> None:
        self._retokenizer = Retokenizer(text)
        self._stops = stops
        self._held = ""  # may be the beginning of a stop token

    def add(self, choice: Choice) -> Sequence[int]:
        text = choice.get("text") or ""
        if not isinstance(text, str):
            raise ValueError("an event whose text is none")
        text = self._held + text
        shown = [(place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if shown:
            place, stop = min(shown)
            self._held = ""
            return (*self._retokenizer.add(text[:place]), *self._retokenizer.finish(), self._stops[stop])
        settled = len(text) - max((_begun(stop, text) for stop in self._stops), default=0)
        self._held = text[settled:]
        return self._retokenizer.add(text[:settled])

    def finish(self) -> Sequence[int]:
        held, self._held = self._held, ""
        return (*self._retokenizer.add(held), *self._retokenizer.finish())


def _begun(stop: str, text: str) -> int:
    """How many characters at a text's end begin a stop token."""
    return next((length for length in range(len(stop) - 1, 0, -1) if text.endswith(stop[:length])), 0)


def _checked(ids: Any, vocabulary: int) -> Sequence[int]:
    if not isinstance(ids, list) or not all(type(id) is int and id >= 0 for id in ids):
        raise ValueError("an event without the ids of its tokens")
    if max(ids, default=0) >= vocabulary:  # in a history, it would have every later question of it refused
        raise ValueError("a token that the model of MODEL_DIR lacks")
    return ids
