"""A model folder: what is read from it, and one clear line for each thing wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.model.folder import open_model_folder
from bot.model.source import ModelSource, write_model_source
from bot.own_command import own_command
from tests.model.exported_folder import CONSTANT, PHI3_CONFIG, error_line, write_json, write_model
from tests.unprivileged import folder_for_everybody, unprivileged

EXPORT = own_command("export")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "int4")


def test_an_export_describes_itself(folder: Path) -> None:
    model = open_model_folder(folder)
    assert model.path == folder
    assert (model.version, model.report) == (None, None)
    assert model.name == model.title == "Phi-3-mini-4k-instruct"
    assert model.source == "microsoft/Phi-3-mini-4k-instruct"
    assert (model.revision, model.license) == (None, None)
    assert (model.weight_format, model.recipe) == ("int4", "int4 symmetric, group size 128, ratio 0.6")
    assert model.size_bytes == 100
    assert model.context_length == 4096
    assert model.vocabulary_size == 32064
    assert model.eos_token_ids == {32000, 32001, 32007}
    assert (model.architecture, model.model_type) == ("Phi3ForCausalLM", "phi3")


@pytest.mark.parametrize(
    ("mode", "group_size", "ratio", "weight_format", "recipe"),
    [
        ("int4_asym", "-1", "1.0", "int4", "int4 asymmetric, per channel, ratio 1.0"),
        ("int8_asym", "-1", "1.0", "int8", "int8 asymmetric, per channel, ratio 1.0"),
        ("nf4", "64", "0.8", "nf4", "nf4, group size 64, ratio 0.8"),
        (None, "", "", None, None),
    ],
)
def test_recipe(
    tmp_path: Path,
    mode: str | None,
    group_size: str,
    ratio: str,
    weight_format: str | None,
    recipe: str | None,
) -> None:
    model = open_model_folder(write_model(tmp_path / "m", mode=mode, group_size=group_size, ratio=ratio))
    assert (model.weight_format, model.recipe) == (weight_format, recipe)


# The file is read in pieces: constants and recipe must be found on either side of a border, and across it.
@pytest.mark.parametrize("padding", [(1 << 20) - 1200, (1 << 20) - 600, (1 << 20) - 130, 5 << 20])
def test_a_large_model_file(tmp_path: Path, padding: int) -> None:
    folder = write_model(tmp_path / "large", padding=padding)
    assert open_model_folder(folder).weight_format == "int4"
    (folder / "openvino_model.bin").write_bytes(bytes(99))
    assert "openvino_model.bin is cut off (99 bytes of at least 100)" in error_line(folder)


def test_a_constant_across_two_pieces_counts(folder: Path) -> None:
    last = CONSTANT.format(id=3, offset=100, size=1)
    xml = folder / "openvino_model.xml"
    start = f"<net>{' ' * ((1 << 20) - 5 - len(last) // 2)}"
    xml.write_bytes(f"{start}{last}</net>\n".encode())
    assert "(100 bytes of at least 101)" in error_line(folder)


def test_model_source_json_comes_first(folder: Path) -> None:
    write_model_source(folder, ModelSource(name="Phi", source="somewhere", revision="abc", license="MIT"))
    model = open_model_folder(folder)
    assert (model.name, model.source, model.revision, model.license) == ("Phi", "somewhere", "abc", "MIT")
    assert model.weight_format == "int4"


def test_the_name_falls_back_to_the_configuration_and_then_to_the_folder(folder: Path) -> None:
    (folder / "openvino_config.json").unlink()
    write_json(folder / "config.json", {**PHI3_CONFIG, "_name_or_path": "C:\\models\\phi-3\\"})
    assert open_model_folder(folder).name == "phi-3"
    write_json(folder / "config.json", PHI3_CONFIG)
    model = open_model_folder(folder)
    assert (model.name, model.source) == ("int4", None)


def test_stop_tokens_may_be_in_either_file_or_nowhere(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    assert open_model_folder(folder).eos_token_ids == {32000}
    write_json(folder / "config.json", {**PHI3_CONFIG, "eos_token_id": None})
    assert open_model_folder(folder).eos_token_ids == frozenset()


def test_a_missing_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space" / "none"
    line = error_line(folder)
    assert f"no model folder at {folder}" in line
    assert f"`{EXPORT} --prebuilt --output '{folder}'`" in line
    assert f"`{EXPORT} --model microsoft/Phi-3-mini-4k-instruct --output '{folder}'`" in line
    assert line.endswith("or set MODEL_DIR to another folder")


@pytest.mark.parametrize("name", ["openvino_model.xml", "openvino_model.bin", "config.json", "tokenizer.json"])
def test_each_missing_or_empty_file_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    line = error_line(folder)
    assert f"{name} is empty" in line
    assert f"{EXPORT} --model microsoft/Phi-3-mini-4k-instruct --output {folder}" in line
    assert "--rollback" not in line, "a folder without versions has nothing to go back to"
    (folder / name).unlink()
    assert re.search(rf"incomplete: {re.escape(name)} is missing;", error_line(folder))


def test_all_missing_files_are_named_at_once(tmp_path: Path) -> None:
    line = error_line(tmp_path)
    for name in ("openvino_model.xml", "openvino_model.bin", "config.json", "tokenizer.json"):
        assert f"{name} is missing" in line


def test_truncated_files(folder: Path) -> None:
    weights = folder / "openvino_model.bin"
    weights.write_bytes(bytes(99))
    assert "openvino_model.bin is cut off" in error_line(folder)
    weights.write_bytes(bytes(100))
    xml = folder / "openvino_model.xml"
    xml.write_bytes(xml.read_bytes()[:-8])
    assert "openvino_model.xml is cut off" in error_line(folder)


@pytest.mark.parametrize("weights", ["model-00001-of-00002.safetensors", "pytorch_model.bin"])
def test_pytorch_weights_must_be_exported_first(tmp_path: Path, weights: str) -> None:
    (tmp_path / weights).write_bytes(b"x")
    line = error_line(tmp_path)
    assert "PyTorch weights, which must be exported first" in line
    assert f"`{EXPORT} --model {tmp_path} --output {tmp_path}-openvino`" in line
    assert f"{tmp_path}-openvino" in line


@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", "openvino_config.json", "tokenizer.json", "model_source.json"],
)
@pytest.mark.parametrize("content", [b'{"a": ', b"\xff\xfe\x00", b"[1]"])
def test_each_invalid_json_file_is_named(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert f"{name} is not" in error_line(folder)


@pytest.mark.parametrize("key", ["max_position_embeddings", "vocab_size"])
@pytest.mark.parametrize("value", [None, 0, "4096"])
def test_a_number_that_config_json_must_have(folder: Path, key: str, value: object) -> None:
    write_json(folder / "config.json", {**PHI3_CONFIG, key: value})
    assert f"config.json has no usable {key}" in error_line(folder)


def test_optional_values_of_another_type_are_ignored(folder: Path) -> None:
    write_json(folder / "config.json", {**PHI3_CONFIG, "architectures": "x", "model_type": 3, "_name_or_path": []})
    write_json(folder / "openvino_config.json", {"quantization_config": ["x"]})
    write_json(folder / "generation_config.json", {"eos_token_id": [7, "8", None]})
    model = open_model_folder(folder)
    assert (model.architecture, model.model_type, model.source) == (None, None, None)
    assert model.eos_token_ids == {7, 32000}


def test_a_file_instead_of_a_folder(folder: Path) -> None:
    assert "openvino_model.xml is a file; name the folder" in error_line(folder / "openvino_model.xml")


def test_a_tilde_is_the_home_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert open_model_folder(Path("~") / folder.name).path == folder


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    try:
        link.symlink_to(folder, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let this user make links")
    assert open_model_folder(link).path == folder


def test_a_path_that_the_system_rejects(tmp_path: Path) -> None:
    assert "cannot be read" in error_line(tmp_path / ("x" * 5000))


@pytest.mark.parametrize("place", [".", "openvino_model.bin", "tokenizer.json"])
def test_a_folder_without_permission(place: str) -> None:
    with folder_for_everybody() as everybody:
        folder = write_model(everybody / "int4")
        (folder / place).chmod(0)
        with unprivileged():
            assert "check the path and its permissions" in error_line(folder)
        (folder / place).chmod(0o700)
