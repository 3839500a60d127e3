"""Listing, verifying, rolling back and pruning versions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bot.engine.interface import EngineOptions
from bot.engine.supervisor.supervisor import EngineSupervisor
from bot.errors import ConfigurationError
from bot.export.housekeeping import list_versions, prune_versions, roll_back, verify_versions
from bot.export.options import order_of, read_options
from bot.export.pipeline import make_version
from bot.export.progress import ProgressLine
from bot.export.workspace import lock_versions
from bot.model.folder import open_model_folder
from bot.model.versions import POINTER_NAME, ModelVersions
from tests.export.export_process import ROOT, export
from tests.export.exported_home import Exported

LATER = "2999-01-01-000000-small"
LATEST = "2999-01-02-000000-int8"


@pytest.fixture
def versions(exported: Exported, tmp_path: Path) -> ModelVersions:
    """Three versions; the last one is current."""
    return exported.copy(tmp_path / "home", LATER, LATEST)


def listed(versions: ModelVersions) -> list[str]:
    lines: list[str] = []
    list_versions(versions.home, lines.append)
    return lines


def verify(versions: ModelVersions, version: str | None = None) -> tuple[bool, str]:
    stream = io.StringIO()
    good = verify_versions(versions.home, version, ProgressLine(stream))
    return good, stream.getvalue()


def go_back(versions: ModelVersions, version: str | None = None) -> None:
    roll_back(versions.home, version, ProgressLine(io.StringIO()))


def prune(versions: ModelVersions, kept: int) -> list[str]:
    lines: list[str] = []
    prune_versions(versions.home, kept, lines.append)
    return lines


def damage(versions: ModelVersions, version: str) -> None:
    """Change one byte of the weights."""
    path = versions.folder(version) / "openvino_model.bin"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()  # the file at the top is a link to it
    path.write_bytes(content)


def test_the_list_shows_the_current_version_and_each_versions_figures(
    versions: ModelVersions, exported: Exported
) -> None:
    title, first, second, third, last = listed(versions)
    assert title.split() == ["version", "size", "weights", "agreement", "perplexity", "tokens/s", "note"]
    assert [line.split()[0] for line in (first, second)] == [exported.version, LATER]
    assert third.startswith(f"->  {LATEST}")
    assert "MB" in first
    assert "int4" in first
    assert "%" in first
    assert first.endswith(str(exported.checkpoint))
    assert last == f"-> is current; --rollback switches to {LATER}."


def test_the_list_shows_damaged_versions(versions: ModelVersions) -> None:
    (versions.folder(LATER) / "openvino_model.bin").unlink()
    (versions.home / POINTER_NAME).write_text("{", encoding="utf-8")
    lines = listed(versions)
    assert "openvino_model.bin is missing" in lines[2]
    assert lines[-1].startswith("Note: ")
    assert "it is damaged" in lines[-1]


def test_without_versions_every_action_says_what_to_do(tmp_path: Path) -> None:
    for action in (listed, verify, prune_one, go_back):
        with pytest.raises(ConfigurationError, match=r"there (are no versions|is no version before .+) in "):
            action(ModelVersions(tmp_path / "nowhere"))
    assert list(tmp_path.iterdir()) == []


def prune_one(versions: ModelVersions) -> list[str]:
    return prune(versions, 1)


def test_going_back_and_forth(versions: ModelVersions, exported: Exported) -> None:
    for expected in (LATER, exported.version):
        go_back(versions)
        assert open_model_folder(versions.home).version == expected
    with pytest.raises(ConfigurationError, match="there is no version before the current one"):
        go_back(versions)
    go_back(versions, LATEST)
    assert open_model_folder(versions.home).version == LATEST
    assert versions.previous == exported.version
    shown = versions.home / "openvino_model.bin"
    assert shown.samefile(versions.folder(LATEST) / "openvino_model.bin")
    with pytest.raises(ConfigurationError, match=r"there is no version nix in .*; --list shows them"):
        go_back(versions, "nix")


def test_a_damaged_version_is_reported_and_never_switched_to(versions: ModelVersions) -> None:
    damage(versions, LATER)
    good, text = verify(versions)
    assert not good
    assert f"{LATER}: openvino_model.bin has changed (its SHA-256 differs)\n" in text
    assert f"{LATEST}: all files match the manifest\n" in text
    assert verify(versions, LATEST)[0]
    with pytest.raises(ConfigurationError, match=f"{LATER} is damaged, so the current version stays"):
        go_back(versions)
    assert open_model_folder(versions.home).version == LATEST


def test_a_manifest_that_leaves_its_folder_is_reported(versions: ModelVersions) -> None:
    manifest = versions.folder(LATER) / "manifest.json"
    manifest.write_text(json.dumps({"files": {"/etc/passwd": {"bytes": 1, "sha256": "0"}}}))
    good, text = verify(versions, LATER)
    assert not good
    assert f"{LATER}: manifest.json names '/etc/passwd', which is no file of its folder\n" in text
    with pytest.raises(ConfigurationError, match="the current version stays"):
        go_back(versions, LATER)


def test_a_version_that_was_exported_by_hand(versions: ModelVersions) -> None:
    (versions.folder(LATER) / "manifest.json").unlink()
    good, text = verify(versions, LATER)
    assert good
    assert "has no manifest to compare with (exported by hand)" in text


def test_pruning_keeps_the_current_version_and_the_one_before(versions: ModelVersions, exported: Exported) -> None:
    (versions.home / "sources" / "some").mkdir(parents=True)
    (versions.home / "sources" / "some" / "model.safetensors").write_bytes(bytes(3_000_000))
    go_back(versions)  # LATER is current, and the version that it replaced is not kept
    lines = prune(versions, 2)
    assert versions.names == [exported.version, LATER]
    assert lines[0].startswith(f"Removed {LATEST} (")
    assert lines[1] == "Removed sources (3.0 MB)."
    assert not (versions.home / "sources").exists()
    prune(versions, 1)
    assert versions.names == [LATER]
    assert open_model_folder(versions.home).version == LATER


@pytest.mark.parametrize("engine", ["paged", "genai", "optimum"])
async def test_pruning_keeps_what_a_running_bot_has_loaded(
    versions: ModelVersions, exported: Exported, engine: str
) -> None:
    loaded = EngineSupervisor(EngineOptions(engine, versions.folder(exported.version), cache_gigabytes=0.05))
    await loaded.start()
    lines = prune(versions, 1)
    await loaded.close()
    assert f"Kept {exported.version}: a program has it loaded." in lines
    assert versions.names == [exported.version, LATEST]
    prune(versions, 1)
    assert versions.names == [LATEST]


def test_versions_do_not_change_during_an_export(versions: ModelVersions) -> None:
    with lock_versions(versions.home):
        for action in (go_back, prune_one):
            with pytest.raises(ConfigurationError, match="another export is running in "):
                action(versions)
    assert len(versions.names) == 3


def test_the_script_does_all_this(versions: ModelVersions) -> None:
    assert f"->  {LATEST}" in export("--output", versions.home, "--list").out
    assert export("--output", versions.home, "--verify").code == 0
    assert export("--output", versions.home, "--rollback").last_line.startswith(f"{LATER} is the current version.")
    assert json.loads((versions.home / POINTER_NAME).read_text(encoding="utf-8"))["current"] == LATER
    damage(versions, LATER)
    assert export("--output", versions.home, "--verify", LATER).code == 1
    assert export("--output", versions.home, "--prune", "1").out.endswith(f"Versions left: {LATER}\n")
    assert versions.names == [LATER]


def test_contradictory_arguments_are_one_line(tmp_path: Path) -> None:
    for arguments, line in {
        ("--weight-format", "int8", "--ratio", "0.5"): "--ratio applies to four-bit weights, not to int8",
        ("--scale-estimation",): "--scale-estimation needs a data set; add --dataset auto",
        ("--prebuilt", "--group-size", "64"): "--prebuilt takes a model as it is",
        ("--prebuilt", "--model", "a/b"): "use either --model or --prebuilt",
        ("--model", str(tmp_path / "nix")): f"there is no folder {tmp_path / 'nix'}",
        ("--model", str(ROOT / "bot")): f"{ROOT / 'bot'} is not a checkpoint: it has no config.json",
    }.items():
        with pytest.raises(ConfigurationError) as raised:
            make_version(
                order_of(read_options(["--output", str(tmp_path / "home"), *arguments])), ProgressLine(io.StringIO())
            )
        assert str(raised.value).startswith(line)
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_the_script_ends_with_one_line_about_a_mistake(tmp_path: Path) -> None:
    config = tmp_path / "odd" / "config.json"
    config.mkdir(parents=True)
    for model, line in {
        config.parent: f"error: {config}: Is a directory; check the path",
        tmp_path / "nix": f"error: there is no folder {tmp_path / 'nix'}",
    }.items():
        done = export("--output", tmp_path / "home", "--model", model)
        assert done.code == 2
        assert done.last_line.startswith(line), done.err
    assert [each.name for each in tmp_path.iterdir()] == ["odd"]
