"""Exports that are killed, stopped or run out of disk: the current version stays, and the next export cleans up."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bot.export.workspace import open_workspace
from bot.model.folder import open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.versions import ModelVersions
from tests.export.export_process import ExportProcess, export, wait_until
from tests.export.exported_home import Exported, publish_exported
from tests.export.hub_server import HubServer
from tests.small_disk import fill, small_disk_at

long = pytest.mark.long


@pytest.fixture
def versions(exported: Exported, tmp_path: Path) -> ModelVersions:
    """One version, which is current."""
    return exported.copy(tmp_path / "home")


def start(exported: Exported, versions: ModelVersions, *arguments: str) -> ExportProcess:
    return ExportProcess(versions.home, "--model", exported.checkpoint, "--output", versions.home, *arguments)


def require_untouched(versions: ModelVersions, exported: Exported) -> None:
    """The pointer, every byte of the current model and its top-level links are unchanged."""
    assert versions.names == [exported.version]
    model = open_model_folder(versions.home)
    assert model.version == exported.version
    manifest = read_manifest(model.path)
    assert manifest is not None
    assert wrong_files(model.path, manifest) == []
    assert all((versions.home / name).samefile(model.path / name) for name in manifest.files)


def left_behind(versions: ModelVersions) -> list[str]:
    return [each.name for each in (versions.home / "versions").iterdir() if each.name.startswith(".")]


def require_cleaned(versions: ModelVersions, exported: Exported) -> None:
    """The next export first removes the leftovers."""
    assert left_behind(versions) == [".work"]
    lines: list[str] = []
    with open_workspace(versions.home, lines.append):
        assert lines[0].startswith("Removed the files of an interrupted export (")
    assert left_behind(versions) == []
    require_untouched(versions, exported)


@long
@pytest.mark.parametrize("stage", ["Exporting: reading the model", "Reading it with the source checkpoint"])
def test_a_kill_in_any_stage_touches_nothing(exported: Exported, versions: ModelVersions, stage: str) -> None:
    process = start(exported, versions)
    process.wait_for(stage)
    process.kill()
    require_untouched(versions, exported)
    require_cleaned(versions, exported)


@pytest.mark.parametrize(
    "stage",
    [
        "Trying the engine paged",  # the one in which a process of the engine's own could survive
        *(
            pytest.param(stage, marks=long)
            for stage in ("Checking the tokenizers", "Checking chat", "Reading a text", "Writing the manifest")
        ),
    ],
)
def test_a_kill_in_any_stage_of_a_fetched_one(
    hub: HubServer, exported: Exported, versions: ModelVersions, stage: str
) -> None:
    publish_exported(hub, exported)
    more = [] if stage == "Reading a text" else ["--no-quality"]
    process = ExportProcess(versions.home, "--prebuilt", "--output", versions.home, *more)
    process.wait_for(stage)
    process.kill()
    require_untouched(versions, exported)
    require_cleaned(versions, exported)


def test_a_kill_while_the_exporter_writes(exported: Exported, versions: ModelVersions) -> None:
    process = start(exported, versions)
    process.wait_for("Exporting:")
    wait_until(lambda: any((versions.home / "versions" / ".work").rglob("openvino_model.bin")))
    process.kill()
    require_untouched(versions, exported)
    require_cleaned(versions, exported)


def test_ctrl_c_leaves_nothing_while_another_export_is_refused(exported: Exported, versions: ModelVersions) -> None:
    process = start(exported, versions)
    process.wait_for("Exporting:")
    with process.suspended():  # or it may be done before the other one has started
        done = export("--model", exported.checkpoint, "--output", versions.home)
        process.signal(signal.SIGINT)
    assert done.code == 2
    assert "another export is running in" in done.last_line
    require_stopped(process, exported, versions)


@long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_the_exporter_writes_leaves_nothing(
    exported: Exported, versions: ModelVersions, number: signal.Signals
) -> None:
    process = start(exported, versions)
    process.wait_for("Exporting:")
    wait_until(lambda: any((versions.home / "versions" / ".work").rglob("tokenizer.json")))
    process.signal(number)
    require_stopped(process, exported, versions)


def test_a_terminated_export_leaves_nothing(exported: Exported, versions: ModelVersions) -> None:
    process = start(exported, versions)
    process.wait_for("Exporting:")
    process.signal(signal.SIGTERM)
    require_stopped(process, exported, versions)


def require_stopped(process: ExportProcess, exported: Exported, versions: ModelVersions) -> None:
    """It ends because of a signal, says so and leaves nothing."""
    done = process.end()
    assert done.code == 130
    assert done.last_line.startswith("stopped; ")
    process.wait_until_alone()
    assert left_behind(versions) == []
    require_untouched(versions, exported)


def test_a_disk_that_is_too_small_stops_the_export_first(exported: Exported, tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", 1024) as disk:
        home = disk / "home"
        done = export("--model", exported.checkpoint, "--output", home)
        assert not home.exists()
    assert done.code == 2
    assert "this needs about 1.2 MB of disk space, and 1.0 MB is free" in done.last_line
    assert "is in memory (tmpfs), so files there count as memory." in done.err


def test_a_disk_that_fills_up_meanwhile(exported: Exported, tmp_path: Path) -> None:
    with small_disk_at(tmp_path / "disk", 8192) as disk:
        versions = exported.copy(disk / "home")
        process = start(exported, versions)
        process.wait_for("Exporting:")
        fill(disk / "filler")
        done = process.end()
        assert done.code == 2, done.err
        assert f"the disk of {versions.home} is full; the current version stays" in done.last_line
        (disk / "filler").unlink()
        require_untouched(versions, exported)
        assert left_behind(versions) == []
