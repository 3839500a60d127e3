"""Chooses the group size of dynamic quantization with which a new model reads prompts fastest on this machine.

OpenVINO rounds activations to 8 bits for compressed weights, and so many of them share a scale. Larger groups are
faster on processors with VNNI, and cost some models agreement; others lose nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.engine.worker.admission import ModelLimits
from bot.engine.worker.precision import INFERENCE_PROPERTY
from bot.errors import ConfigurationError
from bot.export.child_process import ChildError, run_child
from bot.export.next_tokens import NextTokens, TimedReading
from bot.model.device_properties import GROUP_SIZE_PROPERTY, GROUP_SIZES, write_device_properties
from bot.model.report import Finding

Read = Callable[[Mapping[str, str]], TimedReading]
"""Loads the model with properties, and reads the text."""

DEFAULT = GROUP_SIZES[0]
EXACT = {INFERENCE_PROPERTY: "f32", "KV_CACHE_PRECISION": "f32", GROUP_SIZE_PROPERTY: "0"}
"""The most exact arithmetic that a processor offers; agreement is measured with it."""

LEAST_GAIN = 0.05
"""What is less is no gain, however small the spread."""

MOST_LOST = 0.005
"""A group size loses nothing if it agrees with the exact arithmetic at no fewer positions than the default does, less
what chance takes: one standard deviation of the positions at which the two differ, and at most this share of all."""

_STEPS = 8
_LEAST_TOKENS = 64
_WHAT = "dynamic quantization"


@dataclass(frozen=True, slots=True)
class Choice:
    """The group size to use, and one line on why."""

    size: str
    why: str


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How many times as fast a group size is as the default, for each pair of measurements."""

    ratios: NDArray[np.float64]

    @property
    def gain(self) -> float:
        """What the median is above 1."""
        return float(np.median(self.ratios)) - 1

    @property
    def spread(self) -> float:
        """Between the quartiles."""
        low, high = np.quantile(self.ratios, (0.25, 0.75))
        return float(high - low)

    @property
    def noise(self) -> float:
        """What a gain or a loss must exceed."""
        return max(LEAST_GAIN, self.spread)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A group size and its readings, in order."""

    size: str
    readings: list[TimedReading] = field(default_factory=list)

    def read(self, read: Read) -> None:
        self.readings.append(read({GROUP_SIZE_PROPERTY: self.size}))

    def prefill(self, default: _Candidate) -> _Comparison:
        return _compare(*([each.piece_seconds for each in one.readings] for one in (self, default)))

    def decode(self, default: _Candidate) -> _Comparison:
        return _compare(*([each.step_seconds for each in one.readings] for one in (self, default)))

    @property
    def predicted(self) -> NextTokens:
        return self.readings[0].predicted


def try_group_sizes(model: Path, ids: Sequence[int], work: Path, say: Callable[[str], None]) -> Finding:
    """Measure the group sizes with a new model, and write the one to use into its folder.

    Args:
        model: the model folder.
        ids: a text's tokens.
        work: for the children's files; the caller removes it.
        say: receives the name of each stage.

    Returns:
        A finding that is `skipped` if the model cannot be read; the engine's trial says more then.

    Raises:
        ConfigurationError: its config.json is unusable.
    """
    limits = ModelLimits.read(model)
    room = min(limits.context, limits.original_context or limits.context) - _STEPS
    if min(room, len(ids)) < _LEAST_TOKENS:
        return Finding(
            what=_WHAT,
            verdict="skipped",
            detail="the engine's own group size: the context is too short to measure others",
        )
    np.save(work / "ids.npy", np.asarray(ids[:room], np.int64))

    def read(properties: Mapping[str, str]) -> TimedReading:
        say(f"Trying {GROUP_SIZE_PROPERTY}={properties[GROUP_SIZE_PROPERTY]}")
        output = work / "timed_reading.npz"
        arguments = [str(model), str(work / "ids.npy"), str(output), str(_STEPS), json.dumps(properties)]
        run_child("bot.export.timed_reading", arguments, log=work / "timed_reading.log")
        return TimedReading.load(output)

    write_device_properties(model, {})
    try:
        choice = choose_group_size(read)
    except (ChildError, ConfigurationError) as error:
        return Finding(what=_WHAT, verdict="skipped", detail=f"the engine's own group size; not measured: {error}")
    if choice.size != DEFAULT:
        write_device_properties(model, {GROUP_SIZE_PROPERTY: choice.size})
    return Finding(what=_WHAT, verdict="good", detail=f"group size {choice.size}: {choice.why}")


def choose_group_size(read: Read) -> Choice:
    """Return the fastest group size that loses no agreement; the default, unless it gains more than the spread.

    All are read with in turn, then the best one and the default once more in reverse order, so that a machine that gets
    slower or faster meanwhile favours none.
    """
    default, *larger = candidates = [_Candidate(size) for size in GROUP_SIZES]
    for each in candidates:
        each.read(read)
    larger = [each for each in larger if not _same(each.predicted, default.predicted)]
    if not larger:
        return Choice(DEFAULT, "others change nothing with this model on this machine")
    exact = read(EXACT).predicted
    sound = [each for each in larger if _loses_nothing(each.predicted, default.predicted, exact)]
    if not sound:
        lost = (f"{each.size} loses agreement, {_figures(each, default, exact)}" for each in larger)
        return Choice(DEFAULT, "; ".join(lost))
    best = max(sound, key=lambda each: each.prefill(default).gain)
    for each in (best, default):
        each.read(read)
    figures = _figures(best, default, exact)
    prefill, decode = best.prefill(default), best.decode(default)
    if -decode.gain > decode.noise:
        return Choice(DEFAULT, f"{best.size} slows answers down to {1 + decode.gain:.2f} times the speed, {figures}")
    if prefill.gain <= prefill.noise:
        return Choice(DEFAULT, f"{best.size} gains no more than the spread, {figures}")
    return Choice(best.size, figures)


def _compare(ours: Sequence[Sequence[float]], defaults: Sequence[Sequence[float]]) -> _Comparison:
    """Compare each measurement with the default's at the same place of the same turn."""
    return _Comparison(np.concatenate(defaults) / np.concatenate(ours))


def _same(one: NextTokens, other: NextTokens) -> bool:
    """Whether two readings are bit for bit the same, as on a processor that does not quantize dynamically."""
    return np.array_equal(one.log_probabilities, other.log_probabilities)


def _loses_nothing(ours: NextTokens, default: NextTokens, exact: NextTokens) -> bool:
    right, default_right = (each.likeliest == exact.likeliest for each in (ours, default))
    lost, won = int((default_right & ~right).sum()), int((right & ~default_right).sum())
    return lost - won <= min(math.sqrt(lost + won), MOST_LOST * len(right))


def _figures(each: _Candidate, default: _Candidate, exact: NextTokens) -> str:
    prefill = each.prefill(default)
    ours, defaults = (one.predicted.agreement(exact) for one in (each, default))
    return (
        f"prompts {1 + prefill.gain:.2f} times as fast as with {default.size} (spread {prefill.spread:.2f}), agreement "
        f"with exact arithmetic {ours:.1%} against {defaults:.1%} in {len(exact.likeliest)} positions"
    )
