"""What Discord can refuse, one row for each request and reason, and what the asker then sees.

Every row runs on the loopback Discord. Where it does not refuse by itself, as Discord does after a change that the bot
has not heard of, the refusal is injected with Discord's code.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.demo.loopback import LoopbackError
from tests.discord_client.replies.refusing import (
    INTERACTIONS,
    Refuse,
    by_nothing,
    closed,
    deleted_channel,
    deleted_parent,
    deleted_reply,
    deletion,
    edit,
    file,
    file_in_edit,
    in_a_timeout,
    locked,
    next_message,
    refused,
    reply,
    response,
    typing,
    without,
)
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")

_NAMES = itertools.count()

WORDS = "word word*"
NO_HISTORY = (
    "-# I cannot reply to your message here, only write below it. "
    "Ask a moderator to give me the permission Read Message History."
)
NO_FILES = "-# I cannot attach files here. Ask a moderator to give me the permission Attach Files."
NO_MORE = "-# I cannot send more messages here. Ask a moderator to give me the permission Send Messages."
CUT = "-# This answer is too long for Discord, so its end is missing. Ask for a shorter one."
BLOCKED = "This server's AutoMod does not let me post my answer. Ask in other words, or ask a moderator."
REFUSED = "Discord does not take my answer. Ask in other words, or tell whoever runs me."
DELETED = "This question was deleted, so I stopped answering it."
GENERIC = "Discord does not let me answer you in {place}. Ask in another channel, or ask me here."
CLOSED = (
    "I cannot answer you in {place} because that thread is closed. Ask a moderator to open it or to give me the "
    "permission Manage Threads, or ask me here."
)
TIMEOUT = "I cannot answer you in {place} because I am in a timeout there. Ask again when it is over, or ask me here."


def lacks(permission: str) -> str:
    ask = f"Ask a moderator to give me the permission {permission} there, or ask me here."
    return f"I cannot answer you in {{place}}. {ask}"


@dataclass(frozen=True)
class Row:
    """A refused request, and what follows.

    Attributes:
        shown: the bot's messages in the channel; "word word*" is any part of the long answer, with its lines below.
        direct: what the asker gets as a direct message.
        place: the kind of channel.
        is_stuck: whether nothing can be done about the Stop button.
    """

    request: Callable[[Stage, Refuse], Awaitable[None]]
    refuse: Refuse
    shown: tuple[str, ...]
    direct: str = ""
    place: str = "text"
    id: str = ""
    is_stuck: bool = False


TABLE = [
    Row(reply, by_nothing, ("Hi",), id="nothing"),
    Row(reply, by_nothing, ("Hi",), place="news", id="nothing in an announcement channel"),
    Row(reply, by_nothing, ("Hi",), place="voice", id="nothing in a voice channel"),
    Row(reply, by_nothing, ("Hi",), place="stage_voice", id="nothing in a stage channel"),
    Row(reply, without("read_message_history"), (f"Hi\n{NO_HISTORY}",), id="no history"),
    Row(reply, without("read_message_history"), (f"Hi\n{NO_HISTORY}",), place="thread", id="no history in a thread"),
    Row(reply, refused("POST", 400, 160002, 1), (f"Hi\n{NO_HISTORY}",), id="no history, unheard of"),
    Row(reply, without("send_messages"), (), lacks("Send Messages"), id="no sending"),
    Row(reply, without("send_messages"), ("Hi",), place="thread", id="no sending beside a thread"),
    Row(
        reply,
        without("send_messages_in_threads"),
        (),
        lacks("Send Messages in Threads"),
        place="thread",
        id="no sending in threads",
    ),
    Row(reply, without("view_channel"), (), lacks("View Channel"), id="hidden"),
    Row(reply, without("view_channel", "send_messages"), (), lacks("View Channel"), id="hidden first of all"),
    Row(reply, without("connect"), (), lacks("Connect"), place="voice", id="no connecting"),
    Row(reply, refused("POST", 403, 50013), (), lacks("Send Messages"), id="no sending, unheard of"),
    Row(reply, refused("POST", 403, 50001), (), lacks("View Channel"), id="hidden, unheard of"),
    Row(reply, in_a_timeout, (), TIMEOUT, id="timeout"),
    Row(reply, closed, ("Hi",), place="thread", id="closed thread"),
    Row(reply, locked, (), CLOSED, place="thread", id="locked thread"),
    Row(reply, refused("POST", 400, 20016, 2), ("Hi",), id="slow mode"),
    Row(reply, refused("POST", 403, 50009), (), GENERIC, id="a reason that nobody knows"),
    Row(reply, refused("POST", 400, 50035, 1), (REFUSED,), id="a text that Discord does not take"),
    Row(reply, refused("POST", 400, 200000, 1), (BLOCKED,), id="AutoMod"),
    Row(reply, deleted_channel, (), id="deleted channel"),
    Row(reply, deleted_parent, (), place="thread", id="deleted parent"),
    Row(reply, refused("POST", 403, 50278), (), place="direct", id="no common server"),
    Row(reply, refused("POST", 403, 50007), (), place="direct", id="closed or blocked direct messages"),
    Row(edit, without("send_messages"), ("Half of it.",), id="no sending, but an edit"),
    Row(edit, without("read_message_history"), ("Half of it.",), id="no history, but an edit"),
    Row(edit, without("view_channel"), ("Half of",), lacks("View Channel"), id="hidden before an edit", is_stuck=True),
    Row(edit, closed, ("Half of it.",), place="thread", id="thread closed before an edit"),
    Row(edit, locked, ("Half of",), CLOSED, place="thread", id="thread locked before an edit", is_stuck=True),
    Row(edit, in_a_timeout, ("Half of it.",), id="timeout before an edit"),
    Row(edit, refused("PATCH", 429, 30046, 1), ("Half of it.",), id="edits of an old message"),
    Row(edit, refused("PATCH", 400, 50035, 1), (REFUSED,), id="an edit that Discord does not take"),
    Row(edit, refused("PATCH", 400, 200000, 1), (BLOCKED,), id="AutoMod in an edit"),
    Row(edit, deleted_reply, (), id="deleted reply"),
    Row(edit, deleted_channel, (), id="channel deleted before an edit"),
    Row(
        next_message,
        without("send_messages", "attach_files"),
        (f"{WORDS}\n{CUT}\n{NO_MORE}",),
        id="no sending before the second message",
    ),
    Row(next_message, in_a_timeout, (f"{WORDS}\n{CUT}\n{NO_MORE}",), id="timeout before the second message"),
    Row(next_message, without("attach_files"), (WORDS, WORDS, WORDS), id="no files, and none is needed"),
    Row(next_message, refused("POST", 400, 50035, 1), (REFUSED,), id="a second message that Discord does not take"),
    Row(file, without("attach_files"), (WORDS, WORDS, f"{WORDS}\n{NO_FILES}"), id="no files"),
    Row(file, refused("POST", 403, 50013, 1), (WORDS, WORDS, f"{WORDS}\n{NO_FILES}"), id="no files, unheard of"),
    Row(file, refused("POST", 413, 40005, 1), (WORDS, WORDS, f"{WORDS}\n{NO_FILES}"), id="a file that is too large"),
    Row(file_in_edit, without("attach_files"), (WORDS, WORDS, f"{WORDS}\n{NO_FILES}"), id="no files in an edit"),
    Row(
        file_in_edit,
        refused("PATCH", 403, 50013, 1),
        (WORDS, WORDS, f"{WORDS}\n{NO_FILES}"),
        id="no files in an edit, unheard of",
    ),
    Row(deletion, by_nothing, (), id="nothing at a deletion"),
    Row(deletion, closed, (), place="thread", id="thread closed before a deletion"),
    Row(deletion, locked, (WORDS, WORDS), place="thread", id="thread locked before a deletion", is_stuck=True),
    Row(deletion, without("send_messages", "read_message_history"), (), id="no sending at a deletion"),
    Row(deletion, refused("DELETE", 403, 50013), (DELETED, DELETED), id="no deletion"),
    Row(deletion, refused("DELETE", 503, 0, 1), (), id="an outage at a deletion"),
    Row(deletion, deleted_reply, (), id="a message that is gone already"),
    Row(deletion, deleted_channel, (), id="channel deleted before a deletion"),
    Row(typing, without("send_messages"), (), id="no sending"),
    Row(typing, without("view_channel"), (), id="hidden"),
    Row(response, by_nothing, ("Hi",), id="nothing"),
    Row(response, without("send_messages", "read_message_history"), ("Hi",), id="no sending"),
    Row(response, refused("POST", 503, 0, 1, INTERACTIONS), ("Hi",), id="an outage"),
    Row(response, refused("POST", 404, 10062, 1, INTERACTIONS), ("Hi",), id="too late", is_stuck=True),
    Row(response, refused("POST", 400, 50083, 1, INTERACTIONS), ("Hi",), id="closed thread", is_stuck=True),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.request.__name__}: {row.id}")
async def test_a_refused_request(shared_stage: Stage, row: Row, caplog: pytest.LogCaptureFixture) -> None:
    stage = await place_for(shared_stage, row.place)
    server = stage.server
    private = await server.open_dm(stage.person("Grace"))
    earlier = [len(bots_messages(stage, channel)) for channel in (stage.channel, private)]
    try:
        with caplog.at_level(logging.INFO, "bot"):
            await row.request(stage, row.refuse)
    finally:
        server.end_faults()
        server.time_out(server.bot.id, 0)
    replies, told = [
        bots_messages(stage, channel)[count:] for channel, count in zip((stage.channel, private), earlier, strict=True)
    ]
    assert [as_row(reply["content"]) for reply in replies] == list(row.shown)
    assert row.is_stuck or not any(reply["components"] for reply in replies)
    assert [line["content"] for line in told] == (
        [row.direct.format(place=f"<#{stage.channel}>")] if row.direct else []
    )
    assert "Traceback" not in caplog.text


async def place_for(stage: Stage, kind: str) -> Stage:
    server = stage.server
    if kind == "direct":
        return replace(stage, channel=await server.open_dm(stage.person("Grace")))
    channel = server.add_channel(f"table-{next(_NAMES)}", "text" if kind == "thread" else kind).id
    if kind == "thread":
        server.set_permissions(server.bot.id, channel, deny=["manage_threads"])
        channel = await server.create_thread(stage.person("Ada"), channel, "a thread")
    return replace(stage, channel=channel)


def bots_messages(stage: Stage, channel: int) -> list[dict[str, Any]]:
    """The bot's messages as the asker sees them, none in a channel that is gone."""
    try:
        messages = stage.server.messages(stage.person("Grace"), channel)
    except LoopbackError:
        return []
    return [each for each in messages if each["author"]["id"] == str(stage.server.bot.id)]


def as_row(text: str) -> str:
    """A text as the table has it: parts of the long answer alike."""
    body, *notes = text.split("\n-# ")
    body = WORDS if set(body.split()) == {"word"} else body
    return "\n-# ".join([body, *notes])
