"""Modals with every field that discord.py can send."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.demo.loopback import LoopbackDiscord, LoopbackError
from tests.demo.loopback.sample_bot import SampleBot
from tests.demo.loopback.test_interactions import _until_modal, last_message


def _choice(value: str, *, default: bool = False) -> discord.SelectOption:
    return discord.SelectOption(label=value.title(), value=value, default=default)


class WholeForm(discord.ui.Modal, title="Everything"):
    hint: discord.ui.TextDisplay[Any] = discord.ui.TextDisplay("Fill it in.")
    question: discord.ui.Label[Any] = discord.ui.Label(
        text="Question", description="What to ask", component=discord.ui.TextInput(custom_id="question")
    )
    tone: discord.ui.Label[Any] = discord.ui.Label(
        text="Tone",
        component=discord.ui.Select(custom_id="tone", options=[_choice("calm", default=True), _choice("wild")]),
    )
    friend: discord.ui.Label[Any] = discord.ui.Label(
        text="Friend", component=discord.ui.UserSelect(custom_id="friend", required=False)
    )
    files: discord.ui.Label[Any] = discord.ui.Label(
        text="Files", component=discord.ui.FileUpload(custom_id="files", required=False, max_values=2)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        question, tone, friend, files = (
            label.component for label in (self.question, self.tone, self.friend, self.files)
        )
        assert isinstance(question, discord.ui.TextInput)
        assert isinstance(tone, discord.ui.Select)
        assert isinstance(friend, discord.ui.UserSelect)
        assert isinstance(files, discord.ui.FileUpload)
        texts = [(await file.read()).decode() for file in files.values]
        friends = [one.display_name for one in friend.values]
        await interaction.response.send_message(f"{question.value} {tone.values} {friends} {texts}")


class FormBot(SampleBot):
    def __init__(self) -> None:
        super().__init__()

        @self.tree.command(description="Everything")
        async def whole(interaction: discord.Interaction) -> None:
            await interaction.response.send_modal(WholeForm())


@pytest.fixture
def bot_class() -> type[SampleBot]:
    return FormBot


async def open_form(server: LoopbackDiscord, person_id: int, channel_id: int) -> int:
    events = server.subscribe()
    interaction_id = await server.invoke(person_id, channel_id, ["whole"])
    assert [event async for event in _until_modal(events)]
    events.close()
    return interaction_id


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"question": "Why?"}, "Why? ['calm'] [] []"),
        ({"question": "Why?", "tone": "wild"}, "Why? ['wild'] [] []"),
        ({"question": "Why?", "files": [("a.txt", b"one"), ("b.txt", b"two")]}, "Why? ['calm'] [] ['one', 'two']"),
    ],
)
async def test_labelled_fields(server: LoopbackDiscord, bot: SampleBot, values: dict[str, Any], said: str) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    form = await open_form(server, ada, general)
    await server.submit_modal(ada, form, values)
    await last_message(server, ada, general, said)


async def test_a_menu_of_people(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    form = await open_form(server, ada, general)
    await server.submit_modal(ada, form, {"question": "Who?", "friend": [str(grace)]})
    await last_message(server, ada, general, "Who? ['calm'] ['Grace'] []")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "'question' was not supplied"),
        ({"question": "Why?", "mood": "low"}, "no field 'mood'"),
        ({"question": "Why?", "tone": "robot"}, "option 'robot' does not exist"),
        ({"question": "Why?", "files": [("a", b"")] * 3}, "between 1 and 2 files"),
        ({"question": "Why?", "friend": ["12"]}, "no user 12"),
        ({"question": "Why?", "files": [("big", bytes(10 * 1024 * 1024 + 1))]}, "big is over 10 MiB"),
    ],
)
async def test_what_a_form_refuses(
    server: LoopbackDiscord, bot: SampleBot, values: dict[str, Any], reason: str
) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    form = await open_form(server, ada, general)
    with pytest.raises(LoopbackError, match=reason):
        await server.submit_modal(ada, form, values)
