"""Messages that are more than text and files, as the bot and the people see them."""

from __future__ import annotations

import discord

from bot.demo.loopback import LoopbackDiscord
from tests.demo.loopback.conftest import eventually
from tests.demo.loopback.sample_bot import SampleBot


async def latest(bot: SampleBot, message_id: int) -> discord.Message:
    found = await eventually(lambda: [message for message in bot.saw("message") if message.id == message_id])
    assert isinstance(found[0], discord.Message)
    return found[0]


async def test_a_direct_message_shows_all_of_them(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    dm = await server.open_dm(ada)
    original = await server.send(ada, general, "Fish fly.", files=[("a.txt", b"hi")])
    forward = await latest(bot, await server.forward(ada, (general, original), dm))
    assert (forward.content, forward.message_snapshots[0].content) == ("", "Fish fly.")
    assert await forward.message_snapshots[0].attachments[0].read() == b"hi"
    assert forward.reference is not None
    assert forward.reference.type is discord.MessageReferenceType.forward

    poll_id = await server.send_poll(ada, dm, "Which?", ["This", "That"])
    assert (await latest(bot, poll_id)).poll is not None
    await server.vote(ada, dm, poll_id, 2)
    poll = (await (await bot.fetch_user(ada)).fetch_message(poll_id)).poll
    assert poll is not None
    assert [(answer.text, answer.vote_count) for answer in poll.answers] == [("This", 0), ("That", 1)]

    assert (await latest(bot, await server.send_sticker(ada, dm, "Wave"))).stickers[0].name == "Wave"
    voice = await latest(bot, await server.send_voice_message(ada, dm))
    assert voice.attachments[0].is_voice_message()
    assert voice.flags.voice


async def test_without_the_intent_a_channel_shows_only_that_they_are_there(
    server: LoopbackDiscord, bot: SampleBot
) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    embed = await latest(bot, await server.send_by_webhook(general, "News", embeds=[{"title": "Storm"}]))
    assert (embed.author.display_name, embed.author.bot, embed.embeds) == ("News", True, [])
    shown = [{"type": 10, "content": "Storm"}]
    components = await latest(bot, await server.send_by_webhook(general, "News", components=shown))
    assert (components.components, components.flags.components_v2) == ([], True)
    assert server.messages(ada, general)[-1]["components"][0]["content"] == "Storm"
    welcome = await latest(bot, await server.welcome(ada, general))
    assert (welcome.type, welcome.is_system()) == (discord.MessageType.new_member, True)
    pin = await latest(bot, await server.announce_pin(ada, general, embed.id))
    assert pin.type is discord.MessageType.pins_add


async def test_a_preview_is_an_update_without_an_edit(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada = server.people[0].id
    dm = await server.open_dm(ada)
    message_id = await server.send(ada, dm, "https://example.com")
    await latest(bot, message_id)
    await server.add_preview(dm, message_id, "Example", "https://example.com")
    (updated,) = await eventually(lambda: bot.saw("edit"))
    assert (updated.embeds[0].title, updated.edited_at) == ("Example", None)


async def test_a_post_shares_its_id_with_its_first_message(server: LoopbackDiscord, bot: SampleBot) -> None:
    forum = server.add_forum("support", tags=["boats", "help"])
    post = await server.create_post(
        server.people[1].id, forum.id, "Which boat?", f"<@{server.bot.id}> must not leak", tags=["help"]
    )
    message = await latest(bot, post)
    assert isinstance(message.channel, discord.Thread)
    assert (message.channel.id, message.channel.name, isinstance(message.channel.parent, discord.ForumChannel)) == (
        post,
        "Which boat?",
        True,
    )
    assert [tag.name for tag in message.channel.applied_tags] == ["help"]
    assert [shown["id"] for shown in server.messages(server.people[0].id, post)] == [str(post)]
