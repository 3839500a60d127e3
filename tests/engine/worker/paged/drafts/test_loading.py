"""A draft model that cannot be used costs one line for the operator, and never the engine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import openvino
import pytest
from openvino import opset13
from tiny_models.phi3_tokenizer import phi3_definition, write_phi3_tokenizer_files

from bot.engine.interface import EngineOptions
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.drafts.loading import load_draft_model
from bot.errors import ModelDoesNotFitError
from bot.model.versions import ModelVersions
from tests.inference_precision import EXACT

ROWS = 32064


def with_tokenizer(source: Path, folder: Path) -> Path:
    shutil.copytree(source, folder)
    write_phi3_tokenizer_files(folder)
    return folder


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_tokenizer(tiny_model, tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def draft(tiny_model: Path, tmp_path: Path) -> Path:
    return with_tokenizer(tiny_model, tmp_path / "draft")


@pytest.fixture
def options(model: Path, draft: Path) -> EngineOptions:
    return EngineOptions("paged", model, properties=EXACT, draft_tokens=4, draft_model_dir=draft)


def load(options: EngineOptions, plan: Callable[..., int] = lambda *_: 8) -> tuple[DraftModel | None, list[str]]:
    """Return the draft model and the lines for the operator."""
    lines: list[str] = []
    loaded, blocks = load_draft_model(options, "f32", ROWS, plan, lines.append)
    assert blocks == 8
    return loaded, lines


def refusal(options: EngineOptions, plan: Callable[..., int] = lambda *_: 8) -> str:
    """Return why there is no draft model."""
    loaded, [line] = load(options, plan)
    assert loaded is None
    before, reason = line.split(f": path={options.draft_model_dir} reason=")
    assert before == (
        "Draft model is off, answers only take longer; correct the reason, name another one or leave DRAFT_MODEL_DIR "
        "out"
    )
    assert "\n" not in reason
    return reason


def test_a_draft_model_has_the_name_and_the_files_of_its_current_version(
    options: EngineOptions, draft: Path, tmp_path: Path
) -> None:
    loaded, lines = load(options)
    assert loaded is not None
    assert (loaded.name, loaded.folder, lines) == ("draft", draft, [])
    versions = ModelVersions(tmp_path / "home")
    folder = versions.folder("second")
    shutil.copytree(draft, folder)
    versions.switch("second")
    loaded, lines = load(replace(options, draft_model_dir=versions.home))
    assert loaded is not None
    assert (loaded.name, loaded.folder, lines) == ("second (second)", folder, [])


def test_without_drafts_there_is_no_draft_model(options: EngineOptions) -> None:
    assert load(replace(options, draft_tokens=0)) == (None, [])
    assert load(replace(options, draft_model_dir=None)) == (None, [])


def test_a_missing_folder_is_named(options: EngineOptions, tmp_path: Path) -> None:
    reason = refusal(replace(options, draft_model_dir=tmp_path / "none"))
    assert f"there is no model folder at {tmp_path / 'none'}; fetch a draft model with" in reason


@pytest.mark.parametrize("name", ["openvino_model.xml", "openvino_model.bin", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(options: EngineOptions, draft: Path, name: str) -> None:
    (draft / name).unlink()
    assert f"{draft} is incomplete: {name} is missing" in refusal(options)


def test_a_cut_off_file_is_named(options: EngineOptions, draft: Path) -> None:
    with (draft / "openvino_model.bin").open("r+b") as file:
        file.truncate(1000)
    assert "openvino_model.bin is cut off" in refusal(options)


def test_a_damaged_pointer_is_named(options: EngineOptions, draft: Path) -> None:
    (draft / "current.json").write_text("{")
    assert "current.json cannot be read (it is damaged); fetch" in refusal(options)


def test_a_graph_that_openvino_refuses_is_named(options: EngineOptions, draft: Path) -> None:
    xml = draft / "openvino_model.xml"
    xml.write_text(
        xml.read_text().replace('type="Softmax"', 'type="Nonsense"').replace('type="Add"', 'type="Nonsense"')
    )
    assert refusal(options).startswith("it does not run: ")


@pytest.mark.parametrize(
    ("stateful", "cause"), [(True, "No ScaledDotProductAttention"), (False, "Model is supposed to be stateful")]
)
def test_a_model_without_attention_is_named(options: EngineOptions, draft: Path, stateful: bool, cause: str) -> None:
    ids = opset13.parameter([-1, -1], numpy.int64, name="input_ids")
    beam = opset13.parameter([-1], numpy.int32, name="beam_idx")
    for each in (ids, beam):
        each.output(0).tensor.set_names({each.friendly_name})
    rows = opset13.constant(numpy.zeros((1, ROWS), numpy.float32))
    logits = opset13.matmul(opset13.convert(opset13.unsqueeze(ids, opset13.constant(2)), "f32"), rows, False, False)
    sinks = [opset13.assign(opset13.read_value(beam, "state"), "state")] if stateful else []
    openvino.save_model(openvino.Model([opset13.result(logits)], sinks, [ids, beam]), draft / "openvino_model.xml")
    assert refusal(options).startswith(f"it does not run: {cause}")


def test_a_type_that_the_engine_computes_wrong_is_named(options: EngineOptions, draft: Path) -> None:
    config = json.loads((draft / "config.json").read_text())
    (draft / "config.json").write_text(json.dumps({**config, "model_type": "mpt"}))
    assert refusal(options) == "the engine paged computes models of the type mpt wrong"


def test_another_tokenizer_is_named_by_its_first_difference(options: EngineOptions, draft: Path) -> None:
    added = phi3_definition()["added_tokens"]
    write_phi3_tokenizer_files(draft, added_tokens=[*added[:-1], {**added[-1], "content": "<|human|>"}])
    user = added[-1]["id"]
    assert refusal(options) == (
        f"its tokenizer is another than the model's: the id {user} is '<|user|>' in the model and '<|human|>' in the "
        "draft model"
    )


def test_a_model_that_computes_nonsense_is_named(options: EngineOptions, draft: Path) -> None:
    weights = draft / "openvino_model.bin"
    with weights.open("r+b") as file:
        file.seek(weights.stat().st_size * 3 // 4)  # in the last layer
        file.write(b"\xff" * 10_000)
    assert refusal(options) == "it computes no finite numbers"


def test_too_little_memory_for_both_is_named(options: EngineOptions) -> None:
    def plan(*folders: Path) -> int:
        if folders:
            raise ModelDoesNotFitError("the model and the draft model need about 3.8 GB")
        return 8

    assert refusal(options, plan) == "the model and the draft model need about 3.8 GB"


def test_a_cache_precision_that_the_draft_model_cannot_have_is_named(options: EngineOptions) -> None:
    properties = {"INFERENCE_PRECISION_HINT": "f32", "KEY_CACHE_PRECISION": "u8"}
    assert "exclude each other" in refusal(replace(options, properties=properties))
