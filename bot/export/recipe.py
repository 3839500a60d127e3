"""How an export compresses weights: presets, and flags that change single parts of one.

The terms are those of `optimum-cli export openvino` (https://huggingface.co/docs/optimum-intel/openvino/export), which
does the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bot.errors import ConfigurationError

TASK = "text-generation-with-past"
WEIGHT_FORMATS = ("int4", "int8", "fp16", "fp32", "nf4", "mxfp4", "cb4")

_FOUR_BITS = ("int4", "nf4", "mxfp4", "cb4")
_BITS = {"int8": 8, "fp16": 16, "fp32": 32}
_SCALE_BITS = 16
_MXFP4_GROUP = 32


@dataclass(frozen=True, slots=True)
class Recipe:
    """Arguments for the exporter. None leaves a part to it.

    Attributes:
        name: the preset's; with `-changed` where flags changed it.
        weight_format: of most weights.
        symmetric: scales without zero points.
        group_size: weights that share a scale; -1 for a whole row.
        ratio: share of the layers in four bits, 0 to 1; the others get `backup_precision`.
        awq: protect the weights that matter most (activation-aware weight quantization).
        scale_estimation: fit the scales to a data set's activations.
        gptq: correct layer by layer with a data set.
        dataset: for the three above and for the ratio: `auto` (the model's own text), `wikitext2`, `c4`…
        num_samples: of the data set.
        sensitivity_metric: how the ratio chooses layers.
        backup_precision: `int8_asym`, `int8_sym` or `none` for the layers that the ratio leaves out.
        all_layers: embeddings and the last layer in four bits too.
        group_size_fallback: for layers that the group size does not divide: `error`, `ignore` or `adjust`.
        more: further arguments for the exporter, unchanged.
    """

    name: str
    weight_format: str
    symmetric: bool = False
    group_size: int | None = None
    ratio: float | None = None
    awq: bool = False
    scale_estimation: bool = False
    gptq: bool = False
    dataset: str | None = None
    num_samples: int | None = None
    sensitivity_metric: str | None = None
    backup_precision: str | None = None
    all_layers: bool = False
    group_size_fallback: str | None = None
    more: tuple[str, ...] = ()

    def changed(self, **parts: Any) -> Recipe:
        """Return the recipe with every part that is not None replaced, or itself if nothing changes.

        Raises:
            ConfigurationError: the parts contradict each other.
        """
        given = {name: value for name, value in parts.items() if value is not None and value != getattr(self, name)}
        if not given:
            return self
        base = self if given.get("weight_format", self.weight_format) == self.weight_format else _bare(self)
        changed = replace(base, name=f"{self.name}-changed", **given)
        changed.check()
        return changed

    def check(self) -> None:
        """Refuse what the exporter would silently ignore, or reject minutes later.

        Raises:
            ConfigurationError: the parts contradict each other.
        """
        four_bits_only = {
            "--group-size": self.group_size is not None,
            "--ratio": self.ratio is not None,
            "--awq": self.awq,
            "--scale-estimation": self.scale_estimation,
            "--gptq": self.gptq,
            "--backup-precision": self.backup_precision is not None,
            "--all-layers": self.all_layers,
            "--sensitivity-metric": self.sensitivity_metric is not None,
            "--group-size-fallback": self.group_size_fallback is not None,
        }
        given = [name for name, is_given in four_bits_only.items() if is_given]
        if given and self.weight_format not in _FOUR_BITS:
            raise ConfigurationError(
                f"{given[0]} applies to four-bit weights, not to {self.weight_format}; leave it out or choose "
                f"--weight-format {', '.join(_FOUR_BITS)}"
            )
        if self.ratio is not None and not 0 <= self.ratio <= 1:
            raise ConfigurationError(f"--ratio {self.ratio:g} is not between 0 and 1")
        if self.group_size is not None and self.group_size != -1 and self.group_size < 1:
            raise ConfigurationError(f"--group-size {self.group_size} is neither -1 nor a positive number")
        if self.group_size is not None and not _is_usual(self.group_size) and not self._has_fallback:
            raise ConfigurationError(
                f"--group-size {self.group_size} divides few models' layers; choose 32, 64 or 128, or add "
                "--group-size-fallback adjust"
            )
        if self.num_samples is not None and self.dataset is None:
            raise ConfigurationError("--num-samples counts samples of a data set; add --dataset auto, or leave it out")
        if (self.scale_estimation or self.gptq) and self.dataset is None:
            name = "--scale-estimation" if self.scale_estimation else "--gptq"
            raise ConfigurationError(
                f"{name} needs a data set; add --dataset auto (no download) or --dataset wikitext2"
            )

    def check_width(self, width: int | None) -> None:
        """Refuse a group size that the model's layers cannot have, before its weights are downloaded.

        Args:
            width: of the model's layers; None if its configuration does not say it.

        Raises:
            ConfigurationError: the group size does not divide it.
        """
        if self.group_size is None or self.group_size == -1 or width is None or self._has_fallback:
            return
        if width % self.group_size:
            raise ConfigurationError(
                f"--group-size {self.group_size} does not divide this model's width of {width}; choose a smaller one, "
                "such as 64 or 32, or add --group-size-fallback adjust"
            )

    @property
    def _has_fallback(self) -> bool:
        return self.group_size_fallback in ("ignore", "adjust")

    @property
    def arguments(self) -> list[str]:
        """The exporter's arguments, without model and output folder."""
        values: dict[str, object] = {
            "--task": TASK,
            "--weight-format": self.weight_format,
            "--group-size": self.group_size,
            "--ratio": self.ratio,
            "--dataset": self.dataset,
            "--num-samples": self.num_samples,
            "--sensitivity-metric": self.sensitivity_metric,
            "--backup-precision": self.backup_precision,
            "--group-size-fallback": self.group_size_fallback,
        }
        switches = {
            "--sym": self.symmetric,
            "--awq": self.awq,
            "--scale-estimation": self.scale_estimation,
            "--gptq": self.gptq,
            "--all-layers": self.all_layers,
        }
        arguments = [part for name, value in values.items() if value is not None for part in (name, str(value))]
        return [*arguments, *(name for name, is_on in switches.items() if is_on), *self.more]

    @property
    def is_compressed(self) -> bool:
        """Whether the exporter writes a 16-bit copy first and compresses that."""
        return self.weight_format not in ("fp16", "fp32")

    @property
    def needs_dataset_download(self) -> bool:
        """Whether the exporter downloads a data set from the hub."""
        return self.dataset is not None and self.dataset != "auto"

    def result_bytes(self, parameters: int, embedding_parameters: int) -> int:
        """Estimate the size of the weights file in bytes; within 1 % for Phi-3-mini in the sample's recipe.

        Args:
            parameters: of the whole model.
            embedding_parameters: of the embedding and the last layer, which stay in eight bits.
        """
        if self.weight_format in _BITS:
            return parameters * _BITS[self.weight_format] // 8
        group = _MXFP4_GROUP if self.weight_format == "mxfp4" else self.group_size or 128
        scale_bits = 0.0 if group == -1 else (_SCALE_BITS + (0 if self.symmetric else 4)) / group
        ratio = 1.0 if self.ratio is None else self.ratio
        backup_bits = 16 if self.backup_precision == "none" else 8
        body = parameters - embedding_parameters
        bits = body * (ratio * (4 + scale_bits) + (1 - ratio) * backup_bits)
        return int(bits + embedding_parameters * (4 + scale_bits if self.all_layers else 8)) // 8


SAMPLE = Recipe("sample", "int4", symmetric=True, group_size=128, ratio=0.6)

PRESETS = {
    recipe.name: recipe
    for recipe in (
        SAMPLE,
        Recipe("balanced", "int4", symmetric=True, group_size=64, ratio=0.8, awq=True),
        Recipe("small", "int4", symmetric=True, group_size=128, ratio=1.0, awq=True),
        Recipe("npu", "int4", symmetric=True, group_size=-1, ratio=1.0),
        Recipe("int8", "int8"),
        Recipe("fp16", "fp16"),
    )
}
"""`sample` is the Phi-3 cookbook's recipe; `npu` is what OpenVINO's NPU plugin asks for.

`balanced` and `small` come from what SmolLM2-135M lost on 4,000 tokens, in groups of 64: AWQ raised the agreement with
the source by four points, and zero points did not lower the perplexity. Agreement was 75 % at ratio 0.8 (perplexity
1.17 times the source's), 68 % at 1.0 (1.24), 94 % with int8 (1.01), and 54 % with one scale a row, as in `npu` (1.87).
"""


def _is_usual(group_size: int) -> bool:
    """Whether it is -1 or a power of two, as widths of layers have them as a factor."""
    return group_size == -1 or group_size & (group_size - 1) == 0


def _bare(recipe: Recipe) -> Recipe:
    """Drop everything but the weight format: group size and ratio were chosen for the preset's own format."""
    return Recipe(recipe.name, recipe.weight_format)
