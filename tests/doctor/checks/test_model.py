"""Model folders that are whole, changed, incomplete, and versions."""

from __future__ import annotations

import json
from pathlib import Path

from bot.doctor.checks.model import check_model, usable_model
from bot.model.manifest import write_manifest
from bot.model.versions import ModelVersions
from bot.settings import load_settings
from tests.doctor.found import found
from tests.model.exported_folder import write_model


def check(folder: Path, **values: str) -> list[tuple[str, str, str]]:
    settings = load_settings(env_file=None, model_dir=folder, **values)
    model, refusals = usable_model(settings)
    return [*found(check_model(model, refusals, settings), "model")]


def test_a_model_as_its_manifest_says(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "phi")
    [(result, line, _)] = check(folder)
    assert result == "ok"
    assert line.endswith("complete; it has no manifest to compare it with")
    write_manifest(folder)
    [(result, line, _)] = check(folder)
    assert result == "ok"
    assert line.endswith("every file is as its manifest says")


def test_a_file_of_the_same_size_that_has_changed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "phi")
    write_manifest(folder)
    (folder / "openvino_model.bin").write_bytes(bytes(99) + b"\1")
    [(result, line, way_out)] = check(folder)
    assert result == "error"
    assert "is damaged: openvino_model.bin has changed" in line
    assert way_out.startswith("export it again with `")


def test_a_missing_folder(tmp_path: Path) -> None:
    [(result, line, way_out)] = check(tmp_path / "nowhere")
    assert (result, line) == ("error", f"there is no model folder at {tmp_path / 'nowhere'}")
    assert way_out.startswith("download one with `")


def test_a_version_that_does_not_work_while_an_earlier_one_answers(tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    for name in ("first", "second"):
        write_model(versions.folder(name))
        versions.switch(name)
    (versions.folder("second") / "openvino_model.bin").unlink()
    [(warning, line, way_out), (ok, answers, _)] = check(versions.home)
    assert (warning, ok) == ("warning", "ok")
    assert line.startswith(f"the version second in {versions.home} is incomplete")
    assert "--rollback" in way_out
    assert "(first)" in answers


def test_a_pointer_that_cannot_be_read(tmp_path: Path) -> None:
    versions = ModelVersions(tmp_path / "home")
    write_model(versions.folder("first"))
    versions.switch("first")
    (versions.home / "current.json").write_text("{", encoding="utf-8")
    [(result, line, way_out)] = check(versions.home)
    assert result == "error"
    assert "current.json cannot be read (it is damaged)" in line
    assert way_out.startswith("choose a version: ")


def test_a_draft_model_with_another_tokenizer(tmp_path: Path, small_model_dir: Path) -> None:
    draft = tmp_path / "draft"
    draft.mkdir()
    for file in small_model_dir.iterdir():
        (draft / file.name).symlink_to(file)
    settings = load_settings(env_file=None, model_dir=small_model_dir, draft_model_dir=draft, engine="paged")
    [(result, line, _)] = found(check_model(*usable_model(settings), settings), "draft model")
    assert (result, line.endswith("it has the model's tokenizer")) == ("ok", True)

    tokenizer = json.loads((draft / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (draft / "tokenizer.json").unlink()
    (draft / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    [(result, line, way_out)] = found(check_model(*usable_model(settings), settings), "draft model")
    assert result == "warning"
    assert "is another than the model's" in line
    assert "leave DRAFT_MODEL_DIR out" in way_out
