from __future__ import annotations

import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bot.errors import ConfigurationError
from bot.export.checkpoint import read_checkpoint
from bot.export.child_process import ChildError, run_child
from bot.export.next_tokens import NextTokens, read_next_tokens
from bot.export.quality import measure_quality, source_memory
from bot.model.report import Finding, Quality
from tests.export.export_process import ROOT
from tests.export.tiny_checkpoints import VOCABULARY, TinyCheckpoints, write_tiny_checkpoints
from tests.export.unusual_models import changed_source, grown_source, source_with_code, write_table_model
from tests.shared_folder import shared_folder

IDS = np.random.default_rng(0).integers(0, VOCABULARY, 700)
PLENTY = 10**12
Measure = Callable[..., tuple[Quality, Finding]]


@dataclass(frozen=True)
class Measured:
    """The result of measuring, and the source's predictions."""

    quality: Quality
    finding: Finding
    source: NextTokens


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyCheckpoints:
    return TinyCheckpoints(
        shared_folder(tmp_path_factory, "tiny_checkpoints", lambda folder: write_tiny_checkpoints(folder, IDS))
    )


@pytest.fixture(scope="session")
def measured(tiny: TinyCheckpoints, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """The uncompressed export beside its source."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        quality, finding = _measure(tiny.export(tiny.source, "float32"), tiny.source, folder)
        (folder / "quality.json").write_text(quality.model_dump_json(), encoding="utf-8")
        (folder / "finding.json").write_text(finding.model_dump_json(), encoding="utf-8")

    folder = shared_folder(tmp_path_factory, "measured", fill)
    return Measured(
        Quality.model_validate_json((folder / "quality.json").read_bytes()),
        Finding.model_validate_json((folder / "finding.json").read_bytes()),
        NextTokens.load(folder / "source_reading.npz"),
    )


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    return partial(_measure, work=tmp_path)


def _measure(exported: Path, source: Path | None, work: Path, **options: Any) -> tuple[Quality, Finding]:
    usual: dict[str, Any] = {"ids": IDS.tolist(), "trust_remote_code": False, "memory_bytes": PLENTY}
    return measure_quality(exported, source, work=work, say=lambda line: None, **{**usual, **options})


def _read(module: str, model: Path, work: Path, *, window: int = 512) -> NextTokens:
    np.save(work / "ids.npy", IDS)
    arguments = [str(model), str(work / "ids.npy"), str(work / "read.npz"), "--window", str(window)]
    run_child(f"bot.export.{module}", arguments, log=work / "log")
    return NextTokens.load(work / "read.npz")


def _log_probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the actual next tokens, by another formula than the one under test."""
    real: NDArray[np.float64] = np.take_along_axis(logits, IDS[1:, None], axis=1)[:, 0]
    log_probabilities: NDArray[np.float64] = real - np.logaddexp.reduce(logits, axis=1)
    return log_probabilities


class TestTheMeasure:
    def test_an_uncompressed_export_predicts_the_same_as_its_source(
        self, tiny: TinyCheckpoints, measured: Measured
    ) -> None:
        quality, finding = measured.quality, measured.finding
        expected = math.exp(-_log_probabilities(tiny.logits(tiny.source)).mean())
        assert quality.tokens == len(IDS) - 1
        assert quality.agreement is not None
        assert quality.agreement > 0.99
        assert quality.source_perplexity == pytest.approx(expected, rel=1e-4)
        assert quality.perplexity == pytest.approx(expected, rel=1e-3)
        assert (quality.source_precision, quality.precision) == ("float32", "f32")
        assert (finding.what, finding.verdict) == ("quality", "good")
        assert f"{quality.agreement:.1%} of 699 positions" in finding.detail
        assert finding.detail.endswith("; both computed in f32")

    def test_fewer_bits_agree_less(self, tiny: TinyCheckpoints, measured: Measured, tmp_path: Path) -> None:
        int8 = _read("exported_reading", tiny.export(tiny.source, "int8"), tmp_path)
        int4 = _read("exported_reading", tiny.export(tiny.source, "int4"), tmp_path)
        assert 0.1 < int4.agreement(measured.source) < int8.agreement(measured.source) - 0.2
        assert int8.agreement(measured.source) < 1

    def test_another_model_hardly_agrees(self, tiny: TinyCheckpoints, measured: Measured, tmp_path: Path) -> None:
        other = _read("exported_reading", tiny.export(tiny.other, "float32"), tmp_path)
        assert other.agreement(measured.source) < 0.05

    def test_an_export_that_agrees_little_is_noted(self, tiny: TinyCheckpoints, measure: Measure) -> None:
        quality, finding = measure(tiny.export(tiny.other, "float32"), tiny.source, ids=IDS[:40].tolist())
        assert quality.agreement is not None
        assert quality.agreement < 0.1
        assert finding.verdict == "noted"

    def test_the_window_is_no_longer_than_the_context(self, tiny: TinyCheckpoints, measure: Measure) -> None:
        quality, _ = measure(tiny.export(tiny.other, "float32"), None)
        expected = math.exp(-_log_probabilities(tiny.logits(tiny.other)).mean())
        assert quality.perplexity == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("tokens", [2, 40])
    def test_a_text_shorter_than_a_window(self, tokens: int, tiny: TinyCheckpoints, measure: Measure) -> None:
        quality, _ = measure(tiny.export(tiny.source, "float32"), None, ids=IDS[:tokens].tolist())
        expected = math.exp(-_log_probabilities(tiny.logits(tiny.source))[: tokens - 1].mean())
        assert quality.tokens == tokens - 1
        # A pass of one token reads its keys and values back from the 8-bit cache, unlike longer ones.
        assert quality.perplexity == pytest.approx(expected, rel=1e-2)


class TestReading:
    def test_the_source_is_read_in_float32_although_its_weights_have_16_bits(
        self, tiny: TinyCheckpoints, measured: Measured
    ) -> None:
        logits = tiny.logits(tiny.source)
        assert measured.source.likeliest.tolist() == logits.argmax(axis=1).tolist()
        assert measured.source.log_probabilities == pytest.approx(_log_probabilities(logits), abs=1e-4)

    def test_a_model_without_positions_and_without_state(self, tmp_path: Path) -> None:
        table = np.random.default_rng(1).normal(size=(VOCABULARY, VOCABULARY)).astype(np.float32)
        write_table_model(tmp_path, table, "attention_mask")
        read = _read("exported_reading", tmp_path, tmp_path)
        logits = table[IDS[:-1]].astype(np.float64)
        assert read.likeliest.tolist() == logits.argmax(axis=1).tolist()
        assert read.log_probabilities == pytest.approx(_log_probabilities(logits), abs=1e-4)

    def test_a_model_with_an_input_that_the_bot_does_not_know(self, tmp_path: Path) -> None:
        write_table_model(tmp_path, np.eye(VOCABULARY, dtype=np.float32), "pixel_values")
        with pytest.raises(ChildError, match=r"input that the bot does not know: pixel_values$"):
            _read("exported_reading", tmp_path, tmp_path)

    def test_large_logits_do_not_overflow(self) -> None:
        read = read_next_tokens(np.array([0, 1, 0]), 512, lambda ids: np.array([[0, 1e4], [3e4, 0]], np.float32))
        assert read.likeliest.tolist() == [1, 0]
        assert read.perplexity == 1

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_logits_that_are_not_finite_are_refused(self, value: float) -> None:
        with pytest.raises(ConfigurationError, match="logits are not finite numbers"):
            read_next_tokens(np.array([0, 1]), 512, lambda ids: np.array([[0, value]], np.float32))

    def test_a_text_with_tokens_that_the_model_does_not_know_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="has token 5, and the model knows only 2"):
            read_next_tokens(np.array([0, 5]), 512, lambda ids: np.zeros((1, 2), np.float32))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux gives it")
def test_a_source_takes_no_more_memory_than_estimated(tiny: TinyCheckpoints, tmp_path: Path) -> None:
    source = grown_source(tiny, tmp_path)
    np.save(tmp_path / "ids.npy", IDS[:50])
    program = (
        "import resource, sys; from pathlib import Path; from bot.export.child_process import run_child;"
        "run_child('bot.export.source_reading', sys.argv[1:], log=Path(sys.argv[3] + '.log'));"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    output = tmp_path / "read.npz"
    arguments = [str(source), str(tmp_path / "ids.npy"), str(output), "--window", "512"]
    # A process in between has no other children, whose peaks would count too.
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    checkpoint = read_checkpoint(source)
    shutil.rmtree(source)
    assert NextTokens.load(output).perplexity == pytest.approx(VOCABULARY)
    assert int(done.stdout) < source_memory(checkpoint)


class TestASourceThatIsNotRun:
    def test_there_is_none(self, tiny: TinyCheckpoints, measure: Measure) -> None:
        quality, finding = measure(tiny.export(tiny.source, "float32"), None)
        assert quality.perplexity > 1
        assert (quality.source_perplexity, quality.agreement, quality.source_precision) == (None, None, None)
        assert quality.precision == "f32"
        assert finding.verdict == "skipped"
        assert finding.detail.endswith("its source checkpoint is not here")

    def test_it_does_not_fit_into_memory(self, tiny: TinyCheckpoints, measure: Measure, tmp_path: Path) -> None:
        needed = source_memory(read_checkpoint(tiny.source))
        _, finding = measure(tiny.export(tiny.source, "float32"), tiny.source, memory_bytes=needed - 1)
        assert finding.verdict == "skipped"
        assert "needs about 0.70 GB of memory, and 0.70 GB is available" in finding.detail
        assert not (tmp_path / "source_reading.log").exists()

    def test_torch_is_not_installed(
        self,
        tiny: TinyCheckpoints,
        measure: Measure,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        _, finding = measure(tiny.export(tiny.source, "float32"), tiny.source)
        assert finding.verdict == "skipped"
        assert "needs torch: " in finding.detail

    def test_it_needs_its_own_code_without_trust(self, tiny: TinyCheckpoints, measure: Measure, tmp_path: Path) -> None:
        source = source_with_code(tiny, tmp_path)
        _, finding = measure(tiny.export(tiny.source, "float32"), source)
        assert finding.verdict == "skipped"
        assert "could not be run: transformers cannot load it (ValueError: " in finding.detail
        assert "custom code" in finding.detail
        assert "\n" not in finding.detail
        assert not (source / "code_has_run").exists()

    def test_it_lacks_weights(self, tiny: TinyCheckpoints, measure: Measure, tmp_path: Path) -> None:
        source = changed_source(tiny, tmp_path, num_hidden_layers=3)
        _, finding = measure(tiny.export(tiny.source, "float32"), source)
        assert finding.verdict == "skipped"
        assert "its files lack weights, such as model.layers.2." in finding.detail

    def test_its_file_is_truncated(self, tiny: TinyCheckpoints, measure: Measure, tmp_path: Path) -> None:
        source = changed_source(tiny, tmp_path)
        weights = source / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1])
        _, finding = measure(tiny.export(tiny.source, "float32"), source)
        assert finding.verdict == "skipped"
        assert "model.safetensors is damaged" in finding.detail


def test_a_trusted_source_runs_its_own_code(
    tiny: TinyCheckpoints, measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hugging_face_home"))  # the code is copied there
    source = source_with_code(tiny, tmp_path)
    quality, _ = measure(tiny.export(tiny.source, "float32"), source, trust_remote_code=True)
    assert quality.agreement is not None
    assert quality.agreement > 0.99
    assert (source / "code_has_run").exists()


def test_an_export_that_cannot_be_loaded_is_an_error(tiny: TinyCheckpoints, measure: Measure, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny.export(tiny.source, "float32"), broken)
    (broken / "openvino_model.bin").write_bytes(b"")
    with pytest.raises(ChildError, match=r"^OpenVINO cannot load .*openvino_model\.xml") as caught:
        measure(broken, None)
    assert "\n" not in str(caught.value)
