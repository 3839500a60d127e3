"""A draft model, fetched from a hub on this machine as an admin does it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.errors import ConfigurationError
from bot.export.housekeeping import roll_back, verify_versions
from bot.export.options import PREBUILT_DRAFT, order_of, read_options
from bot.export.pipeline import make_version
from bot.export.progress import ProgressLine
from bot.model.folder import open_model_folder
from bot.model.versions import ModelVersions
from tests.export.export_process import export
from tests.export.exported_home import Exported
from tests.export.hub_downloads import asked
from tests.export.hub_server import HubServer
from tests.export.hub_storage import Fault

NAME = PREBUILT_DRAFT
WEIGHTS = "openvino_model.bin"

Files = dict[str, bytes]


def publish(hub: HubServer, exported: Exported, change: Callable[[Files], object] = lambda _: None) -> str:
    """Publish the exported model as its own draft model, after a change of its files; return the commit."""
    files = {each.name: each.read_bytes() for each in exported.model.iterdir()}
    change(files)
    return hub.publish(NAME, files)


def without(*names: str) -> Callable[[Files], object]:
    return lambda files: [files.pop(name) for name in names]


def swap_ids(files: Files) -> None:
    definition = json.loads(files["tokenizer.json"])
    vocabulary = definition["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    files["tokenizer.json"] = json.dumps(definition).encode()


def empty_tokenizer(files: Files) -> None:
    files["tokenizer.json"] = b"{}"


def fetch(model: Path, draft: Path, *more: str) -> str:
    """Fetch the draft model in this process, and return what the admin reads."""
    stream = io.StringIO()
    arguments = ["--prebuilt-draft", "--output", str(draft), "--draft-for", str(model), *more]
    make_version(order_of(read_options(arguments)), ProgressLine(stream))
    return stream.getvalue()


def refused(model: Path, draft: Path) -> str:
    with pytest.raises(ConfigurationError) as raised:
        fetch(model, draft)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_it_is_fetched_tried_and_current(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    commit = publish(hub, exported)
    hub.fail(WEIGHTS, Fault(after=100_000, resets=True))
    model, home = exported.copy(tmp_path / "int4"), tmp_path / "draft"
    before = model.pointer
    title = open_model_folder(model.home).title
    done = export("--prebuilt-draft", "--output", home, "--draft-for", model.home)
    assert done.code == 0, done.err
    assert f"Plan: fetch {NAME} as a draft model for {title}\n" in done.err
    assert len(asked(hub, WEIGHTS)) == 2, "the broken connection is resumed"
    draft = open_model_folder(home)
    assert draft.version is not None
    *_, current, setting = done.err.splitlines()
    assert re.fullmatch(
        rf"{draft.version} is the current version \(.*\)\. To draft with it, set this in \.env and restart the bot:",
        current,
    )
    assert setting == f"DRAFT_MODEL_DIR={home}"
    assert (draft.version[-6:], draft.source, draft.revision) == ("-draft", NAME, commit)
    assert draft.report is not None
    same_ids, drafts = draft.report.findings
    assert (same_ids.verdict, same_ids.detail) == ("good", f"every id is the same as in {title}")
    assert (drafts.what.split()[:2], drafts.verdict) == (["engine", "openvino"], "good")
    found = re.fullmatch(rf"drafts for {re.escape(title)}: (\d+)% of 64 next tokens are right", drafts.detail)
    assert found is not None, drafts.detail
    assert int(found[1]) > 80, "it is its own draft model, but for rounding"
    assert (model.pointer, model.names) == (before, [exported.version])
    assert not (home / "sources").exists(), "the version holds its files"
    assert verify_versions(home, None, ProgressLine(io.StringIO()))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (swap_ids, r"its tokenizer differs: the id \d+ is 'a' in the model and 'b' in the draft model; choose a draft"),
        (without("tokenizer.json"), "cannot be a draft model: it has no tokenizer.json; choose one that"),
        (without("tokenizer.json", "config.json"), "it has no config.json and no tokenizer.json; choose one that"),
        (empty_tokenizer, "cannot be a draft model: tokenizer.json has no usable vocabulary; choose another"),
        (without("openvino_model.xml"), r"is not exported for OpenVINO \(it has no openvino_model.xml\)"),
    ],
)
def test_one_that_cannot_draft_is_refused_before_its_weights_are_fetched(
    hub: HubServer, exported: Exported, tmp_path: Path, change: Callable[[Files], object], line: str
) -> None:
    publish(hub, exported, change)
    assert re.search(line, refused(exported.home, tmp_path / "draft"))
    assert asked(hub, WEIGHTS) == []
    assert not (tmp_path / "draft").exists()


def test_one_that_the_engine_cannot_run_is_refused(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    def break_graph(files: Files) -> None:
        graph = files["openvino_model.xml"]
        files["openvino_model.xml"] = re.sub(rb'type="ScaledDotProductAttention"', b'type="Relu"', graph)

    publish(hub, exported, break_graph)
    home = tmp_path / "draft"
    line = refused(exported.home, home)
    assert line.startswith("the draft model is refused, so the current version stays: it does not run: ")
    assert (ModelVersions(home).names, ModelVersions(home).pointer) == ([], None)


def test_a_dry_run_compares_the_tokenizers_and_fetches_nothing(
    hub: HubServer, exported: Exported, tmp_path: Path
) -> None:
    publish(hub, exported)
    said = fetch(exported.home, tmp_path / "draft", "--dry-run")
    assert said.endswith("Nothing was done (--dry-run).\n")
    assert [request.file for request in hub.requests] == ["tokenizer.json"]
    assert not (tmp_path / "draft").exists()


def test_without_a_model_there_is_nothing_to_draft_for(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    publish(hub, exported)
    missing = tmp_path / "int4"
    line = refused(missing, tmp_path / "draft")
    assert line.startswith(f"there is no model in {missing} to draft for; name its folder with --draft-for, or fetch")
    assert f" -m bot export --prebuilt --output {missing}`" in line
    assert hub.questions == 0


def test_it_never_takes_the_place_of_a_model(hub: HubServer, exported: Exported, tmp_path: Path) -> None:
    publish(hub, exported)
    versions = exported.copy(tmp_path / "other")
    by_hand = tmp_path / "by_hand"
    by_hand.mkdir()
    (by_hand / "openvino_model.xml").touch()
    for home in (exported.home, versions.home, by_hand):
        line = f"--output {home} is the folder of a model; choose another for the draft model"
        assert refused(exported.home, home) == line
    assert hub.questions == 0


@pytest.mark.parametrize("place", ["draft", "", "2026-11-28-101500-sample/draft"])
def test_it_never_goes_among_a_models_versions(hub: HubServer, exported: Exported, tmp_path: Path, place: str) -> None:
    """A folder there counts as a version of the model, and `--prune` removes it."""
    versions = exported.copy(tmp_path / "int4")
    among = versions.home / "versions"
    line = f"--output {among / place} is inside {among}, where --prune removes old versions; choose a folder outside it"
    assert refused(versions.home, among / place) == line
    assert hub.questions == 0


def test_a_rollback_says_when_the_bot_follows(exported: Exported, tmp_path: Path) -> None:
    older, newer = "2999-01-01-000000-draft", "2999-01-02-000000-draft"
    versions: ModelVersions = exported.copy(tmp_path / "draft", older, newer)
    stream = io.StringIO()
    roll_back(versions.home, None, ProgressLine(stream))
    assert stream.getvalue().endswith(
        f"{older} is the current version. A running bot drafts with it after a restart.\n"
    )
