"""The settings: every wrong value, what has no effect, and who else can read the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bot.doctor.check import Finding, Findings, Result, refused
from bot.errors import ConfigurationError
from bot.own_command import quoted
from bot.private_files import is_readable_by_all
from bot.settings import ReadSettings, Settings

NAME = "settings"


def check_settings(read: ReadSettings, env_file: Path) -> Findings:
    """Report each mistake, or how much is set."""
    findings = [_mistake(str(each)) for each in read.mistakes]
    if not findings:
        findings.append(Finding(NAME, Result.OK, _summary(sorted(read.given), env_file)))
    return [*findings, *_contradictions(read.settings)]


def check_readers(env_file: Path) -> Findings:
    """Report whether others can read the secrets in the file."""
    name = str(env_file)
    if not env_file.exists():
        return [Finding(name, Result.OK, "there is none; the environment alone counts")]
    if is_readable_by_all(env_file):
        line = "every user of this machine can read the bot's secrets"
        return [Finding(name, Result.WARNING, line, f"run `chmod 600 {quoted(name)}`")]
    return [Finding(name, Result.OK, "not everybody can read it")]


def _contradictions(settings: Settings) -> Findings:
    """Settings that lack others, or that others make useless."""
    findings = []
    if settings.engine_url and settings.engine != "openai":
        way_out = "set ENGINE=openai, or leave it out"
        findings.append(Finding(NAME, Result.WARNING, "ENGINE_URL is not used", way_out))
    try:
        _ = settings.engine_options
    except ConfigurationError as error:  # the engine lacks a setting
        return [*findings, refused(NAME, error)]
    if settings.has_unused_draft_model:
        line = f"DRAFT_MODEL_DIR={settings.draft_model_dir} is not used"
        way_out = "set ENGINE=paged, DRAFT_TOKENS above 0 and another folder than MODEL_DIR, or leave it out"
        findings.append(Finding(NAME, Result.WARNING, line, way_out))
    return findings


def _mistake(line: str) -> Finding:
    # A value may have a semicolon.
    cause, mark, allowed = line.rpartition("; allowed: ")
    if mark:
        return Finding(NAME, Result.ERROR, cause, f"allowed: {allowed}")
    cause, _, way_out = line.partition("; ")
    return Finding(NAME, Result.ERROR, cause, way_out or "correct the line; .env.example shows how to write it")


def _summary(given: Sequence[str], env_file: Path) -> str:
    if not given:
        return f"all have their defaults; nothing is set in {env_file} or the environment"
    return f"{', '.join(given)} set; the others have their defaults"
