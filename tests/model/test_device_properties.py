"""A model folder's own properties: what an export writes comes back, anything else is refused with one line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ConfigurationError
from bot.model.device_properties import FILE_NAME, GROUP_SIZES, read_device_properties, write_device_properties
from bot.model.folder import open_model_folder
from bot.model.manifest import read_manifest, write_manifest, wrong_files
from tests.malformed_json import CONTENTS, VALUES, check_line
from tests.model.exported_folder import error_line, write_model

GROUP = "DYNAMIC_QUANTIZATION_GROUP_SIZE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "int4")


@pytest.mark.parametrize("size", GROUP_SIZES)
def test_what_is_written_is_read_and_in_the_manifest(folder: Path, size: str) -> None:
    assert open_model_folder(folder).device_properties == {}
    write_device_properties(folder, {GROUP: size})
    assert open_model_folder(folder).device_properties == {GROUP: size}
    write_manifest(folder)
    (folder / FILE_NAME).write_text(json.dumps({"CPU": {}}), encoding="utf-8")
    manifest = read_manifest(folder)
    assert manifest is not None
    assert FILE_NAME in wrong_files(folder, manifest)[0]


def test_without_properties_no_file_stays(folder: Path) -> None:
    write_device_properties(folder, {GROUP: "64"})
    write_device_properties(folder, {})
    write_device_properties(folder, {})
    assert not (folder / FILE_NAME).exists()


@pytest.mark.parametrize(
    ("document", "cause"),
    [
        ({"CPU": {"CACHE_DIR": "/etc"}}, "sets 'CACHE_DIR', and may only set DYNAMIC_QUANTIZATION_GROUP_SIZE"),
        ({"CPU": {"INFERENCE_PRECISION_HINT": "f16"}}, "sets 'INFERENCE_PRECISION_HINT', and may only set"),
        ({"CPU": {"a\nb" * 100: "1"}}, "sets 'a\\nb"),
        ({"CPU": {GROUP: "0"}}, f"sets {GROUP} to '0', and may only set it to 32, 64, 128"),
        ({"CPU": {GROUP: 64}}, f"sets {GROUP} to 64, and may only set it to"),
        ({"CPU": {GROUP: ["64"]}}, f"sets {GROUP} to ['64'], and"),
        ({"GPU": {GROUP: "64"}}, "holds 'GPU', and may only hold an object named CPU"),
        ({"CPU": [GROUP]}, "holds 'CPU', and may only hold an object named CPU"),
    ],
)
def test_what_no_export_sets_is_refused(folder: Path, document: Any, cause: str) -> None:
    (folder / FILE_NAME).write_text(json.dumps(document), encoding="utf-8")
    line = error_line(folder)
    assert f"{FILE_NAME} {cause}" in line
    assert "export it again" in line


@pytest.mark.parametrize("content", [*CONTENTS, b'{"CPU": {}}' + b" " * 20_000], ids=lambda content: repr(content[:20]))
def test_a_damaged_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / FILE_NAME).write_bytes(content)
    line = error_line(folder)
    check_line(line)
    assert FILE_NAME in line


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUES, device=st.sampled_from(["CPU", "x"]), name=st.sampled_from([GROUP, "x", None]))
def test_any_value_is_harmless(folder: Path, value: Any, device: str, name: str | None) -> None:
    document = {device: value if name is None else {name: value}}
    (folder / FILE_NAME).write_text(json.dumps(document), encoding="utf-8")
    try:
        accepted = read_device_properties(folder)
    except ValueError as error:
        check_line(str(error))
    else:
        assert accepted == {}, "no generated value is an accepted one"


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_refused(folder: Path) -> None:
    os.mkfifo(folder / FILE_NAME)
    with pytest.raises(ConfigurationError, match="not a regular file"):
        open_model_folder(folder)
