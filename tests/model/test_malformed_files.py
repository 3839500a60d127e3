"""Whatever the files of a model folder hold: it opens, or is refused with one line, and soon."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder, open_model_folder, read_choice
from bot.model.versions import ModelVersions
from tests.malformed_json import CONTENTS, VALUES, change, check_line
from tests.model.exported_folder import PHI3_CONFIG, error_line, write_json, write_model

FIELDS = (
    *(("config.json", key) for key in PHI3_CONFIG),
    *(("config.json", key) for key in ("num_hidden_layers", "num_attention_heads", "head_dim", "hidden_size")),
    *(("config.json", key) for key in ("num_key_value_heads", "_name_or_path", "dtype", "auto_map")),
    *(("generation_config.json", key) for key in ("eos_token_id", "do_sample", "temperature", "top_p", "top_k")),
    *(("generation_config.json", key) for key in ("repetition_penalty", "max_new_tokens")),
    *(("openvino_config.json", key) for key in ("quantization_config", "dtype")),
    *(("model_source.json", key) for key in ("name", "source", "revision", "license", "weight_format", "recipe")),
    *(("report.json", key) for key in ("exported_at", "seconds", "findings", "quality", "speed", "packages")),
    ("special_tokens_map.json", "bos_token"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "int4")


def opened_or_refused(folder: Path) -> ModelFolder | None:
    """Open the folder, and check the line if it is refused."""
    try:
        return open_model_folder(folder)
    except ConfigurationError as error:
        check_line(str(error))
        return None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(FIELDS), value=VALUES)
def test_any_value_in_any_field(folder: Path, field: tuple[str, str], value: Any) -> None:
    write_model(folder)
    file, key = field
    for name in ("model_source.json", "report.json", "special_tokens_map.json"):
        write_json(folder / name, {"exported_at": "2026-11-28T10:15:00Z", "seconds": 1})
    change(folder / file, [key], value)

    model = opened_or_refused(folder)

    if model is not None:
        assert 0 < model.context_length < 2**31
        assert 0 < model.vocabulary_size < 2**31
        assert all(0 <= each < model.vocabulary_size for each in model.eos_token_ids)
        f"{model.title}{model.source}{model.revision}{model.recipe}".encode()
        assert len(model.name) <= 200
        assert "\n" not in model.name


@pytest.mark.parametrize(
    "name",
    ["config.json", "generation_config.json", "openvino_config.json", "tokenizer.json", "model_source.json"],
)
@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
def test_a_file_that_is_no_json_object(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    assert name in error_line(folder)


@pytest.mark.parametrize("content", CONTENTS, ids=range(len(CONTENTS)))
def test_a_broken_report_or_manifest_or_pointer(folder: Path, content: bytes) -> None:
    (folder / "report.json").write_bytes(content)
    assert open_model_folder(folder).report is None
    (folder / "manifest.json").write_bytes(content)
    assert "manifest.json is damaged" in error_line(folder)
    (folder / "current.json").write_bytes(content)
    assert "current.json cannot be read (it is damaged)" in error_line(folder, read_choice)


@pytest.mark.parametrize("key", ["max_position_embeddings", "vocab_size"])
@pytest.mark.parametrize("value", [-5, 0.5, 4096.0, 1e12, 10**12, float("nan"), True, "4096", [4096]])
def test_a_number_that_no_model_has(folder: Path, key: str, value: object) -> None:
    write_json(folder / "config.json", {**PHI3_CONFIG, key: value})
    assert f"config.json has no usable {key}" in error_line(folder)


def test_a_vocabulary_that_is_not_the_models(folder: Path) -> None:
    xml = folder / "openvino_model.xml"
    logits = (
        '<layer id="9" name="logits" type="Result" version="opset1" output_names="logits">\n\t<input>\n'
        '\t\t<port id="0" precision="FP32">\n<dim>-1</dim>\n<dim>-1</dim>\n<dim>32000</dim>\n</port>\n</input>'
    )
    xml.write_text(xml.read_text().replace("<net>", f"<net>{' ' * ((1 << 20) - 200)}{logits}"), encoding="utf-8")
    assert (
        "contradicts itself: config.json says vocab_size 32064, but openvino_model.xml chooses among 32000 tokens; "
        "export it again"
    ) in error_line(folder)
    write_json(folder / "config.json", {**PHI3_CONFIG, "vocab_size": 32000})
    assert open_model_folder(folder).vocabulary_size == 32000


def test_stop_tokens_that_the_model_lacks_are_left_out(folder: Path) -> None:
    write_json(folder / "generation_config.json", {"eos_token_id": [7, -1, 32064, 2**70, True, "8", None, [9]]})
    assert open_model_folder(folder).eos_token_ids == {7, 32000}


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "openvino_model.xml"])
def test_a_huge_file(folder: Path, name: str) -> None:
    with (folder / name).open("wb") as file:
        file.truncate(1 << 30)  # takes no room on the disk
    assert f"{name} has 1,073,741,824 bytes, more than the " in error_line(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among files")
@pytest.mark.parametrize("name", ["generation_config.json", "model_source.json", "report.json", "manifest.json"])
def test_a_pipe_holds_nobody_up(folder: Path, name: str) -> None:
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert "not a" in error_line(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among files")
def test_a_pipe_instead_of_a_pointer(folder: Path) -> None:
    os.mkfifo(folder / "current.json")
    assert "current.json cannot be read (not a regular file)" in error_line(folder, read_choice)
    assert ModelVersions(folder).names == []


@pytest.mark.parametrize("piece", [b"<data ", b"<weight_compression>", b'<data offset="' + b"9" * 3000, b"<rt_info>"])
def test_a_graph_made_to_be_read_slowly(folder: Path, piece: bytes) -> None:
    (folder / "openvino_model.xml").write_bytes(b"<net>" + piece * ((2 << 20) // len(piece)) + b"</net>")
    started = time.monotonic()
    opened_or_refused(folder)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a\0b", "has a character that no path can have"),
        ("\ud800", "has a character that no path can have"),
        ("x" * 1000, "File name too long"),
        ("../" * 300, "openvino_model.xml is missing"),
        ("a/b\nc", "there is no model folder"),
    ],
)
def test_a_path_that_no_model_folder_has(tmp_path: Path, name: str, says: str) -> None:
    assert says in error_line(tmp_path / name)
