"""/healthz, /metrics and `/model info`, as operators read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.samples import Sample

from bot.conversation.turn import ConversationKey
from bot.engine.interface import EngineFacts
from tests.deploy.queries import Selector, queries, selectors
from tests.end_to_end.commands import model_info
from tests.end_to_end.stage import ENDLESS, Stage, answer_of, free_port, online, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS, CACHED = "phi3_prompt_tokens_total", "phi3_prompt_tokens_cached_total"


@dataclass(frozen=True)
class Monitoring:
    """The bot's HTTP server."""

    url: str
    client: aiohttp.ClientSession

    async def health(self) -> tuple[int, dict[str, Any]]:
        async with self.client.get(f"{self.url}/healthz") as response:
            return response.status, await response.json()

    async def until(self, status: int) -> dict[str, Any]:
        """Wait until /healthz has this status; return its body."""
        async with asyncio.timeout(120):
            while (health := await self.health())[0] != status:  # noqa: ASYNC110 - the server pushes nothing
                await asyncio.sleep(0.01)
        return health[1]

    async def metrics(self) -> dict[str, float]:
        """Return every value by name and labels, as Prometheus writes them: `phi3_answers_total{reason="stop"}`."""
        values = {}
        for sample in await self._samples():
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return values

    async def series(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of every series by the metric's name."""
        found: dict[str, list[dict[str, str]]] = {}
        for sample in await self._samples():
            found.setdefault(sample.name, []).append(dict(sample.labels))
        return found

    async def _samples(self) -> list[Sample]:
        async with self.client.get(f"{self.url}/metrics") as response:
            assert response.status == 200
            return [sample for family in parse(await response.text()) for sample in family.samples]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path, port: int) -> AsyncIterator[Stage]:
    """A bot with metrics that answers one question at a time."""
    async with online(small_model_dir, max_new_tokens=500, max_batch=1, metrics_port=port) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def monitoring(stage: Stage, port: int) -> AsyncIterator[Monitoring]:
    async with aiohttp.ClientSession() as client:
        yield Monitoring(f"http://127.0.0.1:{port}", client)


def fits(labels: dict[str, str], selector: Selector) -> bool:
    """Whether a series has a query's labels, and the values that it demands."""
    return all(name in labels and value in (None, labels[name]) for name, value in selector.labels.items())


def kill_engine(stage: Stage) -> EngineFacts:
    """Kill the engine process; return its facts."""
    facts = stage.bot.application.serving.facts
    assert facts is not None
    psutil.Process(facts.process_id).kill()
    return facts


async def test_a_bot_that_answers_is_healthy(stage: Stage, monitoring: Monitoring) -> None:
    health = await monitoring.until(200)
    assert health == {
        "ok": True,
        "discord": True,
        "engine": True,
        "database": True,
        "draining": False,
        "running": 0,
        "waiting": 0,
        "engine_restarts": 0,
    }
    assert "Engine restarts" not in await model_info(stage)


async def test_the_queue_shows_while_a_question_waits(stage: Stage, monitoring: Monitoring) -> None:
    channels = [await stage.fresh_channel(name) for name in ("running", "waiting")]
    running, waiting = [await stage.mention(stage.ada, channel, ENDLESS) for channel in channels]
    await stage.streaming(stage.ada, channels[0], running)
    await stage.streaming(stage.ada, channels[1], waiting)

    values = await monitoring.metrics()
    assert (values["phi3_answers_running"], values["phi3_queue_length"]) == (1, 1)
    assert values["phi3_batch_size"] == 1
    assert 0 < values["phi3_kv_cache_used_ratio"] < 1
    _, health = await monitoring.health()
    assert (health["running"], health["waiting"]) == (1, 1)
    assert "**Questions:** 1 running, 1 waiting" in await model_info(stage)

    for channel, question in ((channels[1], waiting), (channels[0], running)):
        reply = stage.bot.application.client.running_replies.get(question)
        assert reply is not None
        reply.answer.stop()
        await stage.answer(stage.ada, channel, question)


async def test_answers_are_measured(stage: Stage, monitoring: Monitoring) -> None:
    before = await monitoring.metrics()
    channel = await stage.fresh_channel("measured")
    for capital in ("France", "Italy"):
        await stage.ask(stage.ada, channel, f"What is the capital of {capital}?")
    after = await monitoring.metrics()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown("phi3_time_to_first_token_seconds_count") == 2
    assert grown("phi3_time_to_first_token_seconds_sum") > 0
    assert grown("phi3_queue_wait_seconds_count") == 2
    assert grown('phi3_answers_total{reason="stop"}') == 2
    generated = grown("phi3_generated_tokens_total")
    turns = await stage.remembered(channel)
    assert generated == sum(len(answer_of(turn).ids or ()) for turn in turns)
    # The second prompt starts with the first one and its answer.
    assert grown(CACHED) >= generated / 2
    assert grown(TOKENS) - grown(CACHED) < 150


async def test_an_engine_crash_shows_until_the_restart_and_is_counted(stage: Stage, monitoring: Monitoring) -> None:
    await stage.ask(stage.ada, await stage.fresh_channel("before"), "What is the capital of France?")
    restarts = stage.bot.application.metrics.restarts
    facts = kill_engine(stage)

    health = await monitoring.until(503)
    assert (health["ok"], health["engine"], health["discord"]) == (False, False, True)
    assert (await monitoring.metrics())["phi3_engine_loaded"] == 0
    assert "**Engine:** restarting" in await model_info(stage)
    health = await monitoring.until(200)
    assert health["engine_restarts"] == restarts + 1
    values = await monitoring.metrics()
    assert values['phi3_engine_restarts_total{cause="crashed"}'] == restarts + 1
    assert values["phi3_engine_loaded"] == 1
    assert values["phi3_kv_cache_tokens"] == facts.cache_tokens

    info = await model_info(stage)
    assert f"**Engine restarts:** {restarts + 1}\n" in info
    assert f"**KV cache:** {facts.cache_tokens:,} tokens, 0.30 GB\n" in info
    hits = stage.bot.application.metrics.prefix_hit_rate
    assert hits is not None
    assert f"**Prefix-cache hits:** {hits:.0%} of all prompt tokens" in info


async def test_a_restarted_engine_prefills_the_conversation_before_the_next_question(
    stage: Stage, monitoring: Monitoring
) -> None:
    channel = await stage.fresh_channel("known")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    kill_engine(stage)
    await monitoring.until(503)
    await monitoring.until(200)
    answering = stage.bot.application.answering
    conversation = answering.conversations.find(ConversationKey(channel))
    assert conversation is not None
    await until(lambda: conversation.cached_by == answering.model.cache_owner)

    before = await monitoring.metrics()
    await stage.ask(stage.ada, channel, "And of Italy?")
    after = await monitoring.metrics()
    tokens, cached = (after[name] - before[name] for name in (TOKENS, CACHED))
    assert tokens > 60
    assert tokens - cached < 25


async def test_discord_and_memory_are_measured(stage: Stage, monitoring: Monitoring) -> None:
    before = await monitoring.metrics()
    assert before["phi3_discord_connected"] == 1
    assert before["process_resident_memory_bytes"] > 50e6
    assert before["phi3_engine_resident_memory_bytes"] > 100e6
    channel = await stage.fresh_channel("failing")
    stage.discord.fail_next("POST", f"/channels/{channel}/messages", 503)
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    after = await monitoring.metrics()
    statuses = {status: f'phi3_discord_responses_total{{status="{status}"}}' for status in ("200", "503")}
    assert after[statuses["200"]] > before[statuses["200"]]
    assert after[statuses["503"]] == before[statuses["503"]] + 1


async def test_the_dashboard_and_the_alerts_name_what_the_bot_serves(stage: Stage, monitoring: Monitoring) -> None:
    await stage.ask(stage.ada, await stage.fresh_channel("served"), "What is the capital of France?")
    stage.bot.application.metrics.answer_refused("queue full")  # its series begins with the first refusal
    served = await monitoring.series()
    served["up"] = [{}]  # Prometheus's own
    for query in queries():
        for selector in selectors(query):
            assert any(fits(labels, selector) for labels in served.get(selector.metric, [])), selector
