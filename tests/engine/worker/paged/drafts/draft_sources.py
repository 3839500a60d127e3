"""Sources that draft what a test wants, and engines that take every draft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bot.engine.worker.backends import paged
from bot.engine.worker.backends.paged import PagedBackend
from bot.engine.worker.paged.drafts import drafting
from bot.engine.worker.paged.drafts.budget import Prospect
from bot.engine.worker.paged.drafts.draft_model import DraftModel
from bot.engine.worker.paged.drafts.source import DraftSource
from bot.engine.worker.paged.model import PagedModel
from bot.engine.worker.paged.schedule import RunningRequest
from tests.engine.worker.backends.conftest import Driver, options

DRAFT_TOKENS = 5

Right: TypeAlias = Callable[[RunningRequest, int], Sequence[int]]
"""Gives an answer's next tokens, as an engine without drafts chooses them; at the end of the answer fewer."""
Distort: TypeAlias = Callable[[Sequence[int], int], Sequence[int]]
"""Makes a draft of the next tokens and of how many are wanted."""


class ScriptedDrafts:
    """Drafts what a function makes of the right tokens."""

    name = "scripted"

    def __init__(self, right: Right, distort: Distort) -> None:
        self._right = right
        self._distort = distort

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        return [self._distort(self._right(sequence, count), count) for sequence, count in wanted]

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Read nothing."""


class NoDrafts:
    """Stands in for prompt lookup where a test's own source shall draft alone."""

    name = "none"

    def draft(self, wanted: Sequence[tuple[RunningRequest, int]]) -> list[Sequence[int]]:
        return [() for _ in wanted]

    def follow(self, shares: Sequence[tuple[RunningRequest, int]]) -> None:
        """Read nothing."""


def draft_model(folder: Path, rows: int = 32064, blocks: int = 200) -> DraftModel:
    """Load a draft model for the tiny model."""
    model = PagedModel(folder, "CPU", options(folder).properties, blocks)
    return DraftModel(model, folder, "draft", context=4096, rows=rows, vocabulary=32064)


def take_every_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let drafts be as long as they may, whether that pays or not."""

    def longest(prospects: Sequence[Prospect], *_: object) -> list[int]:
        return [each.most for each in prospects]

    monkeypatch.setattr(drafting, "draft_lengths", longest)


def without_prompt_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let engines that are loaded from now on draft by their other source alone."""
    monkeypatch.setattr(paged, "PromptLookup", NoDrafts)


def load_with_drafts(
    model_dir: Path, source: DraftSource | None = None, *, blocks: int = 200, max_batch: int = 16, **changes: Any
) -> Driver:
    """Load an engine that drafts."""
    chosen = replace(options(model_dir, max_batch), draft_tokens=DRAFT_TOKENS, **changes)
    return Driver(lambda emit: PagedBackend(chosen, emit, blocks, source))
