"""Packages that are missing, of another version, or out of step."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bot.doctor.checks import packages
from bot.doctor.checks.packages import check_packages
from bot.settings import Settings, load_settings
from tests.doctor.found import found


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str) -> None:
    """Let a package seem installed in a version, before the installed one."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)


def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no package be installed."""
    monkeypatch.setattr(sys, "path", [])


def check(**values: str) -> list[tuple[str, str, str]]:
    settings: Settings = load_settings(env_file=None, **values)
    return found(check_packages(settings), "packages")


def test_what_is_installed_here_is_right() -> None:
    [(result, line, way_out)] = check()
    assert (result, way_out) == ("ok", "")
    assert "openvino 2026.4" in line


def test_optional_parts_count_where_a_setting_uses_them() -> None:
    [(result, _, _)] = check(engine="optimum", database_url="postgresql://me:secret@nowhere/bot")
    assert result == "ok"


def test_a_package_out_of_its_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "pypdf", "6.0.0")
    [(result, line, way_out)] = check()
    assert (result, line) == ("warning", "pypdf 6.0.0 is installed, and the bot is made for <8,>=7.1")
    assert " -m pip install " in way_out


def test_openvinos_packages_that_do_not_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "openvino-tokenizers", "2026.4.0.0")
    [(result, line, way_out)] = check()
    assert result == "error"
    assert "openvino 2026.4.1, openvino-genai 2026.4.1.0, openvino-tokenizers 2026.4.0.0 do not go together" in line
    assert "first three numbers" in way_out


def test_missing_packages_are_named_with_the_setting_that_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    lines = [line for result, line, _ in check(engine="optimum") if result == "error"]
    assert "discord.py is not installed" in lines
    assert "optimum-intel, which ENGINE=optimum needs, is not installed" in lines
    assert not any("asyncpg" in line for line in lines)


def test_a_bot_without_its_source_asks_what_it_was_installed_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    [(result, _, _)] = check(engine="optimum", database_url="postgresql://me:secret@nowhere/bot")
    assert result == "ok"
    install(tmp_path, monkeypatch, "asyncpg", "0.1")
    install(tmp_path, monkeypatch, "pypdf", "6.0.0")
    lines = [line for _, line, _ in check(database_url="postgresql://me:secret@nowhere/bot")]
    assert [line.split()[0] for line in lines] == ["pypdf", "asyncpg"]
    assert [line.split()[0] for _, line, _ in check()] == ["pypdf"]
