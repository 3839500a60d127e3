"""A real export in the sample's recipe, from every side."""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.export.judgement import judge, require_quality
from bot.export.progress import ProgressLine
from bot.export.workspace import open_workspace
from bot.model.folder import open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.report import ExportReport, Quality
from tests.export.export_process import export
from tests.export.exported_home import Exported

SAMPLE_CHAT = Path(__file__).with_name("sample_chat.py")


def report_of(exported: Exported) -> ExportReport:
    report = open_model_folder(exported.home).report
    assert report is not None
    return report


def test_the_default_is_the_samples_recipe(exported: Exported) -> None:
    model = open_model_folder(exported.home)
    assert model.recipe == "int4 symmetric, group size 128, ratio 0.6"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-sample", exported.version)
    assert (model.version, model.path) == (exported.version, exported.model)
    assert (model.name, model.source, model.revision) == (exported.checkpoint.name, str(exported.checkpoint), None)
    ends = {exported.tokenizer.ids[text] for text in ("<|endoftext|>", "<|assistant|>", "<|end|>")}
    assert model.eos_token_ids == ends


def test_the_judge_checks_everything_and_finds_it_good(exported: Exported) -> None:
    report = report_of(exported)
    verdicts = {each.what: each.verdict for each in report.findings}
    # OpenVINO's converted tokenizer reads `<0x41>` in a text as a byte, which cannot be repaired.
    assert verdicts.pop("openvino_tokenizer.xml") == "noted"
    assert verdicts.pop("quality") == "noted", "random weights lose nearly everything"
    assert set(verdicts.values()) == {"good"}
    assert verdicts.keys() >= {
        "tokenizer.json",
        "transformers' tokenizer",
        "chat template",
        "stop tokens",
        "dynamic quantization",
        "engine paged",
        "engine genai",
        "engine optimum",
    }
    assert report.seconds > 1
    assert report.packages["optimum-intel"].startswith("2.1")


def test_the_judge_measures_quality_and_speed(exported: Exported) -> None:
    report = report_of(exported)
    assert report.quality is not None
    assert report.speed is not None
    assert report.quality.tokens > 500
    assert 0.1 < (report.quality.agreement or 0) < 1, "random weights lose much in four bits, but not everything"
    assert report.quality.source_perplexity == pytest.approx(report.quality.perplexity, rel=0.5)
    assert report.quality.precision == "f32"
    assert report.speed.engine.endswith("paged attention")
    assert report.speed.prompt_tokens_per_second > report.speed.answer_tokens_per_second > 1
    assert report.speed.peak_memory_bytes > 50_000_000


def test_the_admin_reads_plan_progress_and_result(exported: Exported) -> None:
    output = exported.done.err
    for line in (
        r"Memory: about 0\.9\d GB at the peak; free: .* GB",
        r"Disk: about .* MB \(.* MB 16-bit copy, .* MB result\); free: .* GB",
        r"Exporting: reading the model",
        r"Trying DYNAMIC_QUANTIZATION_GROUP_SIZE=128",
        r"dynamic quantization +ok +group size (32|64|128): ",
        r"Trying the engine paged",
        r"stop tokens +ok +\d+, \d+, \d+ end an answer",
        r"quality +note +.*perplexity .*; both computed in f32",
        r"speed +prefill \d+ tokens/s, decode .* tokens/s",
        rf"{exported.version} is the current version \(.*\)\. A running bot switches to it; --rollback switches back\.",
    ):
        assert re.search(f"^{line}", output, re.MULTILINE), line


def test_the_manifest_names_every_file_and_nothing_is_left_behind(exported: Exported) -> None:
    manifest = read_manifest(exported.model)
    assert manifest is not None
    assert wrong_files(exported.model, manifest) == []
    assert {*manifest.files, "manifest.json"} == {each.name for each in exported.model.iterdir()}
    assert [each.name for each in (exported.home / "versions").iterdir()] == [exported.version]


@pytest.mark.parametrize("which", ["home", pytest.param("model", marks=pytest.mark.long)])
def test_the_samples_code_runs_unchanged(exported: Exported, which: str) -> None:
    folder: Path = getattr(exported, which)
    done = subprocess.run(
        [sys.executable, str(SAMPLE_CHAT), str(folder)],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    prompt_ids, answer_ids, text = map(ast.literal_eval, done.stdout.splitlines())
    prompt = "<|system|>You are a helpful AI assistant.<|end|><|user|>Can you introduce OpenVINO?<|end|><|assistant|>"
    assert prompt_ids == exported.tokenizer.raw.encode(prompt, add_special_tokens=False).ids
    assert answer_ids[: len(prompt_ids)] == prompt_ids
    assert text.decode().startswith("You are a helpful AI assistant.")
    ended = answer_ids[-1] in {exported.tokenizer.ids[each] for each in ("<|endoftext|>", "<|assistant|>", "<|end|>")}
    assert ended or len(answer_ids) == len(prompt_ids) + 1024


def test_a_dry_run_only_prints_the_plan(exported: Exported, tmp_path: Path) -> None:
    done = export("--model", exported.checkpoint, "--output", tmp_path / "new", "--dry-run", "--recipe", "int8")
    assert done.code == 0
    assert (
        f"Plan: export {exported.checkpoint} with --task text-generation-with-past --weight-format int8\n" in done.err
    )
    assert done.last_line == "Nothing was done (--dry-run)."
    assert list(tmp_path.iterdir()) == []


def test_a_perplexity_above_the_limit_is_refused() -> None:
    quality = Quality(tokens=2, perplexity=20.0, source_perplexity=10.0)
    require_quality(quality, 3.0)
    require_quality(Quality(tokens=2, perplexity=20.0), 0.5)
    line = "the new model is refused, so the current version stays: its perplexity is 20.00, its source's 10.00; choose"
    with pytest.raises(ConfigurationError, match=line):
        require_quality(quality, 1.9)


@pytest.mark.long
def test_a_result_that_loses_too_much_is_refused(exported: Exported, tmp_path: Path) -> None:
    line = "the new model is refused, so the current version stays: its perplexity is "
    with open_workspace(tmp_path, pytest.fail) as workspace:
        shutil.copytree(exported.model, workspace.model, ignore=shutil.ignore_patterns("manifest.json"))
        with pytest.raises(ConfigurationError, match=line):
            judge(
                workspace,
                exported.checkpoint,
                ProgressLine(io.StringIO()),
                trust_remote_code=False,
                with_quality=True,
                perplexity_limit=0.5,
            )
