"""What the bot counts and measures, for Prometheus.

Every bot has its own registry, for the library's global one would mix up several bots in one process.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.engine.interface import BatchState, EngineFacts

logger = logging.getLogger(__name__)

# From a small model on a fast processor to a full context on a slow one.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_TOKENS_PER_SECOND = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200)

_INITIAL_REASONS = ("cancelled", "failed")
_RESTART_CAUSES = ("crashed", "hung")


class PrometheusMetrics:
    """The numbers of one bot since it started. Use it in one thread, the event loop's.

    A label's values must be few: each becomes a time series of its own, and none may hold what people wrote.

    Attributes:
        registry: all of these metrics, as prometheus_client gives them out.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answer_metrics()
        self._prompt_metrics()
        self._engine_metrics()
        self._database_metrics()
        # A series that begins with its first event would hide that event from Prometheus's rate().
        for reason in _INITIAL_REASONS:
            self._answers.labels(reason)
        for cause in _RESTART_CAUSES:
            self._restarts.labels(cause)

    def _answer_metrics(self) -> None:
        self._running = Gauge(
            "phi3_answers_running", "Answers that the engine is working on now.", registry=self.registry
        )
        self._waiting = Gauge("phi3_queue_length", "Questions that wait for their turn now.", registry=self.registry)
        self._queue_wait = Histogram(
            "phi3_queue_wait_seconds",
            "Seconds from a question's arrival until the engine got it.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "phi3_answers_refused_total",
            "Questions that were turned away at once, by reason.",
            ["reason"],
            registry=self.registry,
        )
        self._first_token = Histogram(
            "phi3_time_to_first_token_seconds",
            "Seconds from a question's arrival to the first token of its answer, waiting included.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._answers = Counter(
            "phi3_answers_total", "Answers that ended, by the reason why.", ["reason"], registry=self.registry
        )
        self._generated = Counter(
            "phi3_generated_tokens_total", "Tokens generated in answers that ended.", registry=self.registry
        )
        self._speed = Histogram(
            "phi3_tokens_per_second",
            "Tokens per second of one answer, from its first token to its last.",
            buckets=_TOKENS_PER_SECOND,
            registry=self.registry,
        )

    def _prompt_metrics(self) -> None:
        self._prompt_tokens = Counter(
            "phi3_prompt_tokens_total",
            "Tokens of prompts, those from the prefix cache included.",
            registry=self.registry,
        )
        self._cached_tokens = Counter(
            "phi3_prompt_tokens_cached_total",
            "Tokens of prompts that came from the prefix cache; divided by phi3_prompt_tokens_total, its hit rate.",
            registry=self.registry,
        )

    def _database_metrics(self) -> None:
        self._database_outage = Gauge(
            "phi3_database_trouble", "1 while the database cannot be written, otherwise 0.", registry=self.registry
        )

    def database_outage(self, reason: str | None) -> None:
        """The database cannot be written, for this reason; None: it can again."""
        self._database_outage.set(reason is not None)

    def _engine_metrics(self) -> None:
        self._restarts = Counter(
            "phi3_engine_restarts_total",
            "Times that the engine process was lost and started again, by cause.",
            ["cause"],
            registry=self.registry,
        )
        self._loaded = Gauge(
            "phi3_engine_loaded", "1 while the engine has a model loaded, else 0.", registry=self.registry
        )
        self._batch = Gauge(
            "phi3_batch_size", "Requests that the engine computes together in one step.", registry=self.registry
        )
        self._cache_used = Gauge(
            "phi3_kv_cache_used_ratio", "Part of the KV cache that is in use, from 0 to 1.", registry=self.registry
        )
        self._cache_tokens = Gauge(
            "phi3_kv_cache_tokens", "Tokens that the whole KV cache has room for.", registry=self.registry
        )

    def answer_began(self, waited_seconds: float) -> None:
        """An answer was handed to the engine, this long after its question arrived."""
        self._queue_wait.observe(waited_seconds)

    def answer_refused(self, reason: str) -> None:
        """A question was turned away at once, for a reason such as `queue full`."""
        self._refused.labels(reason).inc()

    def first_token(self, seconds: float) -> None:
        """An answer's first token came, this long after its question arrived."""
        self._first_token.observe(seconds)

    def answer_ended(self, reason: str, tokens: int, seconds: float) -> None:
        """An answer ended.

        Args:
            reason: a `bot.engine.interface.FinishReason`.
            tokens: how many were generated.
            seconds: from the first token to the last. It measures the tokens after the first; an answer without any
                counts, but has no speed.
        """
        self._answers.labels(reason).inc()
        self._generated.inc(tokens)
        if tokens > 1 and seconds > 0:
            self._speed.observe((tokens - 1) / seconds)

    def prompt_read(self, tokens: int, cached: int) -> None:
        """The engine read a prompt of so many tokens, of which so many came from its prefix cache."""
        self._prompt_tokens.inc(tokens)
        self._cached_tokens.inc(cached)

    def engine_restarted(self, cause: str) -> None:
        """The engine process was lost and started again because it had `crashed` or `hung`."""
        self._restarts.labels(cause).inc()

    def engine_stepped(self, state: BatchState) -> None:
        """What the engine had in its batch and its cache in its latest step."""
        self._batch.set(state.batch)
        self._cache_used.set(state.cache_used)

    def watch_engine(self, facts: Callable[[], EngineFacts | None]) -> None:
        """Ask this at every scrape for the loaded engine's facts; None while none is loaded."""
        self._loaded.set_function(_or_unknown(lambda: int(facts() is not None)))
        self._cache_tokens.set_function(_or_unknown(lambda: known.cache_tokens if (known := facts()) else 0))

    def watch_queue(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Ask these at every scrape how many answers run and how many questions wait.

        One that raises is logged and shown as NaN, which is how Prometheus writes a number that is not known.
        """
        self._running.set_function(_or_unknown(running))
        self._waiting.set_function(_or_unknown(waiting))

    @property
    def prefix_hit_rate(self) -> float | None:
        """The part of all prompt tokens that came from the prefix cache, 0 to 1; None before the first prompt."""
        tokens = _count(self._prompt_tokens)
        return _count(self._cached_tokens) / tokens if tokens else None

    @property
    def restarts(self) -> int:
        """How often the engine process was lost and started again, whatever the cause."""
        return _count(self._restarts)


def _count(counter: Counter) -> int:
    """A counter's value, summed over its labels."""
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(int(sample.value) for sample in samples if sample.name.endswith("_total"))


def _or_unknown(read: Callable[[], int]) -> Callable[[], float]:
    def value() -> float:
        try:
            return read()
        except Exception:
            # While the bot shuts down what is asked may be gone already; the other numbers must still be told.
            logger.warning("A number could not be read for a scrape.", exc_info=True)
            return math.nan

    return value
