"""A mention after the whole bot was killed and started again: the history comes from the disk, or is read anew."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import aiohttp
from separate_bot.bot_process import BotProcess
from separate_bot.replies import BotMessage, Listener, Replies
from separate_bot.stored_memory import StoredMemory, unfinished_questions
from separate_bot.verdict import is_settled, judge_answer
from separate_bot.watch import LogReader

from benchmarking.discord_crowd_figures import Sight, shown_answers
from benchmarking.disk import empty_page_cache, settled_bytes
from benchmarking.measures import Figures
from benchmarking.prompts import QUESTIONS
from benchmarking.returning_engine import WITH, WITHOUT, Setup
from bot.demo.loopback import LoopbackDiscord
from bot.export.timed_generation import MeasureError
from bot.settings import DISK_CACHE_NAME

_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.2
_LOG_POLL_SECONDS = 0.02
_ONLINE = " is online; servers: "
_BESIDE_HISTORY_TOKENS = 100
"""The system prompt, and what else a prompt holds beside its text file."""

_FROM_DISK = "phi3_prompt_tokens_from_disk_total"


@dataclass(frozen=True, slots=True)
class _Question:
    id: int
    channel_id: int
    author_id: int
    texts: tuple[str, ...]


async def after_kill(setup: Setup) -> Figures:
    """Let a member build a conversation, kill the bot, and ask in it after a start, with the disk cache and without.

    The times are of a mention that comes as soon as the bot is online.

    Returns:
        the figures of both sides. Each run starts from a copy of what the killed bot left, without its disk cache on
        one side, so that both ask the same.

    Raises:
        MeasureError: the conversation does not fit the model's context, or the bot does not answer.
    """
    needed = setup.plan.returning_history + 2 * (setup.plan.returning_answer + _BESIDE_HISTORY_TOKENS)
    if needed > setup.folder.context_length:
        raise MeasureError(f"{needed:,} tokens do not fit the model's context of {setup.folder.context_length:,}")
    async with LoopbackDiscord() as discord:
        replies = Replies()
        listener = Listener(discord, replies)
        try:
            return await _Returning(setup, discord, replies, listener).measure()
        finally:
            await listener.close()


class _Returning:
    def __init__(self, setup: Setup, discord: LoopbackDiscord, replies: Replies, listener: Listener) -> None:
        self._setup = setup
        self._discord = discord
        self._replies = replies
        self._sights: list[Sight] = []
        self._page_cache = ""
        self._port = _free_port()
        listener.watch(self._see)

    async def measure(self) -> Figures:
        plan = self._setup.plan
        killed = self._setup.data / "killed"
        on_disk = await self._build(killed)
        runs: dict[str, list[Figures]] = {WITH: [], WITHOUT: []}
        for number in range(plan.returning_runs):
            self._setup.say(f"kill {number + 1} of {plan.returning_runs}")
            for side in (WITH, WITHOUT) if number % 2 == 0 else (WITHOUT, WITH):
                runs[side].append(await self._return(killed, side))
        return {
            "history_tokens": plan.returning_history,
            "page_cache": self._page_cache,
            WITH: {"on_disk_bytes": on_disk, **_summary(runs[WITH])},
            WITHOUT: _summary(runs[WITHOUT]),
            "all": runs,
        }

    async def _build(self, folder: Path) -> int:
        """Build the conversation with a bot that is killed in the end; return the size of what it left on disk."""
        self._setup.say("a conversation before the kill")
        length = self._setup.plan.returning_history - _BESIDE_HISTORY_TOKENS
        text = self._setup.prompts.made_up_text("returning", length)
        async with self._bot(folder, WITH):
            await self._ask(QUESTIONS[0], [("notes.txt", text.encode())], folder)
            return await settled_bytes(_cache(folder))

    async def _return(self, killed: Path, side: str) -> Figures:
        """Start a copy of the killed bot, and ask as soon as it is online."""
        folder = self._setup.data / side
        left_out = shutil.ignore_patterns("log.txt", *[DISK_CACHE_NAME] * (side == WITHOUT))
        shutil.copytree(killed, folder, ignore=left_out)
        whole = self._setup.plan.returning_empties_page_cache
        self._page_cache = await asyncio.to_thread(empty_page_cache, folder, whole=whole)
        try:
            async with self._bot(folder, side) as bot:
                online_seconds = time.monotonic() - bot.started_at
                first_text_seconds = await self._ask(QUESTIONS[1], [], folder)
                from_disk = await self._from_disk()
        finally:
            shutil.rmtree(folder)
        return {
            "first_text_seconds": first_text_seconds,
            "online_seconds": online_seconds,
            "tokens_from_disk": from_disk,
        }

    @asynccontextmanager
    async def _bot(self, folder: Path, side: str) -> AsyncIterator[BotProcess]:
        """Run a bot, which is online inside the block and killed at its end."""
        bot = BotProcess(self._discord, self._setup.folder.path, folder, self._settings(side))
        await bot.start()
        try:
            await _until_online(bot)
            yield bot
        finally:
            await bot.kill()
            await self._discord.wait_for(lambda: not self._discord.bot_online, _PATIENCE_SECONDS)

    def _settings(self, side: str) -> Mapping[str, str]:
        plan = self._setup.plan
        gigabytes = self._setup.disk_gigabytes(1, plan.returning_history + 10 * _BESIDE_HISTORY_TOKENS)
        return {
            "ENGINE": "paged",
            "KV_DISK_GIGABYTES": f"{gigabytes:.3f}" if side == WITH else "0",
            "MAX_NEW_TOKENS": str(plan.returning_answer),
            "METRICS_PORT": str(self._port),
            "MISSED_HOURS": "0",  # the mentions of earlier runs are none that this copy has missed
        }

    async def _ask(self, text: str, files: list[tuple[str, bytes]], folder: Path) -> float:
        """Mention the bot; wait for the whole answer, and return the seconds until its first text appeared."""
        self._sights.clear()
        person, channel = self._discord.people[0].id, self._discord.channels[0].id
        asked_at = time.time()
        content = f"<@{self._discord.bot.id}> {text}"
        message_id = await self._discord.send(person, channel, content, files=files)
        question = _Question(message_id, channel, person, (text,))
        await self._discord.wait_for(lambda: is_settled(question, self._replies), _PATIENCE_SECONDS)
        database = folder / "data" / "conversations.sqlite3"
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while message_id in unfinished_questions(database):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(_POLL_SECONDS)
        memory = StoredMemory.read(database)
        if mistake := judge_answer(question, self._replies, memory):
            raise MeasureError(f"the mention got no answer: {mistake}")
        answers = {message_id: memory.turns[message_id].answer}
        shown = shown_answers(self._sights, answers, memory.replies, {})
        if not shown:
            raise MeasureError("the answer held no visible text")
        return shown[0].shown_at[0] - asked_at

    def _see(self, message: BotMessage, is_new: bool) -> None:
        self._sights.append(Sight(time.time(), message, is_new))

    async def _from_disk(self) -> float:
        """Return the prompt tokens that the bot has loaded from the disk since its start."""
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self._port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(_FROM_DISK))


async def _until_online(bot: BotProcess) -> None:
    """Wait until the bot says that it is: discord.py waits for servers for two seconds after it has connected."""
    reader, log = LogReader(bot.log), ""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while _ONLINE not in log:
            if bot.ended:
                raise MeasureError(f"the bot ended: {log.splitlines()[-1] if log else 'without a word'}")
            await asyncio.sleep(_LOG_POLL_SECONDS)
            log += reader.read_new()


def _cache(folder: Path) -> Path:
    return folder / "data" / DISK_CACHE_NAME


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _summary(runs: list[Figures]) -> Figures:
    return {
        "median_seconds": median(each["first_text_seconds"] for each in runs),
        "worst_seconds": max(each["first_text_seconds"] for each in runs),
        "online_seconds": median(each["online_seconds"] for each in runs),
        "tokens_from_disk": median(each["tokens_from_disk"] for each in runs),
    }
