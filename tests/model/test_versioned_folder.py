"""Model folders with versions and manifests: which version is opened, and why a bad one is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder, open_model_folder, read_choice, verify_model_folder
from bot.model.manifest import write_manifest
from bot.model.report import ExportReport, write_report
from bot.model.start_order import StartOrder
from bot.model.versions import ModelVersions
from bot.own_command import own_command
from tests.model.exported_folder import error_line, write_model

EXPORT = own_command("export")

REPORT = ExportReport(exported_at=datetime(2026, 11, 28, tzinfo=UTC), seconds=1)


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    """Two good versions with manifests; the second is current."""
    versions = ModelVersions(tmp_path / "int4")
    for name in ("first", "second"):
        write_manifest(write_model(versions.folder(name)))
        versions.switch(name)
    return versions


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def test_the_current_version_is_opened(versions: ModelVersions) -> None:
    model = open_model_folder(versions.home)
    assert (model.path, model.version) == (versions.folder("second"), "second")
    assert model.title == "Phi-3-mini-4k-instruct (second)"
    versions.roll_back()
    assert open_model_folder(versions.home).version == "first"


def test_a_version_can_be_opened_by_its_own_path(versions: ModelVersions) -> None:
    model = open_model_folder(versions.folder("first"))
    assert (model.path, model.version) == (versions.folder("first"), "first")


def test_the_report_of_the_export_is_read(versions: ModelVersions) -> None:
    assert open_model_folder(versions.home).report is None
    write_report(versions.folder("second"), REPORT)
    assert open_model_folder(versions.home).report == REPORT


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("openvino_model.bin", "openvino_model.bin is cut off (99 bytes of at least 100)"),
        ("openvino_config.json", "openvino_config.json has 189 bytes, not 190"),
    ],
)
def test_the_error_of_an_incomplete_version_says_how_to_go_back(versions: ModelVersions, name: str, what: str) -> None:
    cut_off(versions.folder("second") / name)
    home = versions.home
    assert error_line(home) == (
        f"the version second in {home} is incomplete: {what}; "
        f"go back with `{EXPORT} --output {home} --rollback`, or export again with "
        f"`{EXPORT} --model microsoft/Phi-3-mini-4k-instruct --output {home}`"
    )


def test_a_file_of_the_manifest_must_exist(versions: ModelVersions) -> None:
    (versions.folder("second") / "generation_config.json").unlink()
    assert "is incomplete: generation_config.json is missing; go back with" in error_line(versions.home)


def test_a_damaged_manifest_is_named(versions: ModelVersions) -> None:
    cut_off(versions.folder("second") / "openvino_config.json")
    (versions.folder("second") / "manifest.json").write_bytes(b"{")
    assert "second in" in error_line(versions.home)
    assert "is incomplete: manifest.json is damaged; go back" in error_line(versions.home)
    assert "manifest.json is damaged" in error_line(versions.folder("second"), verify_model_folder)


def test_a_manifest_that_leaves_its_folder_is_refused(versions: ModelVersions) -> None:
    manifest = versions.folder("second") / "manifest.json"
    document = json.loads(manifest.read_bytes())
    document["files"]["../first/config.json"] = document["files"]["config.json"]
    manifest.write_text(json.dumps(document))
    cause = "manifest.json names '../first/config.json', which is no file of its folder"
    assert f"is incomplete: {cause}; go back with" in error_line(versions.home)
    assert cause in error_line(versions.folder("second"), verify_model_folder)


def test_a_damaged_folder_without_versions_is_exported_again(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "copied")
    write_manifest(folder)
    cut_off(folder / "openvino_config.json")
    again = (
        f"again with `{EXPORT} --model microsoft/Phi-3-mini-4k-instruct --output {folder}`, or download one that is "
        f"exported with `{EXPORT} --prebuilt --output {folder}`"
    )
    line = error_line(folder)
    assert line.startswith(f"the model folder {folder} is incomplete: openvino_config.json has ")
    assert line.endswith(again)
    assert error_line(folder, verify_model_folder).endswith(again)


def test_only_verifying_finds_a_changed_byte(versions: ModelVersions) -> None:
    verify_model_folder(versions.folder("second"))
    flip_a_bit(versions.folder("second") / "openvino_model.bin")
    assert open_model_folder(versions.home).version == "second"
    line = error_line(versions.folder("second"), verify_model_folder)
    assert line.startswith(
        f"the version second in {versions.home} is damaged: "
        "openvino_model.bin has changed (its SHA-256 differs); "
        f"go back with `{EXPORT} --output {versions.home} --rollback`"
    )


def test_a_folder_without_a_manifest_is_not_verified(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "by hand")
    flip_a_bit(folder / "openvino_model.bin")
    verify_model_folder(folder)


def test_a_pointer_that_is_damaged_or_leads_nowhere(versions: ModelVersions) -> None:
    versions.switch("lost")
    assert "names the version lost, which does not exist" in error_line(versions.home)
    (versions.home / "current.json").write_text("{", encoding="utf-8")
    for use in (open_model_folder, read_choice, StartOrder):
        assert "current.json cannot be read (it is damaged)" in error_line(versions.home, use)


def test_reading_a_choice_expands_the_home_folder(versions: ModelVersions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(versions.home.parent))
    monkeypatch.setenv("USERPROFILE", str(versions.home.parent))
    assert read_choice(Path("~") / "int4") == versions.choice
    assert "there is no model folder at " in error_line(versions.home / "none", read_choice)
    assert "is a file; name the folder" in error_line(versions.home / "current.json", read_choice)
    assert "cannot be read" in error_line(versions.home / ("x" * 5000), read_choice)


def test_a_start_prefers_the_current_version(versions: ModelVersions) -> None:
    order = StartOrder(versions.home)
    assert order.next_usable(open_model_folder).version == "second"
    assert order.refusals == []


def test_a_start_falls_back_to_the_latest_version_that_works(versions: ModelVersions) -> None:
    for name in ("third", "fourth", "lost"):
        versions.switch(name)
    write_model(versions.folder("third"))
    write_model(versions.folder("fourth"))
    cut_off(versions.folder("fourth") / "openvino_model.bin")
    order = StartOrder(versions.home)
    assert order.next_usable(open_model_folder).version == "third"
    assert [str(refusal).split(" in ")[0].split(", ")[0] for refusal in order.refusals] == [
        f"{versions.home / 'current.json'} names the version lost",
        "the version fourth",
    ]
    assert order.next_usable(open_model_folder).version == "second"


def test_if_no_version_works_the_error_is_the_current_ones(versions: ModelVersions) -> None:
    cut_off(versions.folder("first") / "openvino_model.xml")
    cut_off(versions.folder("second") / "openvino_model.bin")

    def start(home: Path) -> ModelFolder:
        return StartOrder(home).next_usable(open_model_folder)

    assert error_line(versions.home, start) == error_line(versions.home)


def test_an_engine_may_refuse_a_version_too(versions: ModelVersions) -> None:
    order = StartOrder(versions.home)
    assert order.next_usable(open_model_folder).version == "second"
    refusal = ConfigurationError("the engine does not load it")
    order.refusals.append(refusal)
    assert order.next_usable(open_model_folder).version == "first"
    with pytest.raises(ConfigurationError) as raised:
        order.next_usable(open_model_folder)
    assert raised.value is refusal


def test_a_folder_without_versions_has_no_fallback(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "plain")
    order = StartOrder(folder)
    assert order.next_usable(open_model_folder).path == folder
    assert error_line(tmp_path / "none", StartOrder).startswith("there is no model folder at ")
