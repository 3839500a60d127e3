"""What drafts are worth at a known acceptance: a model whose drafts an oracle makes, beside the same model without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import openvino

from benchmarking.drafts_backend import DRAWN, EACH_TOKEN_ONCE, Prompt, SteppedEngine, Streaming, stream
from benchmarking.drafts_comparison import OFF, alternating, ratios_to_off, share, spread
from benchmarking.drafts_oracle import Oracle
from benchmarking.drafts_oracle_measures import CHANCES, Measure
from benchmarking.drafts_recording import Recording
from benchmarking.measures import Figures
from bot.engine.interface import EngineOptions
from bot.engine.worker.cache_blocks import blocks_for
from bot.engine.worker.devices import inference_precision
from bot.engine.worker.loading_properties import loading_properties
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.drafts.loading import load_draft_model
from bot.errors import ConfigurationError
from bot.model.folder import ModelFolder
from bot.settings import load_settings

_SPARE_BLOCKS = 16

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Run:
    """A timed run.

    Attributes:
        accepted: drafted tokens that became part of an answer, from the first step to the last.
        right: tokens of the oracle that should have become part of one.
        looked_up: tokens that prompt lookup drafted, which works beside a draft model.
    """

    streaming: Streaming
    accepted: int = 0
    right: int = 0
    looked_up: int = 0


class OracleRuns:
    """Runs measures with drafts and without, in turn, on two engines in this process.

    Attributes:
        draft_tokens: upper bound of the tokens drafted for an answer and step.
    """

    def __init__(
        self, drafting: SteppedEngine, plain: SteppedEngine, oracle: Oracle, draft_tokens: int, rounds: int
    ) -> None:
        self.draft_tokens = draft_tokens
        self._drafting = drafting
        self._plain = plain
        self._oracle = oracle
        self._rounds = rounds
        self._recording = Recording(plain)

    @classmethod
    def load(
        cls, folder: ModelFolder, draft_model: Path | None, measures: Sequence[Measure], rounds: int
    ) -> OracleRuns:
        """Load a model twice, with the oracle's drafts and without drafts.

        Args:
            draft_model: the folder of a draft model whose time the oracle takes.
            measures: what there must be room for.
            rounds: of each measure.

        Raises:
            ConfigurationError: a model cannot be used.
        """
        settings = load_settings(
            env_file=None, model_dir=folder.path, engine="paged", kv_disk_gigabytes=0, draft_model_dir=draft_model
        )
        options = settings.engine_options
        properties = loading_properties(options.engine, options.device, options.model_dir, options.properties)
        options = replace(options, properties=properties)
        blocks = sum(_blocks(each) for each in measures) + _SPARE_BLOCKS
        oracle = Oracle(folder.vocabulary_size, _load_draft_model(options, blocks, folder.vocabulary_size))
        plain = replace(options, draft_tokens=0, draft_model_dir=None)
        return cls(
            SteppedEngine(options, blocks, oracle), SteppedEngine(plain, blocks), oracle, options.draft_tokens, rounds
        )

    @property
    def draft_model(self) -> str:
        """The name of the draft model; empty without one."""
        return self._oracle.draft_model

    async def measure(self, measure: Measure, say: Callable[[str], None]) -> Figures:
        """Run a measure's conditions alternately; return its figures.

        Raises:
            MeasureError: an engine failed.
        """
        departed = self._recording.departures
        say("recording, and a run that does not count")
        await self._recording.record([(prompt, ()) for prompt in measure.prompts], measure.answer_tokens)
        await self._run(measure, measure.conditions[-1], "warm-up")
        order = alternating(measure.conditions, self._rounds)
        runs = []
        for number, condition in enumerate(order):
            runs.append(await self._run(measure, condition, f"{measure.title} {number}"))
            say(f"run {number + 1} of {len(order)}, {condition}: {runs[-1].streaming.rate:.2f} tokens/s")
        departures = self._recording.departures - departed
        return {**_sizes(measure), "departures": departures, **oracle_figures(order, runs, len(measure.prompts))}

    async def _run(self, measure: Measure, condition: str, seed: str) -> Run:
        length = measure.answer_tokens
        if condition == OFF:
            return Run(await stream(self._plain, measure.prompts, length, DRAWN, _no_preparation))
        engine, oracle, chance = self._drafting, self._oracle, CHANCES[condition]

        async def follow(requests: Mapping[int, Prompt]) -> None:
            if chance is not None:
                await self._recording.follow(engine, oracle, requests, length)

        # Drawn with the same seed, the draft model's tokens would nearly always be right.
        sampling = EACH_TOKEN_ONCE if chance is None else DRAWN
        oracle.begin(chance, seed)
        before, drafted, right = engine.state, oracle.drafted, oracle.right
        streaming = await stream(engine, measure.prompts, length, sampling, follow)
        by_all = engine.state.drafted_tokens - before.drafted_tokens
        return Run(
            streaming,
            engine.state.accepted_tokens - before.accepted_tokens,
            oracle.right - right,
            by_all - (oracle.drafted - drafted),
        )


async def _no_preparation(requests: Mapping[int, Prompt]) -> None:
    """Leave an engine without drafts alone."""


def _blocks(measure: Measure) -> int:
    """Cache blocks for a measure's conversations, and for answers of two earlier runs, so that no prompt is evicted."""
    return len(measure.prompts) * (blocks_for(measure.longest) + 2 * blocks_for(measure.answer_tokens))


def _sizes(measure: Measure) -> Figures:
    return {
        "chats": len(measure.prompts),
        "prompt_tokens": len(measure.prompts[0]),
        "answer_tokens": measure.answer_tokens,
    }


def oracle_figures(order: Sequence[str], runs: Sequence[Run], chats: int) -> Figures:
    """Return the figures of runs in this order: the speed without drafts, and of each condition its own."""
    rates = [run.streaming.rate for run in runs]
    conditions = {
        condition: {
            "tokens_per_second": spread(_of(condition, order, rates)),
            "ratio": spread(ratios),
            **_draft_figures(_of(condition, order, runs), chats),
        }
        for condition, ratios in ratios_to_off(order, rates).items()
    }
    return {"off": {"tokens_per_second": spread(_of(OFF, order, rates))}, "conditions": conditions}


def _draft_figures(runs: Sequence[Run], chats: int) -> Figures:
    streamed = [run.streaming for run in runs]
    drafted = sum(each.drafted for each in streamed)
    return {
        "drafted": drafted,
        "acceptance": share(sum(each.accepted for each in streamed), drafted),
        "tokens_a_step": sum(each.tokens for each in streamed) / sum(each.steps for each in streamed) / chats,
        "kept": share(sum(run.accepted for run in runs), sum(run.right for run in runs)),
        "looked_up": sum(run.looked_up for run in runs),
    }


def _of(condition: str, order: Sequence[str], values: Sequence[Value]) -> list[Value]:
    return [value for name, value in zip(order, values, strict=True) if name == condition]


def _load_draft_model(options: EngineOptions, blocks: int, vocabulary: int) -> DraftModel | None:
    """Load the options' draft model, whose cache has the model's blocks.

    Raises:
        ConfigurationError: it cannot be used.
    """
    inference = inference_precision(openvino.Core(), options.device, options.properties)
    draft_model, _ = load_draft_model(options, inference, vocabulary, lambda *_folders: blocks, _refuse)
    return draft_model


def _refuse(reason: str) -> None:
    raise ConfigurationError(reason)
