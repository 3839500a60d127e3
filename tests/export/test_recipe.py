"""Recipes: the exporter's arguments, refused combinations, and sizes."""

from __future__ import annotations

import pytest

from bot.errors import ConfigurationError
from bot.export.options import order_of, read_options
from bot.export.recipe import PRESETS, SAMPLE, Recipe

SAMPLES_ARGUMENTS = "--task text-generation-with-past --weight-format int4 --group-size 128 --ratio 0.6 --sym"
PHI3_PARAMETERS, PHI3_EMBEDDING = 3_821_079_552, 2 * 32064 * 3072
PHI3_SAMPLE_BYTES = 2_772_549_977
"""Measured: the openvino_model.bin of a full-size Phi-3-mini in the sample's recipe."""


def recipe(*arguments: str) -> Recipe:
    return order_of(read_options(arguments)).recipe


def test_the_default_is_the_samples_recipe() -> None:
    order = order_of(read_options([]))
    assert order.model == "microsoft/Phi-3-mini-4k-instruct"
    assert order.home.as_posix() == "model/phi3-instruct/int4"
    assert " ".join(order.recipe.arguments) == SAMPLES_ARGUMENTS
    assert (order.prebuilt, order.trust_remote_code, order.switch, order.with_quality) == (False, False, True, True)


@pytest.mark.parametrize("name", ["sample", "balanced", "small", "npu", "int8", "fp16"])
def test_presets_are_taken_by_name(name: str) -> None:
    assert recipe("--recipe", name) == PRESETS[name]
    PRESETS[name].check()


def test_the_npu_gets_what_its_plugin_asks_for() -> None:
    assert " ".join(recipe("--recipe", "npu").arguments).endswith("--group-size -1 --ratio 1.0 --sym")


def test_each_part_by_hand() -> None:
    changed = recipe(
        *("--group-size", "64", "--ratio", "0.9", "--no-sym", "--awq", "--scale-estimation", "--gptq"),
        *("--dataset", "auto", "--num-samples", "8", "--sensitivity-metric", "max_activation_variance"),
        *("--backup-precision", "int8_sym", "--all-layers", "--group-size-fallback", "adjust"),
        *("--", "--lora-correction"),
    )
    assert changed.name == "sample-changed"
    assert changed.arguments == [
        *("--task", "text-generation-with-past", "--weight-format", "int4", "--group-size", "64", "--ratio", "0.9"),
        *("--dataset", "auto", "--num-samples", "8", "--sensitivity-metric", "max_activation_variance"),
        *("--backup-precision", "int8_sym", "--group-size-fallback", "adjust"),
        *("--awq", "--scale-estimation", "--gptq", "--all-layers", "--lora-correction"),
    ]


def test_parts_that_change_nothing_keep_the_name() -> None:
    assert recipe("--group-size", "128", "--sym") is SAMPLE


def test_another_weight_format_leaves_the_presets_groups() -> None:
    assert recipe("--weight-format", "int8").arguments == PRESETS["int8"].arguments
    assert recipe("--weight-format", "nf4", "--group-size", "64").arguments[-2:] == ["--group-size", "64"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--weight-format", "fp16", "--awq"], "--awq applies to four-bit weights, not to fp16"),
        (["--recipe", "int8", "--ratio", "0.5"], "--ratio applies to four-bit weights, not to int8"),
        (["--gptq"], "--gptq needs a data set; add --dataset auto"),
        (["--group-size", "0"], "--group-size 0 is neither -1 nor a positive number"),
        (["--group-size", "3"], "--group-size 3 divides few .* or add --group-size-fallback adjust"),
        (["--num-samples", "8"], "--num-samples counts samples of a data set; add --dataset auto"),
        (["--recipe", "int8", "--group-size-fallback", "adjust"], "--group-size-fallback applies to four-bit weights"),
        (
            ["--prebuilt", "--recipe", "small"],
            "--prebuilt takes a model .*; leave out --recipe, or --prebuilt",
        ),
        (["--prebuilt", "--no-sym", "--trust-remote-code"], "leave out --sym and --trust-remote-code, or --prebuilt"),
        (["--prebuilt", "--", "--x"], "--prebuilt takes a model .*; leave out --, or --prebuilt"),
        (["--prebuilt", "--perplexity-limit", "2"], "leave out --perplexity-limit, or --prebuilt"),
        (
            ["--prebuilt-draft", "--prebuilt", "--recipe", "int8"],
            "--prebuilt-draft fetches a draft model .*; leave out --prebuilt and --recipe, or --prebuilt-draft",
        ),
        (["--prebuilt-draft", "--model", "a/b"], "leave out --model, or --prebuilt-draft"),
        (["--prebuilt-draft", "--no-quality"], "leave out --no-quality, or --prebuilt-draft"),
        (["--draft-for", "x"], "--draft-for is for --prebuilt-draft only; leave it out, or add --prebuilt-draft"),
        (["--prebuilt", "--draft-for", "x"], "--draft-for is for --prebuilt-draft only"),
        (["--prune", "--prebuilt-draft"], "--prune exports nothing; leave out --prebuilt-draft, or --prune"),
        (["--no-quality", "--perplexity-limit", "2"], "--no-quality measures no perplexity"),
        (["--list", "--recipe", "small"], "--list exports nothing; leave out --recipe, or --list"),
        (["--rollback", "--no-switch"], "--rollback exports nothing; leave out --no-switch, or --rollback"),
        (["--verify", "x", "--model", "a/b", "--dry-run"], "--verify exports nothing; leave out --model and --dry-run"),
        (["--output", __file__], f"--output {__file__}: {__file__} is a file; name a folder"),
        (["--output", f"{__file__}/x"], f"--output {__file__}/x: {__file__} is a file; name a folder"),
    ],
)
def test_contradictory_parts_are_refused(arguments: list[str], line: str) -> None:
    with pytest.raises(ConfigurationError, match=line):
        recipe(*arguments)


def test_a_group_size_that_the_model_cannot_have_is_refused_before_a_download() -> None:
    with pytest.raises(ConfigurationError, match=r"--group-size 128 does not divide .* width of 576; .*adjust"):
        SAMPLE.check_width(576)
    for fits in (SAMPLE.changed(group_size=64), SAMPLE.changed(group_size_fallback="adjust"), PRESETS["npu"]):
        fits.check_width(576)
    SAMPLE.check_width(None)


def test_an_odd_group_size_may_have_a_fallback() -> None:
    assert recipe("--group-size", "48", "--group-size-fallback", "adjust").group_size == 48


def test_a_result_is_estimated() -> None:
    def size(recipe: Recipe) -> int:
        return recipe.result_bytes(PHI3_PARAMETERS, PHI3_EMBEDDING)

    assert size(SAMPLE) == pytest.approx(PHI3_SAMPLE_BYTES, rel=0.01)
    assert size(PRESETS["fp16"]) == 2 * PHI3_PARAMETERS
    assert size(PRESETS["int8"]) == PHI3_PARAMETERS
    sizes = [size(PRESETS[name]) for name in ("npu", "small", "balanced", "sample", "int8", "fp16")]
    assert sizes == sorted(set(sizes))
