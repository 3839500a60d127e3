"""Requests that Discord refuses: how it comes to refuse them, and the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bot.discord_client.replies.stop_button import StopButtons
from bot.discord_client.replies.typing_indicators import TypingIndicators
from bot.discord_client.rest.pace import RequestPace
from tests.discord_client.replies.editing import editor_for
from tests.discord_client.stage import Stage

MESSAGES = "/channels/{channel}/messages*"
INTERACTIONS = "/interactions/*"
Refuse = Callable[[Stage], Awaitable[None]]

LONG = "word " * 1000
"""Two and a half messages: a file where an answer may take only one."""
HALF = "word " * 300


# ------------------------------------------------------------------ reasons


@asynccontextmanager
async def heard(stage: Stage, event: str) -> AsyncIterator[None]:
    """Wait until the bot has heard of what the block changes."""
    hearing: asyncio.Future[object] = asyncio.ensure_future(stage.client.wait_for(event, timeout=10))
    await asyncio.sleep(0)
    yield
    await hearing


def without(*permissions: str) -> Refuse:
    async def refuse(stage: Stage) -> None:
        channel = stage.client.get_channel(stage.channel)
        parent = getattr(channel, "parent_id", None) or stage.channel
        async with heard(stage, "guild_channel_update"):
            stage.server.set_permissions(stage.server.bot.id, parent, deny=permissions)

    return refuse


def refused(method: str, status: int, code: int, times: int | None = None, path: str = MESSAGES) -> Refuse:
    async def refuse(stage: Stage) -> None:
        stage.server.fail_next(method, path.format(channel=stage.channel), status, times, code=code)

    return refuse


async def by_nothing(_: Stage) -> None:
    pass


async def in_a_timeout(stage: Stage) -> None:
    async with heard(stage, "member_update"):
        stage.server.time_out(stage.server.bot.id, 600)


async def closed(stage: Stage) -> None:
    await stage.server.archive_thread(stage.person("Ada"), stage.channel)


async def locked(stage: Stage) -> None:
    await stage.server.archive_thread(stage.person("Ada"), stage.channel, lock=True)


async def deleted_channel(stage: Stage) -> None:
    await stage.server.delete_channel(stage.person("Ada"), stage.channel)


async def deleted_parent(stage: Stage) -> None:
    await stage.server.delete_channel(stage.person("Ada"), stage.server.channels[-1].id)


async def deleted_reply(stage: Stage) -> None:
    await stage.server.delete(stage.person("Ada"), stage.channel, int(stage.replies()[-1]["id"]))


# ------------------------------------------------------------------ requests


async def seen(stage: Stage, count: int) -> None:
    await stage.server.wait_for(lambda: len(stage.replies()) == count, what=f"{count} messages")


async def reply(stage: Stage, refuse: Refuse) -> None:
    """A first message with the whole answer."""
    question = await stage.say("Hello", channel=stage.channel)
    await refuse(stage)
    await editor_for(question).finish("Hi")


async def edit(stage: Stage, refuse: Refuse) -> None:
    """An answer that goes on."""
    editor = editor_for(await stage.say("Hello", channel=stage.channel))
    editor.show("Half of")
    await seen(stage, 1)
    await refuse(stage)
    await editor.finish("Half of it.")


async def next_message(stage: Stage, refuse: Refuse) -> None:
    """An answer that needs a second and a third message."""
    editor = editor_for(await stage.say("Hello", channel=stage.channel))
    editor.show(HALF)
    await seen(stage, 1)
    await refuse(stage)
    await editor.finish(LONG)


async def file(stage: Stage, refuse: Refuse) -> None:
    """A first message with a file."""
    question = await stage.say("Hello", channel=stage.channel)
    await refuse(stage)
    await editor_for(question, max_messages=1).finish(LONG)


async def file_in_edit(stage: Stage, refuse: Refuse) -> None:
    """An answer that outgrows its messages."""
    editor = editor_for(await stage.say("Hello", channel=stage.channel), max_messages=1)
    editor.show(HALF)
    await seen(stage, 1)
    await refuse(stage)
    editor.show(LONG)
    await editor.finish(LONG)


async def deletion(stage: Stage, refuse: Refuse) -> None:
    """An answer whose question was deleted."""
    editor = editor_for(await stage.say("Hello", channel=stage.channel))
    editor.show(LONG[:3000])
    await seen(stage, 2)
    await refuse(stage)
    editor.take_back()
    await editor.finish("", "Stopped.")


async def typing(stage: Stage, refuse: Refuse) -> None:
    """The typing indicator."""
    channel = (await stage.say("Hello", channel=stage.channel)).channel
    await refuse(stage)
    with TypingIndicators(RequestPace()).shown(channel):
        path = f"/channels/{stage.channel}/typing"
        await stage.server.wait_for(lambda: any(call.path == path for call in stage.server.calls), what="the request")


async def response(stage: Stage, refuse: Refuse) -> None:
    """A response to a click on the Stop button of an answer that has ended."""
    question = await stage.say("Hello", channel=stage.channel)
    reply = await question.reply("Hi", view=StopButtons(question.id).view())
    await refuse(stage)
    calls = len(stage.server.calls)
    await stage.server.click(stage.person("Grace"), stage.channel, reply.id, f"stop:{question.id}")

    def answered() -> bool:
        return any("/interactions/" in call.path and call.status < 500 for call in stage.server.calls[calls:])

    await stage.server.wait_for(answered, what="a response")
    await seen(stage, 1)
