"""The command line of `python -m bot export`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bot.errors import ConfigurationError
from bot.export.housekeeping import KEPT
from bot.export.judgement import PERPLEXITY_LIMIT
from bot.export.pipeline import Order
from bot.export.recipe import PRESETS, SAMPLE, WEIGHT_FORMATS
from bot.model.folder import EXPORTED_MODEL

DEFAULT_OUTPUT = Path("./model/phi3-instruct/int4")
PREBUILT = "OpenVINO/Phi-3-mini-4k-instruct-int4-ov"
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


def read_options(arguments: Sequence[str], program: str = "python -m bot export") -> argparse.Namespace:
    """Read the command line; what stands after `--` goes to the exporter as it is."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    options = _parser(program).parse_args(arguments[:at])
    options.more = tuple(arguments[at + 1 :])
    return options


def order_of(options: argparse.Namespace) -> Order:
    """Turn the options into an order.

    Raises:
        ConfigurationError: they contradict each other.
    """
    parts = {name: getattr(options, name) for name in _RECIPE_PARTS}
    if options.prebuilt and (options.more or any(value is not None for value in parts.values())):
        raise ConfigurationError("--prebuilt takes the model as it is; leave out the recipe's flags or --prebuilt")
    if options.prebuilt and options.model:
        raise ConfigurationError(
            f"use either --model or --prebuilt; to fetch this repository: --prebuilt {options.model}"
        )
    return Order(
        model=options.prebuilt or options.model or EXPORTED_MODEL,
        home=options.output,
        revision=options.revision,
        recipe=PRESETS[options.recipe].changed(**parts, more=options.more or None),
        prebuilt=options.prebuilt is not None,
        trust_remote_code=options.trust_remote_code,
        dry_run=options.dry_run,
        switch=options.switch,
        with_quality=options.quality,
        perplexity_limit=options.perplexity_limit,
    )


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Export a model for the bot, judge it, and have the running bot switch to it.",
        epilog="Arguments after -- go to `optimum-cli export openvino` unchanged.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", metavar="ID_OR_FOLDER", help=f"what to export (default: {EXPORTED_MODEL})")
    parser.add_argument(
        "--output",
        type=Path,
        default=DEFAULT_OUTPUT,
        metavar="FOLDER",
        help="the folder in MODEL_DIR (default: %(default)s)",
    )
    parser.add_argument("--revision", help="branch, tag or commit on the hub (default: the main branch)")
    parser.add_argument(
        "--prebuilt",
        nargs="?",
        const=PREBUILT,
        metavar="ID",
        help=f"fetch an exported model; needs no torch (default: {PREBUILT})",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    parser.add_argument("--no-switch", dest="switch", action="store_false", help="keep the current version")
    parser.add_argument(
        "--no-quality", dest="quality", action="store_false", help="skip measuring how well it predicts text"
    )
    parser.add_argument(
        "--perplexity-limit",
        type=float,
        default=PERPLEXITY_LIMIT,
        metavar="TIMES",
        help="refuse a model with more than TIMES its source's perplexity (default: %(default)s)",
    )
    _add_recipe(parser)
    _add_housekeeping(parser)
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("recipe")
    presets = "; ".join(f"{name}: {' '.join(recipe.arguments[2:])}" for name, recipe in PRESETS.items())
    group.add_argument("--recipe", choices=PRESETS, default=SAMPLE.name, help=f"{presets} (default: %(default)s)")
    group.add_argument("--weight-format", choices=WEIGHT_FORMATS)
    group.add_argument("--group-size", type=int, help="weights that share a scale; -1 for a whole row")
    group.add_argument("--ratio", type=float, help="share of the layers in four bits, 0 to 1")
    flag = argparse.BooleanOptionalAction
    group.add_argument("--sym", dest="symmetric", action=flag, help="symmetric scales")
    group.add_argument("--awq", action=flag, help="activation-aware weight quantization")
    group.add_argument("--scale-estimation", action=flag, help="fit the scales to a data set")
    group.add_argument("--gptq", action=flag, help="correct layer by layer with a data set")
    group.add_argument("--all-layers", action=flag, help="embeddings and last layer in four bits too")
    group.add_argument("--dataset", help="auto (the model's own text), wikitext2, c4, c4-new or gsm8k")
    group.add_argument("--num-samples", type=int, help="samples of the data set")
    group.add_argument("--sensitivity-metric", help="how the ratio chooses layers")
    group.add_argument(
        "--backup-precision", choices=("int8_asym", "int8_sym", "none"), help="of the layers that the ratio leaves out"
    )
    group.add_argument("--group-size-fallback", choices=("error", "ignore", "adjust"))
    group.add_argument(
        "--trust-remote-code", action="store_true", help="run the model's own Python code; Phi-3 needs none"
    )


def _add_housekeeping(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("versions in --output").add_mutually_exclusive_group()
    group.add_argument("--list", action="store_true", help="list them")
    group.add_argument(
        "--rollback", nargs="?", const="", metavar="VERSION", help="switch to the previous version, or to VERSION"
    )
    group.add_argument(
        "--verify",
        nargs="?",
        const="",
        metavar="VERSION",
        help="compare all versions, or VERSION, with their manifests",
    )
    group.add_argument(
        "--prune",
        nargs="?",
        type=_at_least_one,
        const=KEPT,
        metavar="KEEP",
        help=f"remove old versions and downloaded checkpoints (default: keep {KEPT})",
    )


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of versions; keep at least 1")
    return int(text)
