"""The servers of `ENGINE=openai`, asked as the engine asks them when it starts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bot.doctor.check import Finding, Findings, Result, in_thread, refused
from bot.engine.interface import EngineOptions
from bot.engine.worker.remote.loading import keys_in_the_open, learner_for, limits_of_servers, servers_of
from bot.engine.worker.remote.server import Server
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder
from bot.settings import Settings

NAME = "servers"
SECONDS = 180.0  # a server may take two minutes until it is named as one that generates nothing


async def check_servers(settings: Settings, model: ModelFolder | None) -> Findings:
    """Ask each server for its models and for one token, and report what it serves or why it cannot be used.

    Args:
        model: with the tokenizer that the servers must have, too.
    """
    if model is None:
        return [Finding(NAME, Result.SKIPPED, "not asked, because there is no usable model folder")]
    options = replace(settings.engine_options, model_dir=model.path)
    learner = await in_thread(partial(learner_for, options))
    servers = servers_of(options, learner)
    try:
        lost = await servers.learn_all(loading_seconds=0.0)
        usable = servers.usable
    finally:
        await servers.close()
    worst = Result.WARNING if usable else Result.ERROR
    findings = [refused(NAME, ConfigurationError(str(each)), worst) for each in lost]
    warnings = await in_thread(partial(keys_in_the_open, options))
    if (line := servers.model_warning) is not None:
        warnings.append(line)
    findings += [refused(NAME, ConfigurationError(each), Result.WARNING) for each in warnings]
    return [*(await in_thread(partial(_usable, options, usable))), *findings]


def _usable(options: EngineOptions, servers: list[Server]) -> Findings:
    """A line for each server that can be used, or the error that all of them share."""
    if not servers:
        return []
    limits = limits_of_servers(options, servers)
    return [
        Finding(
            NAME,
            Result.OK,
            f"{each.connection.url}: {each.learned.model} ({each.learned.dialect.name}), up to {limits.context:,} "
            "tokens in a conversation",
        )
        for each in servers
    ]
