"""A real export in the sample's recipe, looked at from every side."""

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
from bot.export.judgement import judge
from bot.export.progress import ProgressLine
from bot.export.workspace import open_workspace
from bot.model.folder import open_model_folder
from bot.model.manifest import read_manifest, wrong_files
from bot.model.report import ExportReport
from bot.model.versions import ModelVersions
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


def test_everything_was_looked_at_and_found_good(exported: Exported) -> None:
    report = report_of(exported)
    verdicts = {each.what: each.verdict for each in report.findings}
    # OpenVINO's converted tokenizer reads `<0x41>` in a text as a byte, which nothing can mend.
    assert verdicts.pop("openvino_tokenizer.xml") == "noted"
    assert verdicts.pop("quality") == "noted", "random weights lose nearly everything"
    assert set(verdicts.values()) == {"good"}
    assert verdicts.keys() >= {
        "tokenizer.json",
        "transformers' tokenizer",
        "chat template",
        "stop tokens",
        "engine paged",
        "engine genai",
        "engine optimum",
    }
    assert report.seconds > 1
    assert report.packages["optimum-intel"].startswith("2.1")


def test_quality_and_speed_were_measured(exported: Exported) -> None:
    report = report_of(exported)
    assert report.quality is not None
    assert report.speed is not None
    assert report.quality.tokens > 500
    assert 0.1 < (report.quality.agreement or 0) < 1, "random weights lose much in four bits, but not everything"
    assert report.quality.source_perplexity == pytest.approx(report.quality.perplexity, rel=0.5)
    assert report.speed.engine.endswith("paged attention")
    assert report.speed.prompt_tokens_per_second > report.speed.answer_tokens_per_second > 1
    assert report.speed.peak_memory_bytes > 50_000_000


def test_the_admin_reads_what_it_takes_how_far_it_is_and_what_came_of_it(exported: Exported) -> None:
    told = exported.done.err
    for line in (
        r"Memory: about 0\.9\d GB at the peak; free: .* GB",
        r"Disk: about .* MB \(.* MB 16-bit copy, .* MB result\); free: .* GB",
        r"Exporting: reading the model",
        r"Trying the engine paged",
        r"stop tokens +ok +\d+, \d+, \d+ end an answer",
        r"quality +note +.*perplexity",
        r"speed +reads \d+ and writes .* tokens/s",
        rf"{exported.version} answers from now on \(.*\)\. A running bot takes it up by itself; --rollback goes back\.",
    ):
        assert re.search(f"^{line}", told, re.MULTILINE), line


def test_the_manifest_names_every_file_and_nothing_is_left_behind(exported: Exported) -> None:
    manifest = read_manifest(exported.model)
    assert manifest is not None
    assert wrong_files(exported.model, manifest) == []
    assert {*manifest.files, "manifest.json"} == {each.name for each in exported.model.iterdir()}
    assert [each.name for each in (exported.home / "versions").iterdir()] == [exported.version]


@pytest.mark.parametrize("which", ["home", "model"])
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


def test_a_dry_run_tells_and_does_nothing(exported: Exported, tmp_path: Path) -> None:
    done = export("--model", exported.checkpoint, "--output", tmp_path / "new", "--dry-run", "--recipe", "int8")
    assert done.code == 0
    assert "is exported: --task text-generation-with-past --weight-format int8\n" in done.err
    assert done.last_line == "Nothing was done (--dry-run)."
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_does_not_answer_yet(exported: Exported, tmp_path: Path) -> None:
    versions = exported.copy(tmp_path / "home")
    before = versions.pointer
    done = export(
        *("--model", exported.checkpoint, "--output", versions.home, "--recipe", "fp16", "--no-switch", "--no-quality"),
        TMPDIR=str(tmp_path),
    )
    assert done.code == 0, done.err
    _, new = versions.names
    assert done.last_line.startswith(f"{new} is ready (")
    assert versions.pointer == before
    model = open_model_folder(versions.folder(new))
    assert (model.weight_format, model.recipe) == ("fp16", "fp16, uncompressed")
    assert model.report is not None
    assert model.report.quality is None
    assert export("--output", versions.home, "--rollback", new).code == 0
    assert open_model_folder(versions.home).version == new
    assert ModelVersions(versions.home).previous == exported.version


def test_a_result_that_loses_too_much_is_refused(exported: Exported, tmp_path: Path) -> None:
    line = "the new model was refused, and nothing was switched: its perplexity is "
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
