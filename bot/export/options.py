"""The command line of `python -m bot export`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from bot.arguments import OneLineParser, folder, number, text, whole_number
from bot.errors import ConfigurationError
from bot.export.draft import model_to_draft_for
from bot.export.housekeeping import KEPT
from bot.export.judgement import PERPLEXITY_LIMIT
from bot.export.pipeline import Order
from bot.export.recipe import PRESETS, SAMPLE, WEIGHT_FORMATS
from bot.model.folder_errors import EXPORTED_MODEL
from bot.model.versions import POINTER_NAME, VERSIONS_NAME
from bot.own_command import own_command

DEFAULT_OUTPUT = Path("./model/phi3-instruct/int4")
DEFAULT_DRAFT_OUTPUT = Path("./model/phi3-draft")
PREBUILT = "OpenVINO/Phi-3-mini-4k-instruct-int4-ov"
PREBUILT_DRAFT = "OpenVINO/Phi-3-mini-FastDraft-50M-int8-ov"
_RECIPE_PARTS = (
    "weight_format",
    "symmetric",
    "group_size",
    "ratio",
    "awq",
    "scale_estimation",
    "gptq",
    "dataset",
    "num_samples",
    "sensitivity_metric",
    "backup_precision",
    "all_layers",
    "group_size_fallback",
)
_DATASETS = ("auto", "wikitext2", "c4", "c4-new", "gsm8k")
_SENSITIVITY_METRICS = (
    "weight_quantization_error",
    "hessian_input_activation",
    "mean_activation_variance",
    "max_activation_variance",
    "mean_activation_magnitude",
)
_FLAGS = {"symmetric": "--sym", "switch": "--no-switch", "quality": "--no-quality", "more": "--"}
_RECIPE_FLAGS = (
    "--recipe",
    "--",
    *("--sym" if each == "symmetric" else f"--{each.replace('_', '-')}" for each in _RECIPE_PARTS),
)
_EXPORT_FLAGS = (
    *("--model", "--revision", "--prebuilt", "--prebuilt-draft", "--draft-for", "--dry-run", "--no-switch"),
    *("--no-quality", "--perplexity-limit", "--trust-remote-code", *_RECIPE_FLAGS),
)
_IGNORED = {
    **dict.fromkeys(("--list", "--rollback", "--verify", "--prune"), (_EXPORT_FLAGS, "exports nothing")),
    "--prebuilt-draft": (
        ("--model", "--prebuilt", "--no-quality", "--perplexity-limit", "--trust-remote-code", *_RECIPE_FLAGS),
        "fetches a draft model as it is, and only measures how it drafts",
    ),
    "--prebuilt": (
        ("--perplexity-limit", "--trust-remote-code", *_RECIPE_FLAGS),
        "takes a model as it is, without a recipe, a source or code",
    ),
    "--no-quality": (("--perplexity-limit",), "measures no perplexity"),
}
"""By flag: those that have no effect beside it, and why."""


def read_options(arguments: Sequence[str], program: str | None = None) -> argparse.Namespace:
    """Read the command line; what stands after `--` goes to the exporter as it is.

    Args:
        arguments: without the program's name.
        program: how the help calls it; None: as it was started.
    """
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = _parser(program or own_command("export"))
    options = parser.parse_args(arguments[:at])
    options.more = tuple(arguments[at + 1 :])
    defaults = {name: parser.get_default(name) for name in vars(options) if name != "more"}
    options.given = [_flag(name) for name, value in vars(options).items() if value != defaults.get(name, ())]
    options.output = options.output or (DEFAULT_DRAFT_OUTPUT if options.prebuilt_draft else DEFAULT_OUTPUT)
    return options


def order_of(options: argparse.Namespace) -> Order:
    """Turn the options into an order.

    Raises:
        ConfigurationError: they contradict each other.
    """
    parts = {name: getattr(options, name) for name in _RECIPE_PARTS}
    _refuse_contradictions(options.given)
    if options.prebuilt and options.model:
        raise ConfigurationError(
            f"use either --model or --prebuilt; to fetch this repository: --prebuilt {options.model}"
        )
    if options.draft_for and not options.prebuilt_draft:
        raise ConfigurationError("--draft-for is for --prebuilt-draft only; leave it out, or add --prebuilt-draft")
    _require_folder(options.output, written=not options.list and options.verify is None)
    draft_for = options.draft_for or DEFAULT_OUTPUT
    return Order(
        model=options.prebuilt or options.prebuilt_draft or options.model or EXPORTED_MODEL,
        home=options.output,
        revision=options.revision,
        recipe=PRESETS[options.recipe or SAMPLE.name].changed(**parts, more=options.more or None),
        prebuilt=bool(options.prebuilt or options.prebuilt_draft),
        draft_for=model_to_draft_for(draft_for, options.output) if options.prebuilt_draft else None,
        trust_remote_code=options.trust_remote_code,
        dry_run=options.dry_run,
        switch=options.switch,
        with_quality=options.quality,
        perplexity_limit=options.perplexity_limit or PERPLEXITY_LIMIT,
    )


def _flag(name: str) -> str:
    """The flag that changes an option from its default."""
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def _refuse_contradictions(given: Sequence[str]) -> None:
    """Refuse a flag that would be ignored beside another one."""
    for first, (ignored, why) in _IGNORED.items():
        others = [flag for flag in given if flag in ignored]
        if first in given and others:
            raise ConfigurationError(f"{first} {why}; leave out {' and '.join(others)}, or {first}")


def _require_folder(path: Path, *, written: bool) -> None:
    """Refuse what cannot become the folder with versions, before anything is asked of the network."""
    around = (path.resolve(), *path.resolve().parents)
    if written and (versions := next((each for each in around if _holds_versions(each)), None)):
        raise ConfigurationError(
            f"--output {path} is inside {versions}, where --prune removes old versions; choose a folder outside it"
        )
    there = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not there.is_dir():
        raise ConfigurationError(f"--output {path}: {there} is a file; name a folder")
    if written and not os.access(there, os.W_OK):
        raise ConfigurationError(
            f"--output {path}: {there} may not be written; choose another, or correct its permissions"
        )


def _holds_versions(folder: Path) -> bool:
    return folder.name == VERSIONS_NAME and (folder.parent / POINTER_NAME).exists()


def _parser(program: str) -> argparse.ArgumentParser:
    parser = OneLineParser(
        prog=program,
        description="Export a model for the bot, judge it, and have the running bot switch to it.",
        epilog="Arguments after -- go to `optimum-cli export openvino` unchanged.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", type=text, metavar="ID_OR_FOLDER", help=f"what to export (default: {EXPORTED_MODEL})"
    )
    parser.add_argument(
        "--output",
        type=folder,
        metavar="FOLDER",
        help=f"the folder with the versions, which MODEL_DIR names (default: {DEFAULT_OUTPUT}), or DRAFT_MODEL_DIR "
        f"(default: {DEFAULT_DRAFT_OUTPUT})",
    )
    parser.add_argument("--revision", type=text, help="branch, tag or commit on the hub (default: the main branch)")
    _add_prebuilt(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument("--no-switch", dest="switch", action="store_false", help="keep the current version")
    parser.add_argument(
        "--no-quality",
        dest="quality",
        action="store_false",
        help="skip measuring how well it predicts text, and which group size of dynamic quantization is fastest",
    )
    parser.add_argument(
        "--perplexity-limit",
        type=number(1),
        metavar="TIMES",
        help=f"refuse a model with more than TIMES its source's perplexity (default: {PERPLEXITY_LIMIT:g})",
    )
    _add_recipe(parser)
    _add_housekeeping(parser)
    return parser


def _add_prebuilt(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--prebuilt",
        nargs="?",
        const=PREBUILT,
        type=text,
        metavar="ID",
        help=f"fetch an exported model; needs no torch (default: {PREBUILT})",
    )
    parser.add_argument(
        "--prebuilt-draft",
        nargs="?",
        const=PREBUILT_DRAFT,
        type=text,
        metavar="ID",
        help=f"fetch an exported draft model, which speeds a model up (default: {PREBUILT_DRAFT})",
    )
    parser.add_argument(
        "--draft-for",
        type=folder,
        metavar="FOLDER",
        help=f"the model that the draft model is for, as MODEL_DIR names it (default: {DEFAULT_OUTPUT})",
    )


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    presets = "; ".join(f"{name}: {' '.join(recipe.arguments[2:])}" for name, recipe in PRESETS.items())
    group.add_argument("--recipe", choices=PRESETS, help=f"{presets} (default: {SAMPLE.name})")
    group.add_argument("--weight-format", choices=WEIGHT_FORMATS, help="number format of most weights")
    group.add_argument(
        "--group-size", type=whole_number(-1), metavar="WEIGHTS", help="weights that share a scale; -1 for a whole row"
    )
    group.add_argument("--ratio", type=number(0, 1), metavar="SHARE", help="share of the layers in four bits, 0 to 1")
    flag = argparse.BooleanOptionalAction
    group.add_argument("--sym", dest="symmetric", action=flag, help="symmetric scales")
    group.add_argument("--awq", action=flag, help="activation-aware weight quantization")
    group.add_argument("--scale-estimation", action=flag, help="fit the scales to a data set")
    group.add_argument("--gptq", action=flag, help="correct layer by layer with a data set")
    group.add_argument("--all-layers", action=flag, help="embeddings and last layer in four bits too")
    group.add_argument("--dataset", choices=_DATASETS, help="auto is the model's own text; the others are downloaded")
    group.add_argument("--num-samples", type=whole_number(1), metavar="COUNT", help="samples of the data set")
    group.add_argument(
        "--sensitivity-metric",
        choices=_SENSITIVITY_METRICS,
        metavar="METRIC",
        help=f"how the ratio chooses layers: {', '.join(_SENSITIVITY_METRICS)}",
    )
    group.add_argument(
        "--backup-precision", choices=("int8_asym", "int8_sym", "none"), help="of the layers that the ratio leaves out"
    )
    group.add_argument(
        "--group-size-fallback",
        choices=("error", "ignore", "adjust"),
        help="what to do with a layer that the group size does not divide",
    )
    group.add_argument(
        "--trust-remote-code", action="store_true", help="run the model's own Python code; Phi-3 needs none"
    )


def _add_housekeeping(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("versions in --output").add_mutually_exclusive_group()
    group.add_argument("--list", action="store_true", help="list them")
    group.add_argument(
        "--rollback",
        nargs="?",
        type=text,
        const=True,
        metavar="VERSION",
        help="switch to the previous version, or to VERSION",
    )
    group.add_argument(
        "--verify",
        nargs="?",
        type=text,
        const=True,
        metavar="VERSION",
        help="compare all versions, or VERSION, with their manifests",
    )
    group.add_argument(
        "--prune",
        nargs="?",
        type=whole_number(1),
        const=KEPT,
        metavar="KEEP",
        help=f"remove old versions and downloaded checkpoints (default: keep {KEPT})",
    )
