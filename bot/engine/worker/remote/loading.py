"""Loads no model, but finds out whether servers can be used that run it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as StillRunningError
from datetime import UTC, datetime
from pathlib import Path

from bot.engine.interface import EngineFacts, EngineOptions
from bot.engine.protocol import Event, Warned
from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.backends.openai import OpenaiBackend
from bot.engine.worker.loaded_engine import LoadedEngine
from bot.engine.worker.remote.connection import Connection, is_public
from bot.engine.worker.remote.dialects import ANY_TOKENS
from bot.engine.worker.remote.errors import ServerDownError, ServerLostError
from bot.engine.worker.remote.learning import Learner
from bot.engine.worker.remote.loop_thread import LoopThread
from bot.engine.worker.remote.server import Server
from bot.engine.worker.remote.servers import Servers
from bot.errors import ConfigurationError, ServerUnreachableError
from bot.model.folder import UNKNOWN_CONTEXT_TOKENS
from bot.model.tokenizer_folder import open_tokenizer_folder
from bot.prompting.exact_text import ExactText
from bot.prompting.tokenizer import Tokenizer, read_tokenizer
from bot.server_urls import host_of

_PROGRESS_SECONDS = 1.0
"""The supervisor takes a worker that loads, and neither computes nor reports, for one that hangs."""


def load_remote(options: EngineOptions, on_progress: Callable[[str], None]) -> LoadedEngine:
    """Learn about the servers.

    Args:
        on_progress: called with one line for each phase.

    Raises:
        ConfigurationError: no server can be used, or the model folder has no usable tokenizer.
        ServerUnreachableError: no server can be used, but one may later, without anybody's doing.
    """
    started = time.monotonic()
    hosts = ", ".join(host_of(each) for each in options.server_urls)
    on_progress(f"Asking the servers: {hosts}")
    loop, learner = LoopThread(), learner_for(options)
    future = loop.start(_learn(options, learner))
    while True:
        try:
            servers, lost, warnings = future.result(_PROGRESS_SECONDS)
            break
        except StillRunningError:
            on_progress(f"Asking the servers: {hosts}")
    if not (usable := servers.usable):
        kind = ServerUnreachableError if any(isinstance(each, ServerDownError) for each in lost) else ConfigurationError
        raise kind(f"no server can be used: {'; '.join(map(str, lost))}")
    events: list[Event] = [Warned(each) for each in warnings]
    limits = limits_of_servers(options, usable)
    servers.least_context = limits.context
    backend = OpenaiBackend(_name(usable), servers, loop, options.max_batch, events.append)
    facts = EngineFacts(
        engine=backend.name,
        device=hosts,
        device_name="1 server" if len(options.server_urls) == 1 else f"{len(options.server_urls)} servers",
        load_seconds=time.monotonic() - started,
        loaded_at=datetime.now(UTC),
        process_id=os.getpid(),
        context_tokens=limits.context,
        context_cause=limits.cause,
        is_remote=True,
    )
    return LoadedEngine(backend, limits, facts, events)


def learner_for(options: EngineOptions) -> Learner:
    """Read the model folder's tokenizer, with which servers are compared.

    Raises:
        ConfigurationError: it cannot be used.
    """
    definition = read_tokenizer(options.model_dir)
    folder = open_tokenizer_folder(options.model_dir)
    vocabulary = _vocabulary(folder.path, folder.vocabulary_size)
    return Learner(Tokenizer(definition), ExactText(definition), options.server_model, vocabulary)


def servers_of(options: EngineOptions, learner: Learner) -> Servers:
    """The servers that the options name, none of them asked yet; to be closed."""
    connections = [
        Connection(url, options.server_key, options.hang_seconds, options.max_batch) for url in options.server_urls
    ]
    return Servers(connections, learner)


async def _learn(options: EngineOptions, learner: Learner) -> tuple[Servers, list[ServerLostError], list[str]]:
    """Return the servers, why some cannot be used, and all that the operator should know of them."""
    servers = servers_of(options, learner)
    lost = await servers.learn_all()
    warnings = await asyncio.to_thread(keys_in_the_open, options) + [f"Server left out: {each}" for each in lost]
    if (line := servers.model_warning) is not None:
        warnings.append(line)
    return servers, lost, warnings


def keys_in_the_open(options: EngineOptions) -> list[str]:
    """A line for each server to which the key goes unencrypted across the internet."""
    if not options.server_key:
        return []
    return [
        f"ENGINE_KEY and what members write go to {url} unencrypted, across the internet; use https"
        for url in options.server_urls
        if url.startswith("http:") and is_public(url)
    ]


def limits_of_servers(options: EngineOptions, usable: Sequence[Server]) -> ModelLimits:
    """The limits that all servers keep.

    Raises:
        ConfigurationError: nobody says how long the context is.
    """
    folder = open_tokenizer_folder(options.model_dir)
    limits = ModelLimits(folder.context_length, _vocabulary(folder.path, folder.vocabulary_size), folder.model_type)
    contexts = [each.learned.context for each in usable if each.learned.context is not None]
    limits = limits.within(min(contexts, default=None), "the servers hold no more")
    limits = limits.within(options.max_context_tokens, "MAX_CONTEXT_TOKENS")
    if limits.context == UNKNOWN_CONTEXT_TOKENS:
        raise ConfigurationError(
            f"neither the servers nor {folder.path} say how long the model's context is; set MAX_CONTEXT_TOKENS, or "
            "copy the model's config.json into the folder"
        )
    return limits


def _vocabulary(folder: Path, size: int) -> int:
    """Without a config.json, a model may generate ids that its tokenizer lacks, and must get them back."""
    return size if (folder / "config.json").exists() else ANY_TOKENS


def _name(usable: Sequence[Server]) -> str:
    dialects = dict.fromkeys(each.learned.dialect.name for each in usable)
    models = dict.fromkeys(each.learned.short_model for each in usable)
    return f"openai ({', '.join(dialects)}) {', '.join(models)}"
