"""What the model reads of a Discord message."""

from __future__ import annotations

import pytest

from bot.discord_client.incoming.readable_text import readable_text
from tests.discord_client.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def read(stage: Stage, content: str) -> str:
    message = await stage.say(
        content.format(bot=stage.server.bot.id, ada=stage.person("Ada"), general=stage.server.channels[0].id)
    )
    return readable_text(message, stage.server.bot.id)


async def test_every_kind_of_markup_reads_as_on_discord(stage: Stage) -> None:
    cases = {
        "<@{bot}> Hello": "Hello",
        "<@!{bot}>\tHello": "Hello",
        "Hello <@{bot}>": "Hello",
        "Hey <@{bot}> what is up?": "Hey what is up?",
        "<@{bot}><@{bot}> Hello": "Hello",
        "<@{bot}>": "",
        "<@{bot}> ask <@{ada}> about it": "ask @Ada about it",
        "<@{bot}> ask <@!{ada}>, please": "ask @Ada, please",
        "<@{bot}> who is <@123456789012345678>?": "who is @somebody?",
        "<@{bot}> see <#{general}>": "see #general",
        "<@{bot}> see <#123456789012345678>": "see #a channel",
        "<@{bot}> and <@&123456789012345678> too": "and @a role too",
        "<@{bot}> nice <:parrot:123456789012345678><a:wave:123456789012345678>": "nice :parrot::wave:",
        "<@{bot}> use </model info:123456789012345678>": "use /model info",
        "<@{bot}> at <t:0> or <t:1700000000:R>": "at 01 January 1970 00:00 UTC or 14 November 2023 22:13 UTC",
        "<@{bot}> at <t:999999999999>": "at an unknown time",
        "<@{bot}> look into <id:browse> and <id:customize>": "look into Browse Channels and Channels & Roles",
        "<@{bot}> if a <b> and c > d: <@x> <#> <:a:> <t:x>": "if a <b> and c > d: <@x> <#> <:a:> <t:x>",
        "<@{bot}>\n```py\nx = 1\n```": "```py\nx = 1\n```",
    }
    for content, expected in cases.items():
        assert await read(stage, content) == expected, content


@pytest.mark.parametrize("content", ["Hello", "Hello <@{ada}>", "  spaces  "])
async def test_a_direct_message_needs_no_mention(stage: Stage, content: str) -> None:
    dm = await stage.server.open_dm(stage.person("Grace"))
    message = await stage.say(content.format(ada=stage.person("Ada")), channel=dm)
    assert readable_text(message, stage.server.bot.id) == content.format(ada=stage.person("Ada")).strip().replace(
        f"<@{stage.person('Ada')}>", "@Ada"
    )


@pytest.mark.parametrize(
    "blank", ["\u200b", "\u2060 \ufeff", "\ufe0f\ufe0e", "\u3164", "\u115f\uffa0", "\u2800", "\xad\u034f"]
)
async def test_characters_without_width_alone_are_nothing(stage: Stage, blank: str) -> None:
    assert await read(stage, f"<@{{bot}}> {blank}") == ""
    assert await read(stage, f"<@{{bot}}> {blank}\N{HEAVY BLACK HEART}\ufe0f") != ""
