"""One of two real llama.cpp servers is killed in the middle of an answer."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.real_servers.conftest import StartLlama
from tests.end_to_end.stage import answer_of, online, until

pytestmark = pytest.mark.long


async def test_the_other_server_goes_on_and_the_lost_one_is_used_again(
    small_model_dir: Path, start_llama: StartLlama, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with start_llama() as one, start_llama() as two:
        addresses = f"{one.url}, {two.url}"
        async with online(small_model_dir, engine="openai", engine_url=addresses, max_new_tokens=120) as stage:
            channel, question, so_far = await stage.long_answer(stage.ada)
            lost, other = (one, two) if await one.running() else (two, one)
            assert not await other.running()
            await lost.kill()
            replies = await stage.answer(stage.ada, channel, question)
            shown = " ".join(reply["content"] for reply in replies).split("\n-# ")[0]
            assert shown.startswith(so_far["content"][:20])
            [turn] = await stage.remembered(channel)
            assert shown.split() == answer_of(turn).content.split()
            assert await other.total("tokens_predicted_total") > 0
            assert f"Server left out: {lost.url}" in caplog.text
            assert stage.bot.application.metrics.restarts == 0

            async with start_llama(urlsplit(lost.url).port or 0) as returned:
                await until(lambda: f"Server is back: {returned.url}" in caplog.text)
                before = await returned.total("tokens_predicted_total")
                await stage.ask(stage.ada, channel, "What is the capital of France?")
                assert await returned.total("tokens_predicted_total") > before  # the conversation is there again
