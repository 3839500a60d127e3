"""Runs all checks, for `python -m bot doctor`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bot.doctor.check import Check, Finding, Findings, Result, in_thread, run_check
from bot.doctor.checks import data_folder, database, disk, engine, metrics_port, model, packages, servers, settings
from bot.doctor.checks.on_discord import DISCORD_SECONDS, check_discord
from bot.doctor.setup import Setup
from bot.settings import ENV_FILE, read_settings

_SECONDS = 20.0
_MODEL_SECONDS = 600.0
_OF_DATABASE = ("DATABASE_URL", "DATA_DIR")
_OF_METRICS = ("METRICS_PORT", "METRICS_HOST")
_OF_SERVERS = ("ENGINE", "ENGINE_URL", "ENGINE_KEY", "ENGINE_MODEL", "MODEL_DIR")
_OF_DEVICE = ("DEVICE", "DEVICE_PROPERTIES", "ENGINE", "MODEL_DIR")


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of all checks.

    Attributes:
        findings: in a fixed order.
        secrets: of the settings; to be hidden wherever a setting holds one in the wrong place.
    """

    findings: Findings
    secrets: Sequence[str]


async def examine(env_file: Path = ENV_FILE, *, offline: bool = False) -> Examination:
    """Run all checks. Nothing is changed.

    Args:
        env_file: need not exist.
        offline: leave out what asks another machine.
    """
    setup = Setup(await in_thread(partial(read_settings, env_file)), env_file, offline=offline)
    found = await asyncio.gather(*(_run(setup, each) for each in _checks(setup)))
    return Examination([finding for findings in found for finding in findings], setup.settings.secrets)


def _checks(setup: Setup) -> Sequence[Check]:
    """All checks in the order of the report."""
    values, env_file = setup.settings, setup.env_file
    return [
        Check(settings.NAME, _in_thread(settings.check_settings, setup.read, env_file), _SECONDS),
        Check(str(env_file), _in_thread(settings.check_readers, env_file), _SECONDS),
        Check(packages.NAME, _in_thread(packages.check_packages, values), _SECONDS),
        Check(model.NAME, partial(_model, setup), _MODEL_SECONDS, ["MODEL_DIR"]),
        *_engine_checks(setup),
        Check(disk.NAME, partial(_disk, setup), _SECONDS, [*_OF_DATABASE, "MODEL_DIR"]),
        Check(database.NAME, partial(_database, setup), 2 * _SECONDS, _OF_DATABASE),
        Check(data_folder.NAME, partial(_data_folder, setup), _SECONDS, _OF_DATABASE),
        Check(metrics_port.NAME, partial(metrics_port.check_metrics_port, values), _SECONDS, _OF_METRICS),
        Check("discord", partial(check_discord, setup), DISCORD_SECONDS),
    ]


def _engine_checks(setup: Setup) -> Sequence[Check]:
    if setup.settings.engine == "openai":
        return [Check(servers.NAME, partial(_servers, setup), servers.SECONDS, _OF_SERVERS)]
    return [
        Check(engine.DEVICE, partial(_device, setup), engine.DEVICE_SECONDS + _SECONDS, _OF_DEVICE),
        Check(engine.MEMORY, partial(_memory, setup), _SECONDS, [*_OF_DEVICE, "KV_CACHE_GIGABYTES"]),
    ]


async def _run(setup: Setup, check: Check) -> Findings:
    if wrong := setup.wrong(check.needs):
        return [Finding(check.name, Result.SKIPPED, f"not checked, because {' and '.join(wrong)} must be corrected")]
    return await run_check(check)


async def _model(setup: Setup) -> Findings:
    found, refusals = await setup.model()
    return await in_thread(partial(model.check_model, found, refusals, setup.settings))


async def _device(setup: Setup) -> Findings:
    return await engine.check_device(setup.settings, (await setup.model())[0])


async def _memory(setup: Setup) -> Findings:
    found, bot_runs = (await setup.model())[0], await setup.bot_runs()
    return await in_thread(partial(engine.check_memory, setup.settings, found, bot_runs=bot_runs))


async def _servers(setup: Setup) -> Findings:
    if setup.offline:
        return [Finding(servers.NAME, Result.SKIPPED, "not asked (--offline)")]
    return await servers.check_servers(setup.settings, (await setup.model())[0])


async def _disk(setup: Setup) -> Findings:
    return await in_thread(partial(disk.check_disk, setup.settings, (await setup.model())[0]))


async def _database(setup: Setup) -> Findings:
    if setup.offline and database.is_on_server(setup.settings):
        return [Finding(database.NAME, Result.SKIPPED, "not asked, because it is on a server (--offline)")]
    return database.check_database(setup.settings, await setup.database())


async def _data_folder(setup: Setup) -> Findings:
    return data_folder.check_data_folder(setup.settings, await setup.programs())


def _in_thread(call: Callable[..., Findings], *arguments: object) -> Callable[[], Awaitable[Findings]]:
    return partial(in_thread, partial(call, *arguments))
