"""What the supervisor submits again after a crash."""

from __future__ import annotations

import time

from bot.engine.interface import GenerationRequest, Source
from bot.engine.supervisor.job import Job
from bot.engine.supervisor.token_stream import TokenStream


def test_a_resumed_request_holds_the_same_words_and_a_longer_prompt() -> None:
    sources = (Source(1, 10, 20, 30), Source(3, 11, 21, 30))
    request = GenerationRequest((5, 6, 7, 8), frozenset(), 9, sources=sources, erasures=4)
    job = Job(request, TokenStream(lambda: None), time.monotonic() + 60)
    job.take((1, 2))
    resumed = job.remaining()
    assert (resumed.prompt_ids, resumed.resumed_tokens) == ((5, 6, 7, 8, 1, 2), 2)
    assert (resumed.sources, resumed.erasures) == (sources, 4)
