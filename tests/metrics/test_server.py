"""The monitoring server over a real socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bot.errors import ConfigurationError
from bot.metrics.prometheus import PrometheusMetrics
from bot.metrics.server import Health, MonitoringServer

HEALTHY = Health(True, {})
Serve = Callable[..., Awaitable[MonitoringServer]]


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers on loopback and closes them after the test."""
    servers: list[MonitoringServer] = []

    async def start(
        metrics: PrometheusMetrics | None = None,
        health: Callable[[], Health] = lambda: HEALTHY,
        host: str = "127.0.0.1",
    ) -> MonitoringServer:
        server = MonitoringServer(metrics or PrometheusMetrics(), health, host=host, port=0)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.close()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def scrape(client: aiohttp.ClientSession, server: MonitoringServer) -> dict[str, float]:
    """The values of the metrics without labels, by name."""
    async with client.get(f"{server.url}/metrics") as response:
        assert response.status == 200
        assert response.content_type == "text/plain"
        text = await response.text()
    return {sample.name: sample.value for family in parse_text(text) for sample in family.samples if not sample.labels}


async def test_a_scrape_returns_the_metrics(serve: Serve, client: aiohttp.ClientSession) -> None:
    metrics = PrometheusMetrics()
    metrics.prompt_read(tokens=64, cached=32, from_disk=0)
    values = await scrape(client, await serve(metrics))
    assert values["phi3_prompt_tokens_total"] == 64
    assert values["phi3_prompt_tokens_cached_total"] == 32


async def test_each_scrape_reads_the_queue(serve: Serve, client: aiohttp.ClientSession) -> None:
    metrics = PrometheusMetrics()
    running, waiting = ["first"], ["second", "third"]
    metrics.watch_queue(running=lambda: len(running), waiting=lambda: len(waiting))
    server = await serve(metrics)
    values = await scrape(client, server)
    assert (values["phi3_answers_running"], values["phi3_queue_length"]) == (1, 2)
    running.append(waiting.pop())
    values = await scrape(client, server)
    assert (values["phi3_answers_running"], values["phi3_queue_length"]) == (2, 1)


async def test_prometheus_gets_openmetrics_when_it_asks(serve: Serve, client: aiohttp.ClientSession) -> None:
    metrics = PrometheusMetrics()
    metrics.answer_ended("stop", tokens=7, seconds=1.0)
    server = await serve(metrics)
    accept = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4"
    async with client.get(f"{server.url}/metrics", headers={"Accept": accept}) as response:
        assert response.content_type == "application/openmetrics-text"
        families = list(parse_openmetrics(await response.text()))  # type: ignore[no-untyped-call]
    samples = [sample for family in families for sample in family.samples]
    assert [sample.value for sample in samples if sample.name == "phi3_generated_tokens_total"] == [7]


async def test_two_bots_in_one_process_have_separate_metrics(serve: Serve, client: aiohttp.ClientSession) -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one_server, other_server = await serve(one), await serve(other)
    one.prompt_read(tokens=5, cached=0, from_disk=0)
    other.prompt_read(tokens=8, cached=0, from_disk=0)
    assert one_server.url != other_server.url
    assert (await scrape(client, one_server))["phi3_prompt_tokens_total"] == 5
    assert (await scrape(client, other_server))["phi3_prompt_tokens_total"] == 8


async def test_health_is_checked_at_each_request(serve: Serve, client: aiohttp.ClientSession) -> None:
    health = Health(True, {"engine": "loaded", "restarts": 0, "hit_rate": None})
    server = await serve(health=lambda: health)
    async with client.get(f"{server.url}/healthz") as response:
        assert response.status == 200
        assert await response.json() == {"ok": True, "engine": "loaded", "restarts": 0, "hit_rate": None}
    health = Health(False, {"engine": "being started again", "restarts": 1})
    async with client.get(f"{server.url}/healthz") as response:
        assert response.status == 503
        assert await response.json() == {"ok": False, "engine": "being started again", "restarts": 1}


async def test_a_failing_health_check_means_unhealthy(
    serve: Serve, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    def gone() -> Health:
        raise RuntimeError("the engine is closed")

    server = await serve(health=gone)
    async with client.get(f"{server.url}/healthz") as response:
        assert response.status == 503
        assert await response.json() == {"ok": False}
    assert "the engine is closed" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/", 404), ("POST", "/metrics", 405), ("DELETE", "/healthz", 405)],
)
async def test_other_paths_and_methods_are_refused(
    serve: Serve, client: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    server = await serve()
    async with client.request(method, server.url + path) as response:
        assert response.status == status


async def test_requests_are_not_logged(
    serve: Serve, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await scrape(client, await serve())
    assert caplog.records == []


async def test_a_taken_port_is_an_error_of_one_line(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = MonitoringServer(PrometheusMetrics(), lambda: HEALTHY, host="127.0.0.1", port=port)
        with pytest.raises(
            ConfigurationError, match=rf"^port {port} of 127\.0\.0\.1.* is taken by another program; .*METRICS_PORT"
        ) as caught:
            await server.start()
        assert "\n" not in str(caught.value)
    await server.start()  # the failed start left nothing open
    await server.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "two..dots"])
async def test_a_host_that_is_not_this_machine_is_an_error_of_one_line(host: str) -> None:
    server = MonitoringServer(PrometheusMetrics(), lambda: HEALTHY, host=host, port=0)
    with pytest.raises(ConfigurationError, match="METRICS_HOST") as caught:
        await server.start()
    assert host in str(caught.value)
    assert "\n" not in str(caught.value)
    await server.close()


async def test_closing_frees_the_port(serve: Serve, client: aiohttp.ClientSession) -> None:
    server = await serve()
    url = server.url
    await scrape(client, server)
    await server.close()
    await server.close()
    with pytest.raises(aiohttp.ClientConnectionError):
        await client.get(f"{url}/metrics")
    again = MonitoringServer(PrometheusMetrics(), lambda: HEALTHY, host="127.0.0.1", port=int(url.rpartition(":")[2]))
    await again.start()
    assert again.url == url
    await again.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
async def test_the_url_of_an_ipv6_address(serve: Serve, client: aiohttp.ClientSession) -> None:
    server = await serve(host="::1")
    assert server.url.startswith("http://[::1]:")
    await scrape(client, server)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_a_host_that_others_can_reach_is_warned_of_in_one_line(
    serve: Serve, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    server = await serve(host=host)
    [line] = caplog.messages
    assert "without a password" in line
    assert "METRICS_HOST=127.0.0.1" in line
    assert line.endswith(f"url={server.url}")
    assert "\n" not in line


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
async def test_a_host_that_only_this_machine_reaches_is_not_warned_of(
    serve: Serve, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    await serve(host=host)
    assert caplog.messages == []
