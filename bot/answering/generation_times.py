"""Measures one generation, for metrics and for estimates of the next."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from bot.answering.answer_figures import AnswerFigures
from bot.answering.first_estimate import FirstEstimate
from bot.answering.prefill_time import Prefill, PrefillTimes
from bot.answering.queue import Ticket
from bot.answering.throughput import Throughput
from bot.answering.waiting_time import WaitingTimes
from bot.engine.interface import GenerationRequest, Outcome
from bot.engine.usage import Usage
from bot.metrics.port import AnswerMetrics

logger = logging.getLogger(__name__)


class Measured(Protocol):
    """Where all measurements go; `bot.answering.service.AnswerService` has it."""

    metrics: AnswerMetrics
    throughput: Throughput
    waiting_times: WaitingTimes
    prefill_times: PrefillTimes


class GenerationTimes:
    """Takes note of a generation's prefill, its tokens and its end, as they happen.

    Args:
        measured: receives the measurements.
        ticket: of the question.
        request: is about to be submitted.
        figures: of the answer, which may take several generations.
    """

    def __init__(self, measured: Measured, ticket: Ticket, request: GenerationRequest, figures: AnswerFigures) -> None:
        self._message_id = request.message_id
        self._measured = measured
        self._ticket = ticket
        self._figures = figures
        logger.info(
            "Prompt built: message_id=%s tokens=%d resumed_tokens=%d waited_seconds=%.2f",
            self._message_id,
            len(request.prompt_ids),
            request.resumed_tokens,
            ticket.waited_seconds,
        )
        self._estimate = FirstEstimate(measured.metrics.prefill_ended)
        self._first_token_at = self._last_token_at = 0.0

    def prefill(self, tokens: int) -> Prefill:
        """The engine begins to read so many tokens."""
        prefill = self._measured.prefill_times.begin(self._ticket, tokens)
        if not self._first_token_at:
            self._estimate.add(prefill.seconds)
        return prefill

    def add_tokens(self, tokens: int) -> None:
        """So many tokens of the answer arrived."""
        self._last_token_at = self._figures.last_token_at = time.monotonic()
        self._measured.prefill_times.end(self._ticket, is_read=True)
        if not self._first_token_at:
            self._first_token_at = self._last_token_at
            self._figures.first_token_at = self._figures.first_token_at or self._last_token_at
            self._estimate.happened()
            self._measured.metrics.first_token(self._first_token_at - self._ticket.joined_at)
        self._measured.throughput.add(tokens)
        self._measured.waiting_times.add_tokens(self._ticket, tokens)

    def end(self, outcome: Outcome, tokens: int, usage: Usage) -> None:
        """The generation ended with so many tokens."""
        self._figures.add(tokens, usage)
        measured, ticket = self._measured, self._ticket
        measured.prefill_times.end(ticket, is_read=False)
        seconds = self._last_token_at - self._first_token_at
        measured.metrics.answer_ended(outcome.reason, tokens, seconds)
        logger.info(
            "Generated: message_id=%s outcome=%s tokens=%d waited_seconds=%.2f seconds=%.2f",
            self._message_id,
            outcome.reason,
            tokens,
            ticket.waited_seconds,
            seconds,
        )
        if outcome.detail:
            logger.warning(
                "Generation failed: message_id=%s outcome=%s detail=%s",
                self._message_id,
                outcome.reason,
                outcome.detail,
            )
