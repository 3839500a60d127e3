"""What the image must hold, and how it must behave under the restrictions of compose.yaml."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bot.demo.loopback import LoopbackDiscord
from image_check.engine import ContainerEngine

_USER = 10001
_FORBIDDEN = ("torch", "optimum", "optimum-intel", "simcord", "pytest", "pip", "setuptools")
_LIST_PACKAGES = (
    "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)
_LAUNCHER = """
import sys
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

if __name__ == "__main__":  # the engine's process reads this file, too
    Route.BASE, gateway = sys.argv[1:3]
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
    from bot.cli.main import main
    sys.exit(main(["run"]))
"""


class CheckError(Exception):
    """The image is not as it must be; the message says what is wrong."""


def check_content(engine: ContainerEngine, image: str, constraints: Path, say: Callable[[str], None]) -> None:
    """Check the user, the packages and what a start without a token says."""
    details = engine.inspect(image)
    _require(details["Config"]["User"].split(":")[0] == str(_USER), "the image runs as another user")
    say(f"size: {details['Size'] / 1e6:.0f} MB")
    listed = engine.run(image, "-I", "-c", _LIST_PACKAGES, options=["--entrypoint", "python"])
    _require(listed.returncode == 0, f"its Python does not run: {listed.stderr.strip()}")
    packages: dict[str, str] = json.loads(listed.stdout)
    extra = sorted(set(_FORBIDDEN) & packages.keys())
    _require(not extra, f"it holds {', '.join(extra)}")
    pins = dict(line.lower().split("==") for line in constraints.read_text(encoding="utf-8").split() if "==" in line)
    pinned = {name.replace("_", "-"): version for name, version in pins.items()}
    loose = [name for name in packages if name.replace("_", "-") not in pinned]
    _require(loose == ["phi3-openvino-discord-bot"], f"constraints.txt pins not all of {loose}")
    say(f"packages: {len(packages)}, all pinned, without {', '.join(_FORBIDDEN)}")
    refused = engine.run(image)
    _require(refused.returncode == 2, f"without a token it exits with {refused.returncode}: {refused.stderr}")
    _require("DISCORD_TOKEN is not set" in refused.stderr, f"without a token it says: {refused.stderr}")


async def check_life(
    engine: ContainerEngine, image: str, model: Path, folder: Path, say: Callable[[str], None]
) -> None:
    """Run the bot on a loopback Discord: it becomes healthy, answers, and finishes its answer at SIGTERM."""
    volume, launcher = folder / "data", folder / "launcher.py"
    shutil.copytree(model, volume / "model" / "phi3-instruct" / "int4")
    for path in (volume, *volume.rglob("*")):
        os.chown(path, _USER, _USER)
    launcher.write_text(_LAUNCHER, encoding="utf-8")
    async with LoopbackDiscord() as discord:
        settings = {"DISCORD_TOKEN": discord.bot_token, "KV_CACHE_GIGABYTES": "0.3", "DRAIN_SECONDS": "300"}
        options = [part for name, value in settings.items() for part in ("--env", f"{name}={value}")]
        options += ["--volume", f"{volume}:/data", "--volume", f"{launcher}:/launcher.py:ro", "--entrypoint", "python"]
        began = time.monotonic()
        container = engine.start(image, "/launcher.py", discord.api_url, discord.gateway_url, options=options)
        try:
            await _answer(engine, image, container, discord, say, began)
        except BaseException:
            print(engine.output("logs", container))
            raise
        finally:
            engine.output("rm", "--force", container)


async def _answer(
    engine: ContainerEngine,
    image: str,
    container: str,
    discord: LoopbackDiscord,
    say: Callable[[str], None],
    began: float,
) -> None:
    details = engine.inspect(image)
    check = details.get("Healthcheck") or details["Config"]["Healthcheck"]  # podman's place, docker's place
    health = [part for part in check["Test"] if part != "CMD"]
    _require(not await asyncio.to_thread(engine.succeeds, "exec", container, *health), "healthy before it answers")
    while not await asyncio.to_thread(engine.succeeds, "exec", container, *health):
        _require(time.monotonic() - began < 300, "the health check does not pass")
        await asyncio.sleep(1)
    say(f"healthy after {time.monotonic() - began:.0f} s")

    member, channel = discord.people[0], discord.channels[0]

    def answer() -> str:
        written = [
            each for each in discord.messages(member.id, channel.id) if each["author"]["id"] == str(discord.bot.id)
        ]
        return "\n".join(each["content"] for each in written)

    await discord.send(member.id, channel.id, f"<@{discord.bot.id}> Count from 1 to 100: 1, 2, 3, 4, 5, 6, 7, 8,")
    await discord.wait_for(lambda: len(answer()) > 20, 300)
    length = len(answer())
    await asyncio.to_thread(engine.output, "kill", "--signal", "TERM", container)
    code = (await asyncio.to_thread(engine.output, "wait", container)).strip()
    _require(code == "0", f"SIGTERM ended it with {code}")
    _require(len(answer()) > length, "SIGTERM broke the answer off")
    say(f"SIGTERM: finished its answer, {length} characters then, {len(answer())} at the end; exit code 0")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckError(otherwise)
