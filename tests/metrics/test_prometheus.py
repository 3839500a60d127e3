"""The metrics as Prometheus reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bot.engine.interface import EngineFacts, FinishReason
from bot.engine.observer import BatchState
from bot.metrics.prometheus import PrometheusMetrics


def value_of(metrics: PrometheusMetrics, name: str, **labels: str) -> float | None:
    """A sample as Prometheus reads it; None if there is none."""
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_waits_and_first_tokens_are_in_seconds() -> None:
    metrics = PrometheusMetrics()
    metrics.answer_began(0.0)
    metrics.answer_began(45.0)
    metrics.first_token(0.75)
    assert value_of(metrics, "phi3_queue_wait_seconds_sum") == 45.0
    assert value_of(metrics, "phi3_queue_wait_seconds_bucket", le="0.05") == 1
    assert value_of(metrics, "phi3_queue_wait_seconds_bucket", le="60.0") == 2
    assert value_of(metrics, "phi3_time_to_first_token_seconds_sum") == 0.75
    assert value_of(metrics, "phi3_time_to_first_token_seconds_bucket", le="0.5") == 0
    assert value_of(metrics, "phi3_time_to_first_token_seconds_bucket", le="1.0") == 1


def test_discord_is_away_until_it_is_watched() -> None:
    metrics = PrometheusMetrics()
    assert value_of(metrics, "phi3_discord_connected") == 0
    metrics.discord.watch(lambda: True)
    assert value_of(metrics, "phi3_discord_connected") == 1


def test_responses_of_discord_are_counted_by_status() -> None:
    metrics = PrometheusMetrics()
    for status in (200, 200, 404, None):
        metrics.discord.responded(status)
    values = {each: value_of(metrics, "phi3_discord_responses_total", status=each) for each in ("200", "404", "none")}
    assert values == {"200": 2, "404": 1, "none": 1}
    assert value_of(metrics, "phi3_discord_responses_total", status="429") == 0, "rate() needs its beginning"


def test_the_memory_of_an_engine_that_has_gone_is_unknown() -> None:
    metrics = PrometheusMetrics()
    metrics.watch_engine(lambda: None)
    memory = value_of(metrics, "phi3_engine_resident_memory_bytes")
    assert memory is not None
    assert math.isnan(memory)


def test_an_estimate_is_beside_what_happened() -> None:
    metrics = PrometheusMetrics()
    metrics.waiting_ended(30.0, 20.0)
    metrics.waiting_ended(1.0, 4.0)  # short ones have no ratio
    metrics.waiting_ended(10.0, 0.0)
    assert value_of(metrics, "phi3_waiting_estimated_seconds_sum") == 41.0
    assert value_of(metrics, "phi3_waiting_real_seconds_sum") == 24.0
    assert value_of(metrics, "phi3_waiting_estimate_ratio_count") == 2
    assert value_of(metrics, "phi3_waiting_estimate_ratio_bucket", le="1.25") == 0
    assert value_of(metrics, "phi3_waiting_estimate_ratio_bucket", le="1.5") == 1
    metrics.prefill_ended(30.0, 40.0)
    assert value_of(metrics, "phi3_prefill_estimated_seconds_sum") == 30.0
    assert value_of(metrics, "phi3_prefill_real_seconds_sum") == 40.0


def test_answers_are_counted_by_reason() -> None:
    metrics = PrometheusMetrics()
    for reason in [*FinishReason, FinishReason.CANCELLED, FinishReason.CANCELLED]:
        metrics.answer_ended(reason, tokens=10, seconds=1.0)
    for reason in FinishReason:
        assert value_of(metrics, "phi3_answers_total", reason=reason.value) == (3 if reason == "cancelled" else 1)
    assert value_of(metrics, "phi3_generated_tokens_total") == 10 * (len(FinishReason) + 2)


def test_series_for_failures_and_restarts_start_at_zero() -> None:
    metrics = PrometheusMetrics()
    assert value_of(metrics, "phi3_answers_total", reason=FinishReason.CANCELLED) == 0
    assert value_of(metrics, "phi3_answers_total", reason=FinishReason.FAILED) == 0
    assert value_of(metrics, "phi3_engine_restarts_total", cause="hung") == 0
    assert metrics.restarts == 0


def test_speed_counts_the_tokens_after_the_first() -> None:
    metrics = PrometheusMetrics()
    metrics.answer_ended("stop", tokens=9, seconds=2.0)
    assert value_of(metrics, "phi3_tokens_per_second_sum") == 4.0


@pytest.mark.parametrize(("tokens", "seconds"), [(0, 0.0), (0, 3.0), (1, 3.0), (5, 0.0)])
def test_an_answer_without_a_speed_is_only_counted(tokens: int, seconds: float) -> None:
    metrics = PrometheusMetrics()
    metrics.answer_ended("stop", tokens, seconds)
    assert value_of(metrics, "phi3_tokens_per_second_count") == 0
    assert value_of(metrics, "phi3_answers_total", reason="stop") == 1
    assert value_of(metrics, "phi3_generated_tokens_total") == tokens


def test_refusals_are_counted_by_reason() -> None:
    metrics = PrometheusMetrics()
    metrics.answer_refused("queue full")
    metrics.answer_refused("queue full")
    metrics.answer_refused("person's queue full")
    assert value_of(metrics, "phi3_answers_refused_total", reason="queue full") == 2
    assert value_of(metrics, "phi3_answers_refused_total", reason="person's queue full") == 1


def test_the_hit_rate_covers_all_prompt_tokens() -> None:
    metrics = PrometheusMetrics()
    assert metrics.prefix_hit_rate is metrics.disk_hit_rate is None
    metrics.prompt_read(tokens=300, cached=0, from_disk=0)
    assert metrics.prefix_hit_rate == 0.0
    metrics.prompt_read(tokens=100, cached=96, from_disk=64)
    assert metrics.prefix_hit_rate == pytest.approx(0.24)
    assert metrics.disk_hit_rate == pytest.approx(0.16)
    assert value_of(metrics, "phi3_prompt_tokens_total") == 400
    assert value_of(metrics, "phi3_prompt_tokens_cached_total") == 96
    assert value_of(metrics, "phi3_prompt_tokens_from_disk_total") == 64


def test_restarts_are_counted_by_cause_and_in_total() -> None:
    metrics = PrometheusMetrics()
    for cause in ["crashed", "hung", "hung", "crashed"]:
        metrics.engine_restarted(cause)
    assert value_of(metrics, "phi3_engine_restarts_total", cause="hung") == 2
    assert metrics.restarts == 4


def test_the_engines_state_is_the_latest_reported() -> None:
    metrics = PrometheusMetrics()
    loaded_at = datetime.now(UTC)
    facts: EngineFacts | None = EngineFacts("paged", "CPU", "a CPU", 1.0, loaded_at, 7, 4096, cache_tokens=20_480)
    metrics.watch_engine(lambda: facts)
    metrics.of_engine().engine_stepped(BatchState(batch=5, cache_used=0.25))
    assert value_of(metrics, "phi3_engine_loaded") == 1
    assert value_of(metrics, "phi3_batch_size") == 5
    assert value_of(metrics, "phi3_kv_cache_used_ratio") == 0.25
    assert value_of(metrics, "phi3_kv_cache_tokens") == 20_480
    metrics.of_engine().engine_stepped(BatchState())
    facts = None
    assert value_of(metrics, "phi3_engine_loaded") == 0
    assert value_of(metrics, "phi3_kv_cache_tokens") == 0
    assert value_of(metrics, "phi3_batch_size") == 0


def test_the_disk_cache_shows_its_limit_its_use_and_what_was_written() -> None:
    metrics = PrometheusMetrics()
    facts = EngineFacts("paged", "CPU", "a CPU", 1.0, datetime.now(UTC), 7, 4096, disk_cache_bytes=50_000_000_000)
    names = ["phi3_disk_cache_limit_bytes", "phi3_disk_cache_used_bytes", "phi3_disk_cache_written_bytes"]
    assert [value_of(metrics, name) for name in names] == [0, 0, 0]
    metrics.watch_engine(lambda: facts)
    for used in (2_000_000_000, 1_500_000_000):  # what is erased is gone
        metrics.of_engine().engine_stepped(BatchState(disk_used_bytes=used, disk_written_bytes=700_000_000))
    assert [value_of(metrics, name) for name in names] == [50_000_000_000, 1_500_000_000, 700_000_000]
    assert metrics.disk_used_bytes == 1_500_000_000


def drafts(metrics: PrometheusMetrics) -> tuple[float | None, float | None]:
    names = ("phi3_draft_tokens_total", "phi3_draft_tokens_accepted_total")
    drafted, accepted = (value_of(metrics, name) for name in names)
    return drafted, accepted


def test_drafts_are_counted_on_when_an_engine_restarts() -> None:
    metrics = PrometheusMetrics()
    assert (drafts(metrics), metrics.acceptance) == ((0, 0), None)
    engine = metrics.of_engine()
    for drafted, accepted in ((0, 0), (8, 5), (8, 5), (16, 7)):
        engine.engine_stepped(BatchState(drafted_tokens=drafted, accepted_tokens=accepted))
    assert (drafts(metrics), metrics.acceptance) == ((16, 7), 7 / 16)
    engine.engine_restarted("crashed")
    engine.engine_stepped(BatchState(drafted_tokens=20, accepted_tokens=17))
    assert (drafts(metrics), metrics.drafted_tokens, metrics.acceptance) == ((36, 24), 36, 24 / 36)
    assert metrics.restarts == 1


def test_drafts_of_an_engine_that_retires_and_of_its_successor_add_up() -> None:
    metrics = PrometheusMetrics()
    old, new = metrics.of_engine(), metrics.of_engine()
    old.engine_stepped(BatchState(drafted_tokens=1_000, accepted_tokens=700))
    new.engine_stepped(BatchState(drafted_tokens=10, accepted_tokens=0))
    old.engine_stepped(BatchState(drafted_tokens=1_008, accepted_tokens=701))
    new.engine_stepped(BatchState(drafted_tokens=12, accepted_tokens=1))
    assert drafts(metrics) == (1_020, 702)


def test_an_unreadable_metric_leaves_the_others_readable(caplog: pytest.LogCaptureFixture) -> None:
    metrics = PrometheusMetrics()

    def gone() -> int:
        raise RuntimeError("the queue is closed")

    metrics.watch_queue(running=lambda: 3, waiting=gone)
    metrics.first_token(1.0)
    waiting = value_of(metrics, "phi3_queue_length")
    assert waiting is not None
    assert math.isnan(waiting)
    assert value_of(metrics, "phi3_answers_running") == 3
    assert value_of(metrics, "phi3_time_to_first_token_seconds_count") == 1
    assert "the queue is closed" in caplog.text


def test_every_metric_has_a_help_text() -> None:
    families = list(text_string_to_metric_families(generate_latest(PrometheusMetrics().registry).decode()))
    assert families
    assert all(family.documentation.endswith(".") for family in families)
    # The process's own have Prometheus's usual names, which other dashboards know, too.
    assert all(family.name.startswith(("phi3_", "process_")) for family in families)
