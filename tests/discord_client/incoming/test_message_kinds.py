"""What the model and the member learn of messages that are more than text: asked alone, and replied to."""

from __future__ import annotations

import pytest

from bot.discord_client.incoming.remarks import GREETING
from tests.discord_client.incoming.conftest import Incoming
from tests.discord_client.incoming.message_kinds import (
    FORWARDED,
    LONG,
    PICTURE,
    SKIPPED_PICTURE,
    STICKER,
    TEXT,
    VOICE,
    Send,
    ada,
    components,
    embed,
    forward,
    pin,
    poll,
    reply_to,
    sticker,
    text,
    voice,
    worded,
)
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


REPLIED = {
    "a long message": (text(LONG), f"who wrote: {LONG.strip()})", []),
    "a text file": (text("", TEXT), "who sent: [file: boat.txt])\n\nThe file boat.txt:\n```\nMinnow sails.\n```", []),
    "a picture": (text("", PICTURE), "who sent: [picture: cat.png, not readable])", [SKIPPED_PICTURE]),
    "a forward": (
        forward,
        f"who wrote: {FORWARDED}\n[picture: cat.png, not readable]\n[file: boat.txt])\n\n"
        "The file boat.txt:\n```\nMinnow sails.\n```",
        [SKIPPED_PICTURE],
    ),
    "a poll": (poll, "who wrote: [poll] Which boat?\n- Minnow (0 votes)\n- Orca (1 vote))", []),
    "a sticker": (
        sticker,
        "who wrote: [sticker: Wave, not readable])",
        [STICKER],
    ),
    "a voice message": (voice, "who sent: [voice message: voice-message.ogg, not readable])", [VOICE]),
    "an embed": (
        embed,
        "who wrote: Storm\nStay ashore.\nWind: 9\n[picture, not readable])",
        ["I only read text, so I skipped the picture."],
    ),
    "components": (
        components,
        "who wrote: Stay ashore.\n[picture: a storm, not readable])",
        ["I only read text, so I skipped the picture a storm."],
    ),
    "a pin": (pin, "who wrote: [ada pinned a message to this channel.])", []),
}


@pytest.mark.parametrize(("send", "ending", "remarks"), REPLIED.values(), ids=list(REPLIED))
async def test_the_model_gets_what_can_be_read_of_a_quote_and_both_learn_what_cannot(
    incoming: Incoming, send: Send, ending: str, remarks: list[str]
) -> None:
    asked = await reply_to(incoming, send, is_direct=True)
    content = worded(asked.read.question)
    assert content.startswith("Is that so?\n\n(In reply to ")
    assert content.endswith(ending), content
    assert asked.read.remarks == remarks
    # A restart reads the message from Discord again.
    again = await incoming.reader.read(await asked.message.channel.fetch_message(asked.message.id))
    assert again == asked.read


@pytest.mark.parametrize("is_by_webhook", [False, True])
async def test_the_preview_of_a_link_is_not_read(incoming: Incoming, is_by_webhook: bool) -> None:
    server, url = incoming.stage.server, "https://example.com/boat"

    async def send(_: Stage, channel: int) -> int:
        if is_by_webhook:
            return await server.send_by_webhook(channel, "News", f"See {url}", embeds=[{"title": "A boat", "url": url}])
        message_id = await server.send(ada(incoming.stage), channel, f"See {url}")
        await server.add_preview(channel, message_id, "A boat", url)
        return message_id

    content = worded((await reply_to(incoming, send, is_direct=True)).read.question)
    assert content.endswith(f"who wrote: See {url})")


async def test_everything_unreadable_is_told_in_one_line_for_each_reason(incoming: Incoming) -> None:
    quoted = await incoming.mention("Look.", by="Ada", files=[PICTURE, ("a.zip", b"PK\x03\x04")])
    message = await incoming.mention("Why?", reply_to=quoted.id, files=[("b.png", b"\x89PNG")])
    read = await incoming.reader.read(message)
    assert read.remarks == ["I only read text files and PDFs, so I skipped b.png, cat.png and a.zip."]
    assert worded(read.question) == (
        "Why?\n\n(In reply to Ada, who wrote: Look.\n[picture: cat.png, not readable]\n[file: a.zip, not readable])"
        "\n\n[picture: b.png, not readable]"
    )


# ------------------------------------------------------------ alone in a direct message

ALONE = {
    "a forward": (forward, f"{FORWARDED}\n\n[picture: cat.png, not readable]\n\nThe file boat.txt:", [SKIPPED_PICTURE]),
    "a poll": (poll, "[poll] Which boat?\n- Minnow", []),
    "a text with a picture": (
        text("What is this?", PICTURE),
        "What is this?\n\n[picture: cat.png, not readable]",
        [SKIPPED_PICTURE],
    ),
    "a sticker": (sticker, None, [STICKER]),
    "a picture": (text("", PICTURE), None, [SKIPPED_PICTURE]),
    "a voice message": (voice, None, [VOICE]),
}


@pytest.mark.parametrize(("send", "beginning", "remarks"), ALONE.values(), ids=list(ALONE))
async def test_whatever_can_be_read_is_a_question_by_itself(
    incoming: Incoming, send: Send, beginning: str | None, remarks: list[str]
) -> None:
    stage = incoming.stage
    dm = await stage.server.open_dm(ada(stage))
    message = await stage.receive(send(stage, dm), channel=dm)
    assert incoming.reader.invitation(message) is None
    read = await incoming.reader.read(message)
    assert read.remarks == remarks
    if beginning is None:
        assert read.question is None
    else:
        assert worded(read.question).startswith(beginning)
        assert read.question is not None
        assert read.question.reply_to is None, "a forward is no reply"


# ------------------------------------------------------------ a mention alone


async def test_a_mention_alone_asks_what_it_replies_to(incoming: Incoming) -> None:
    quoted = await incoming.mention("What is this?", by="Ada", files=[TEXT, PICTURE])
    message = await incoming.mention("", by="Grace", reply_to=quoted.id)
    assert incoming.reader.invitation(message) is None
    read = await incoming.reader.read(message)
    assert worded(read.question) == (
        "Ada asks: What is this?\n[file: boat.txt]\n[picture: cat.png, not readable]\n\n"
        "The file boat.txt:\n```\nMinnow sails.\n```"
    )
    assert read.question is not None
    assert read.question.asked.author_name == "Grace", "whoever mentions the bot asks"
    assert read.remarks == [SKIPPED_PICTURE]


@pytest.mark.parametrize("send", [sticker, text("", PICTURE), text("\u200b")])
async def test_a_mention_alone_below_nothing_readable_asks_nothing(incoming: Incoming, send: Send) -> None:
    assert (await reply_to(incoming, send, content="", is_direct=True)).read.question is None


async def test_a_mention_alone_in_a_channel_is_greeted(incoming: Incoming) -> None:
    for content in ("", "\u200b", "\ufeff \u2060"):
        assert incoming.reader.invitation(await incoming.mention(content)) == GREETING
