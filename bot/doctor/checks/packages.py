"""The installed packages: there, in the versions that pyproject.toml asks for, and in agreement with each other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from bot.doctor.check import Finding, Findings, Result
from bot.errors import ConfigurationError
from bot.own_command import DISTRIBUTION, ROOT, install_command
from bot.settings import Settings
from bot.storage.address import Address

NAME = "packages"
_IN_STEP = ("openvino", "openvino-genai", "openvino-tokenizers")
"""Their first three version numbers must be the same."""


def check_packages(settings: Settings) -> Findings:
    """Report every package that is missing, has another version than the bot was made for, or does not go with others.

    Args:
        settings: name the optional parts that are used.
    """
    extras = {"": "", **_extras_of(settings)}
    findings = [finding for extra, cause in extras.items() for finding in _differences(extra, cause)]
    findings += _out_of_step()
    if findings:
        return findings
    line = f"all there; openvino {_installed('openvino')}, discord.py {_installed('discord.py')}"
    return [Finding(NAME, Result.OK, line)]


def _extras_of(settings: Settings) -> Mapping[str, str]:
    """The optional parts that the settings use, each with the setting that does."""
    extras = {}
    if settings.engine == "optimum":
        extras["optimum"] = "ENGINE=optimum"
    with suppress(ConfigurationError):  # the check of the database says what is wrong with it
        if not Address.parse(settings.database_address).is_sqlite:
            extras["postgresql"] = "DATABASE_URL"
    return extras


def _requirements() -> Mapping[str, list[str]]:
    """What the bot and its optional parts require: as this version's own file says it, or else the installed bot."""
    file = ROOT / "pyproject.toml"
    if file.is_file():
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        return {"": project["dependencies"], **project["optional-dependencies"]}
    everything = requires(DISTRIBUTION) or []
    optional = [each for each in everything if "extra ==" in each]  # a marker says which part each belongs to
    return {"": [each for each in everything if each not in optional], "optimum": optional, "postgresql": optional}


def _differences(extra: str, cause: str) -> Iterator[Finding]:
    way_out = f"run `{install_command(extra)}`"
    because = f", which {cause} needs," if cause else ""
    for text in _requirements()[extra]:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:  # not ours to judge
            continue
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        found = _installed(wanted.name)
        if found is None:
            yield Finding(NAME, Result.ERROR, f"{wanted.name}{because} is not installed", way_out)
        elif not _is_in(found, wanted):
            line = f"{wanted.name} {found} is installed, and the bot is made for {wanted.specifier}"
            yield Finding(NAME, Result.WARNING, line, way_out)


def _out_of_step() -> Iterator[Finding]:
    installed = {name: found for name in _IN_STEP if (found := _installed(name)) is not None}
    if len({tuple(re.findall(r"\d+", each)[:3]) for each in installed.values()}) > 1:
        line = f"{', '.join(f'{name} {found}' for name, found in installed.items())} do not go together"
        way_out = f"their first three numbers must be the same; run `{install_command()}`"
        yield Finding(NAME, Result.ERROR, line, way_out)


def _is_in(found: str, wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(Version(found), prereleases=True)
    except InvalidVersion:
        return False


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
