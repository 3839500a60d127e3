"""A program that speaks the protocol of llama.cpp's server, with answers that are easy to foretell.

The variable STUB makes it different: it `dies` or `crashes` while it loads, does not end when it is told to
(`stubborn`), answers `forever`, breaks answers `off`, or is `old`. It writes a line for what happens to the file that
STUB_LOG names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

VOCABULARY = 32_064
BUILD = "b1-stub"
REFUSED_ID = 13
"""A prompt that begins with it is refused."""

WITHHELD = 5
"""Each token with a multiple of this number ends within a character, so that it is counted and not sent."""

_ANSWER_SECONDS = 0.001


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    for option in ("model", "host", "port", "parallel", "ctx-size"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("threads", "threads-batch", "alias"):
        parser.add_argument(f"--{option}")
    parser.add_argument("--kv-unified", action="store_true", required=True)
    for option in ("cont-batching", "metrics", "no-webui"):
        parser.add_argument(f"--{option}", action="store_true")
    arguments = parser.parse_args()
    log(f"started {os.getpid()}")
    if behaviour() == "dies":
        sys.exit("gguf_init_from_file: failed\nsrv  main: exiting due to model loading error")
    if behaviour() == "crashes":
        os.abort()
    server = Server()
    application = web.Application()
    application.add_routes(
        [
            web.get("/health", server.health),
            web.get("/props", server.props),
            web.get("/v1/models", server.models),
            web.post("/completion", server.completion),
        ]
    )
    if behaviour() == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    web.run_app(application, host=arguments.host, port=int(arguments.port), handle_signals=False)


def behaviour() -> str:
    """What is different about this server."""
    return os.environ.get("STUB", "")


def log(line: str) -> None:
    """Tell the test."""
    with Path(os.environ["STUB_LOG"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


class Server:
    """The endpoints."""

    def __init__(self) -> None:
        self._asked = 0

    async def health(self, _request: web.Request) -> web.Response:
        """503 at first, as while it loads."""
        self._asked += 1
        if self._asked == 1:
            return web.json_response({"error": {"code": 503, "message": "Loading model"}}, status=503)
        return web.json_response({"status": "ok"})

    async def props(self, _request: web.Request) -> web.Response:
        """The build."""
        return web.json_response({"build_info": BUILD})

    async def models(self, _request: web.Request) -> web.Response:
        """The model."""
        return web.json_response({"data": [{"meta": {"n_vocab": VOCABULARY}}]})

    async def completion(self, request: web.Request) -> web.StreamResponse:
        """Answer with the numbers that follow the prompt's last id."""
        body = await request.json()
        prompt = body.pop("prompt")
        log(json.dumps(body))
        if prompt[0] == REFUSED_ID:
            return web.json_response({"error": {"code": 400, "message": "the prompt is\nunlucky"}}, status=400)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._stream(response, prompt[-1], body["n_predict"])
        except ConnectionError:
            log("disconnected")
        return response

    async def _stream(self, response: web.StreamResponse, last_id: int, length: int) -> None:
        number = 0
        while number < length or behaviour() == "forever":
            number += 1
            await asyncio.sleep(_ANSWER_SECONDS)
            if number % WITHHELD and number < length:
                await _send(response, tokens=[last_id + number], tokens_predicted=number, stop=False)
            if behaviour() == "off":
                return
        await _send(response, tokens=[], tokens_predicted=number, stop=True, prompt="word " * 100_000)


async def _send(response: web.StreamResponse, **event: Any) -> None:
    if behaviour() == "old":
        event = {"content": "text", "stop": event["stop"]}
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


if __name__ == "__main__":
    main()
