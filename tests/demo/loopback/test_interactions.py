"""Commands, buttons, menus and modals, seen by the person and by the bot."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest

from bot.demo.loopback import Event, LoopbackDiscord, LoopbackError, Subscription, interaction_state
from bot.demo.loopback.values import Payload
from tests.demo.loopback.sample_bot import Buttons, SampleBot

EPHEMERAL = 64


async def last_message(server: LoopbackDiscord, person_id: int, channel_id: int, content: str) -> Payload:
    def found() -> Payload | None:
        return next((one for one in server.messages(person_id, channel_id) if one["content"] == content), None)

    return await server.wait_for(found, 10, what=f"a message {content!r}")


async def send_buttons(server: LoopbackDiscord, bot: SampleBot) -> int:
    channel = bot.get_channel(server.channels[0].id)
    assert isinstance(channel, discord.TextChannel)
    return (await channel.send("streaming", view=Buttons())).id


async def test_sync_lists_every_subcommand(server: LoopbackDiscord, bot: SampleBot) -> None:
    commands = {" ".join(command["path"]): command for command in server.commands()}
    assert sorted(commands) == [
        *("admin", "ask", "echo", "form", "long-form", "model use", "secret", "silent", "tag", "vanish")
    ]
    assert commands["model use"]["description"] == "Choose a model"
    assert [option["name"] for option in commands["echo"]["options"]] == ["text", "times", "loud", "to", "file"]
    assert server.message_commands() == ["Explain"]


async def test_a_command_with_every_kind_of_option(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    options = {"text": "hi", "times": "2", "loud": True, "to": str(grace), "file": ("note.txt", b"love")}
    interaction_id = await server.invoke(ada, general, ["echo"], options)
    message = await last_message(server, grace, general, "HI HI to Grace with love")
    metadata = message["interaction_metadata"]
    assert (metadata["id"], metadata["name"], metadata["user"]["id"]) == (str(interaction_id), "echo", str(ada))


async def test_a_command_that_names_a_channel_and_a_role(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general, help_channel = server.people[0].id, server.channels[0].id, server.channels[1].id
    options = {"channel": help_channel, "role": server.guild_id, "who": server.guild_id}
    await server.invoke(ada, general, ["tag"], options)
    await last_message(server, ada, general, "help, @everyone, @everyone")
    with pytest.raises(LoopbackError, match="'x' is not the id of a role"):
        await server.invoke(ada, general, ["tag"], {**options, "role": "x"})


@pytest.mark.parametrize(
    ("path", "options", "reason"),
    [
        (["ecko"], {}, "no command 'ecko'"),
        (["echo"], {}, "needs the option 'text'"),
        (["echo"], {"text": "hi", "times": 6}, "must be ≤ 5"),
        (["echo"], {"text": "hi", "tone": 1}, "no option 'tone'"),
        (["echo"], {"text": "hi", "to": 12}, "no user 12"),
        (["model"], {}, "is a group; choose one of use"),
        (["admin"], {}, "cannot be used by this person here"),
    ],
)
async def test_a_command_that_a_person_cannot_use(
    server: LoopbackDiscord, bot: SampleBot, path: list[str], options: dict[str, object], reason: str
) -> None:
    linus, general = server.people[2].id, server.channels[0].id
    with pytest.raises(LoopbackError, match=reason):
        await server.invoke(linus, general, path, options)


async def test_commands_of_a_person_omit_those_without_permission(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, linus, general = server.people[0].id, server.people[2].id, server.channels[0].id
    assert ["admin"] in [command["path"] for command in server.commands_of(ada, general)]
    assert ["admin"] not in [command["path"] for command in server.commands_of(linus, general)]


async def test_a_deferred_response_is_edited_and_followed_up(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    events = server.subscribe()
    interaction_id = await server.invoke(ada, general, ["ask"])
    followup = await last_message(server, ada, general, "a followup")
    assert followup["attachments"][0]["filename"] == "answer.txt"
    events.close()
    shown = [(event.kind, event.data) async for event in events]
    contents = [(kind, data["content"], data["flags"]) for kind, data in shown if kind.startswith("message")]
    assert contents == [("message", "", 128), ("message_edit", "an answer", 0), ("message", "a followup", 0)]
    statuses = [(data["id"], data["status"]) for kind, data in shown if kind == "interaction"]
    assert statuses == [(interaction_id, "sent"), (interaction_id, "deferred")]


async def test_an_ephemeral_response_is_visible_to_its_person_only(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    events = server.subscribe()
    await server.invoke(ada, general, ["secret"])
    message = await last_message(server, ada, general, "psst")
    assert message["flags"] & EPHEMERAL
    assert server.messages(grace, general) == []
    with pytest.raises(LoopbackError, match="somebody else's ephemeral"):
        await server.delete(grace, general, int(message["id"]))
    await server.dismiss(ada, general, int(message["id"]))
    assert server.messages(ada, general) == []
    events.close()
    shown = [(event.kind, event.person_id) async for event in events if event.kind.startswith("message")]
    assert shown == [("message", ada), ("message_delete", ada)]
    assert not bot.saw("message")


async def test_the_bot_deletes_its_ephemeral_response(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    events = server.subscribe()
    await server.invoke(ada, general, ["vanish"])
    kinds = []
    async for event in events:
        kinds.append((event.kind, event.person_id))
        if event.kind == "message_delete":
            break
    assert ("message", ada) in kinds
    assert server.messages(ada, general) == []


async def test_a_button_can_be_pressed_until_it_is_disabled(server: LoopbackDiscord, bot: SampleBot) -> None:
    grace, general = server.people[1].id, server.channels[0].id
    message_id = await send_buttons(server, bot)
    await server.click(grace, general, message_id, "stop")
    message = await last_message(server, grace, general, "stopped by Grace")
    assert message["id"] == str(message_id)
    with pytest.raises(LoopbackError, match="'stop' is disabled"):
        await server.click(grace, general, message_id, "stop")
    with pytest.raises(LoopbackError, match="no component 'go'"):
        await server.click(grace, general, message_id, "go")


async def test_menus_of_strings_and_of_users(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    message_id = await send_buttons(server, bot)
    await server.choose(ada, general, message_id, "persona", ["poet"])
    await last_message(server, ada, general, "now a poet")
    await server.choose(ada, general, message_id, "friend", [str(grace)])
    await last_message(server, ada, general, "hello Grace")
    with pytest.raises(LoopbackError, match="offers pirate, poet"):
        await server.choose(ada, general, message_id, "persona", ["robot"])
    with pytest.raises(LoopbackError, match="takes 1 to 1"):
        await server.choose(ada, general, message_id, "persona", [])


async def test_a_modal_can_be_submitted_once(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    events = server.subscribe()
    interaction_id = await server.invoke(ada, general, ["form"])
    opened = [event async for event in _until_modal(events)][-1]
    assert (opened.person_id, opened.data["id"]) == (ada, interaction_id)
    assert opened.data["modal"]["title"] == "Persona"
    with pytest.raises(LoopbackError, match="max_length"):
        await server.submit_modal(ada, interaction_id, {"text": "x" * 21})
    with pytest.raises(LoopbackError, match="no modal is open for this person"):
        await server.submit_modal(grace, interaction_id, {"text": "mine"})
    await server.submit_modal(ada, interaction_id, {"text": "a pirate"})
    await last_message(server, ada, general, "persona: a pirate")
    with pytest.raises(LoopbackError, match="no modal is open"):
        await server.submit_modal(ada, interaction_id, {"text": "again"})


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({}, "'Phi': one\ntwo"),
        ({"labelled": "a\n\nb", "in_a_row": ""}, "'': a\n\nb"),
    ],
)
async def test_a_modal_keeps_the_bots_texts(
    server: LoopbackDiscord, bot: SampleBot, values: dict[str, str], answer: str
) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    events = server.subscribe()
    interaction_id = await server.invoke(ada, general, ["long-form"])
    assert [event async for event in _until_modal(events)]
    with pytest.raises(LoopbackError, match="cannot be empty"):
        await server.submit_modal(ada, interaction_id, {"labelled": ""})
    await server.submit_modal(ada, interaction_id, values)
    await last_message(server, ada, general, answer)


async def test_autocomplete_asks_the_bot(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    choices = await server.autocomplete(ada, general, ["model", "use"], {"name": "smol"}, "name")
    assert choices == [{"name": "smollm2", "value": "smollm2"}]
    for threads, names in (("8", ["eight"]), ("not yet a number", ["phi-3", "smollm2"])):
        options = {"name": "", "threads": threads}
        choices = await server.autocomplete(ada, general, ["model", "use"], options, "name")
        assert [choice["name"] for choice in choices] == names
    with pytest.raises(LoopbackError, match="no option 'text' with autocomplete"):
        await server.autocomplete(ada, general, ["echo"], {"text": "x"}, "text")


async def test_a_context_menu_command_reads_its_message_without_the_intent(
    server: LoopbackDiscord, bot: SampleBot
) -> None:
    ada, grace, general = server.people[0].id, server.people[1].id, server.channels[0].id
    message_id = await server.send(grace, general, "E = mc²")
    await server.invoke_on_message(ada, general, "Explain", message_id)
    await last_message(server, ada, general, "it says: E = mc²")


async def test_a_command_works_in_the_dm(server: LoopbackDiscord, bot: SampleBot) -> None:
    ada = server.people[0].id
    dm = await server.open_dm(ada)
    await server.invoke(ada, dm, ["echo"], {"text": "here"})
    await last_message(server, ada, dm, "here")


async def test_an_unanswered_interaction_fails_after_three_seconds(
    server: LoopbackDiscord, bot: SampleBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, general = server.people[0].id, server.channels[0].id
    assert interaction_state.ANSWER_SECONDS == 3
    monkeypatch.setattr(interaction_state, "ANSWER_SECONDS", 0.1)
    events = server.subscribe()
    await server.invoke(ada, general, ["silent"])
    statuses = []
    async for event in events:
        if event.kind == "interaction":
            statuses.append(event.data["status"])
        if "failed" in statuses:
            break
    assert statuses == ["sent", "failed"]


async def _until_modal(events: Subscription) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        if event.kind == "interaction" and event.data["status"] == "modal":
            return
