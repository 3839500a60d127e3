"""After `/forget everywhere` no file of the bot holds a word of the member, in whatever way the bot came to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.demo.loopback import LoopbackDiscord
from tests.end_to_end.asking import ask, ask_about, begin, open_menu
from tests.end_to_end.asking_by_mode import INTENT, channel_in, reading_all
from tests.end_to_end.commands import forget, press
from tests.end_to_end.stage import Stage, until

MARK = "XYZZYMARK"


def holding_mark(folder: Path) -> Iterator[str]:
    """The files that hold the mark."""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError, IsADirectoryError):  # the bot has just removed it
            if MARK.encode() in path.read_bytes():
                yield path.name


async def ask_in_every_way(stage: Stage, channel: int) -> tuple[int, int]:
    """Ask as Grace: with a file and again, in a thread, in a burst, by commands; return two of the answers."""
    discord, grace = stage.discord, stage.grace
    text = f"<@{discord.bot.id}> {MARK} one?"
    question = await discord.send(grace.id, channel, text, files=[(f"{MARK}.txt", f"{MARK} file".encode())])
    [answer] = await stage.answer(grace, channel, question)
    await press(stage, grace, channel, answer, "Regenerate")
    await stage.answered_again(question)
    threads, free = await channel_in(stage, "threads", "threads"), await channel_in(stage, "free", "free")
    await stage.answered(await stage.mention(grace, threads, f"{MARK} in a thread?"))
    for part in (f"{MARK} first", f"{MARK} second"):
        last = await discord.send(grace.id, free, part)
    await stage.answered(last)
    _, shared = await ask(stage, grace, channel, question=f"{MARK} asked?")
    await ask(stage, grace, channel, question=f"{MARK} private?", private=True)
    return int(answer["id"]), int(shared["id"])


async def quote_in_every_way(stage: Stage, channel: int, answers: tuple[int, int]) -> int:
    """Ask as Ada about what Grace wrote, in a chain and from menus; return the middle of the chain."""
    said = await stage.discord.send(stage.grace.id, channel, f"{MARK} said")
    middle = await stage.discord.send(stage.ada.id, channel, "A reply", reply_to=said)
    await stage.answered(await stage.mention(stage.ada, channel, "What do they mean?", reply_to=middle))
    for target in (said, middle, *answers):
        await ask_about(stage, stage.ada, channel, target, question="Why?", audience="member")
    return middle


async def test_nothing_is_left(
    tiny_chat_model_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        LoopbackDiscord(granted_intents=[INTENT]) as discord,
        reading_all(tiny_chat_model_dir, discord, data_dir=tmp_path) as stage,
    ):
        channel = await channel_in(stage, "plain", "mention")
        middle = await quote_in_every_way(stage, channel, await ask_in_every_way(stage, channel))
        queue = stage.bot.application.answering.queue
        queue.pause()
        waiting, _ = await begin(stage, stage.grace, channel, question=f"{MARK} waits?", private=True)
        opened, _ = await open_menu(stage, stage.ada, channel, middle)
        kept = await discord.submit_modal(stage.ada.id, opened, {"question": "Why?", "audience": "member"})
        await until(lambda: stage.bot.application.client.running_replies.get(kept) is not None)
        assert list(holding_mark(tmp_path)) != []

        await forget(stage, channel, "Forget", "Deleted ", where="everywhere")

        await stage.answered(waiting)
        assert list(holding_mark(tmp_path)) == []
        queue.resume()
        await stage.answered(kept)
        assert list(holding_mark(tmp_path)) == []
        assert len(await stage.questions(channel, -stage.ada.id)) == 5, "what Ada asked stays"
    written = capfd.readouterr()
    assert MARK not in caplog.text + written.out + written.err
