"""The bot's threads get a better name, once, when the engine is idle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bot.answering.titles import Titles
from bot.demo.loopback import CallKind, ConnectionFault, LoopbackDiscord
from tests.end_to_end.asking_by_mode import INTENT, bots_messages, channel_in, reading_all
from tests.end_to_end.commands import press
from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "What is the capital of France?"
TITLE = "Capitals of Europe"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tiny_chat_model_dir: Path) -> AsyncIterator[Stage]:
    async with reading_all(tiny_chat_model_dir) as stage:
        yield stage


@pytest.fixture(autouse=True)
def _written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sensible title, which the tiny model cannot write."""
    write = Titles.title_of

    async def title_of(self: Titles, key: object) -> str:
        return TITLE if await write(self, key) else ""  # type: ignore[arg-type]

    monkeypatch.setattr(Titles, "title_of", title_of)


def name_of(discord: LoopbackDiscord, thread: int) -> str:
    return str(discord._state.backend.channels[thread].name)


def renames(discord: LoopbackDiscord) -> int:
    return sum(call.kind is CallKind.RENAME for call in discord.calls)


async def asked(stage: Stage, channel: int, then: Callable[[str], None] = lambda _: None) -> int:
    """Ask as Grace, and return the thread, which has the question's id.

    Args:
        then: is called with the path of the request that renames the thread, before that is made.
    """
    question = await stage.mention(stage.grace, channel, QUESTION)
    then(f"/channels/{question}")
    await stage.answer(stage.grace, channel, question)
    return question


async def test_a_thread_is_renamed_once(stage: Stage) -> None:
    channel, before = await channel_in(stage, "renamed", "threads"), renames(stage.discord)
    thread = await asked(stage, channel)
    await stage.discord.wait_for(lambda: name_of(stage.discord, thread) == TITLE)
    again = await stage.discord.send(stage.grace.id, thread, "And of Spain?")
    await stage.answer(stage.grace, thread, again)
    other = await asked(stage, channel)
    await stage.discord.wait_for(lambda: name_of(stage.discord, other) == TITLE)
    assert renames(stage.discord) == before + 2


async def test_a_name_that_somebody_gave_stays(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    channel, before = await channel_in(stage, "named", "threads"), renames(stage.discord)
    title_of = Titles.title_of

    async def named_meanwhile(self: Titles, key: object) -> str:
        thread = int(key.channel_id)  # type: ignore[attr-defined]
        client = stage.bot.application.client
        stage.discord._state.backend.edit_channel(thread, {"name": "by Ada"})
        await until(lambda: client.get_channel(thread).name == "by Ada")  # type: ignore[union-attr]
        return await title_of(self, key)  # type: ignore[arg-type]

    monkeypatch.setattr(Titles, "title_of", named_meanwhile)
    thread = await asked(stage, channel)
    again = await stage.discord.send(stage.grace.id, thread, "And of Spain?")
    await stage.answer(stage.grace, thread, again)
    assert name_of(stage.discord, thread) == "by Ada"
    assert renames(stage.discord) == before


async def test_a_rename_that_failed_is_tried_again(stage: Stage) -> None:
    channel = await channel_in(stage, "broken", "threads")
    thread = await asked(
        stage, channel, lambda path: stage.discord.break_next("PATCH", path, ConnectionFault.DISCONNECT)
    )
    await stage.discord.wait_for(lambda: name_of(stage.discord, thread) == TITLE)


async def test_a_refused_rename_leaves_the_name(stage: Stage) -> None:
    channel, before = await channel_in(stage, "refused", "threads"), renames(stage.discord)
    thread = await asked(stage, channel, lambda path: stage.discord.fail_next("PATCH", path, 403, code=50013))
    await until(lambda: renames(stage.discord) > before)
    again = await stage.discord.send(stage.grace.id, thread, "And of Spain?")
    await stage.answer(stage.grace, thread, again)
    assert name_of(stage.discord, thread) == QUESTION
    assert renames(stage.discord) == before + 1


@pytest.mark.parametrize("is_regenerated", [False, True], ids=["to another question", "in another version"])
async def test_a_title_that_a_restart_prevented_comes_after_the_next_answer(
    tiny_chat_model_dir: Path, tmp_path: Path, is_regenerated: bool
) -> None:
    async with LoopbackDiscord(granted_intents=[INTENT]) as discord:
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            channel = await channel_in(stage, "restarted", "threads")
            thread = await asked(stage, channel, lambda path: discord.fail_next("PATCH", path, 503, times=None))
            await until(lambda: renames(discord) == 1)
        discord.end_faults()
        assert name_of(discord, thread) == QUESTION
        async with reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage:
            if is_regenerated:
                [answer] = bots_messages(discord, thread)
                await press(stage, stage.grace, thread, answer, "Regenerate")
            else:
                again = await discord.send(stage.grace.id, thread, "And of Spain?")
                await stage.answer(stage.grace, thread, again)
            await discord.wait_for(lambda: name_of(discord, thread) == TITLE)
