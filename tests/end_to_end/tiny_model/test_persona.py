"""`/persona`: the system prompt of a thread, a channel and a server."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bot.conversation.context_window import ContextWindow, FittedPrompt
from bot.demo.loopback import Person
from bot.settings import load_settings
from tests.end_to_end.commands import PRIVATE, open_form, press, response, use
from tests.end_to_end.offers import answered
from tests.end_to_end.stage import Payload, Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

PIRATE = "You are a pirate."
TOO_LONG = "𓀀" * 4000
DEFAULT = load_settings(env_file=None).system_prompt


async def set_persona(stage: Stage, person: Person, channel: int, text: str, where: str = "here") -> Payload:
    """Submit the form of `/persona set`; return the response."""
    interaction_id, _ = await open_form(stage, person, channel, "persona set", where=where)
    submitted = await stage.discord.submit_modal(person.id, interaction_id, {"persona": text})
    answer = await response(stage, person, channel, submitted)
    assert answer["flags"] & PRIVATE
    return answer


async def system_prompt(stage: Stage, channel: int) -> str:
    return (await stage.bot.application.answering.conversations.personas.system_prompt(channel)).text


async def file_of(message: Payload) -> str:
    [attachment] = message["attachments"]
    assert attachment["filename"] == "persona.txt"
    async with aiohttp.ClientSession() as session, session.get(attachment["url"]) as response:
        return await response.text()


async def test_a_persona_applies_from_the_next_question_and_every_member_can_see_it(stage: Stage) -> None:
    channel = await stage.fresh_channel("pirates")
    await stage.ask(stage.ada, channel, "What is the capital of France?")

    answer = await set_persona(stage, stage.ada, channel, PIRATE)

    assert answer["content"].startswith("Saved the persona of this thread (")
    assert "of the context).\nFrom the next question on, I use the persona of this thread here." in answer["content"]
    prompt = (await stage.next_prompt(channel, "And of Italy?")).text
    assert PIRATE in prompt
    assert DEFAULT not in prompt
    assert "capital of France" in prompt
    shown = await use(stage, stage.grace, channel, "persona show")
    assert shown["flags"] & PRIVATE
    assert "My persona here comes from this thread (" in shown["content"]
    assert f"```\n{PIRATE}\n```" in shown["content"]
    assert "**Persona:** from this thread" in (await use(stage, stage.grace, channel, "context"))["content"]
    _, shown_form = await open_form(stage, stage.ada, channel, "persona set")
    assert PIRATE in str(shown_form)


async def test_the_nearest_persona_applies_and_clearing_it_uncovers_the_next(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    thread = await stage.fresh_channel("nested")
    assert "of this server (" in (await set_persona(stage, stage.ada, channel, "For the server.", "server"))["content"]
    assert await system_prompt(stage, thread) == "For the server."
    await set_persona(stage, stage.ada, channel, "For the channel.")
    assert await system_prompt(stage, thread) == "For the channel."
    in_thread = await use(stage, stage.grace, thread, "persona show")
    assert "comes from this thread's channel" in in_thread["content"]
    await set_persona(stage, stage.ada, thread, "For the thread.")
    assert await system_prompt(stage, thread) == "For the thread."
    assert await system_prompt(stage, stage.discord.channels[1].id) == "For the server."

    await set_persona(stage, stage.ada, thread, " \n")
    assert await system_prompt(stage, thread) == "For the channel."
    cleared = await use(stage, stage.ada, channel, "persona clear")
    assert cleared["content"] == (
        "Cleared the persona of this channel.\nFrom the next question on, I use the persona of this server here."
    )
    cleared = await use(stage, stage.ada, channel, "persona clear", where="server")
    assert "I use the bot's default here." in cleared["content"]
    assert await system_prompt(stage, thread) == DEFAULT
    again = await use(stage, stage.ada, channel, "persona clear")
    assert again["content"].startswith("There was no persona for this channel.")


async def test_a_persona_that_is_too_long_is_refused_with_both_counts_and_returned(stage: Stage) -> None:
    channel = await stage.fresh_channel("long persona")

    answer = await set_persona(stage, stage.ada, channel, TOO_LONG)

    window = stage.bot.application.answering.model.window
    tokens, limit = window.system_prompt_tokens(TOO_LONG), window.budget.system_prompt_limit
    assert f"this persona has {tokens:,} tokens, and at most {limit:,} are allowed" in answer["content"]
    assert await file_of(answer) == TOO_LONG
    assert await system_prompt(stage, channel) == DEFAULT


async def test_a_persona_that_a_code_block_cannot_hold_is_shown_as_a_file(stage: Stage) -> None:
    channel = await stage.fresh_channel("code persona")
    text = "Always answer with\n```python\nprint()\n```"
    await set_persona(stage, stage.ada, channel, text)
    assert await file_of(await use(stage, stage.grace, channel, "persona show")) == text


@pytest.mark.parametrize("is_shown", [True, False])
async def test_where_no_file_may_be_attached_a_line_names_the_permission(stage: Stage, is_shown: bool) -> None:
    channel = await stage.fresh_channel("no files")
    await set_persona(stage, stage.ada, channel, "```")
    stage.discord.fail_next("PATCH", "/webhooks/*", 403, code=50013, message="Missing Permissions")
    if is_shown:
        answer = await use(stage, stage.ada, channel, "persona show")
    else:
        answer = await set_persona(stage, stage.ada, channel, TOO_LONG)
    said, what_to_do = answer["content"].splitlines()
    assert said.startswith("My persona here comes from" if is_shown else "Not saved: this persona has ")
    assert what_to_do == "I cannot attach files here. Ask a moderator to give me the permission Attach Files."


async def test_only_moderators_change_it(stage: Stage) -> None:
    thread, channel = await stage.fresh_channel("guarded"), stage.discord.channels[2].id
    for here, where, permission in (
        (thread, "here", "Manage Threads"),
        (channel, "here", "Manage Channels"),
        (channel, "server", "Manage Server"),
    ):
        for command in ("persona set", "persona clear"):
            refused = await use(stage, stage.grace, here, command, where=where)
            assert refused["flags"] & PRIVATE
            assert f"You need the permission {permission} to change" in refused["content"]

    stage.discord.set_permissions(stage.grace.id, channel, allow=["manage_channels"])
    assert "of this channel (" in (await set_persona(stage, stage.grace, channel, PIRATE))["content"]
    assert "Manage Server" in (await use(stage, stage.grace, channel, "persona set", where="server"))["content"]


async def test_in_a_direct_message_the_member_decides(stage: Stage) -> None:
    channel = await stage.discord.open_dm(stage.grace.id)
    assert "of this conversation (" in (await set_persona(stage, stage.grace, channel, PIRATE))["content"]
    assert await system_prompt(stage, channel) == PIRATE
    refused = await use(stage, stage.grace, channel, "persona set", where="server")
    assert refused["content"].startswith("A direct message has no server")


@pytest.mark.parametrize("is_button", [False, True], ids=["a command", "a button"])
async def test_the_persona_of_its_channel_applies_in_a_closed_thread(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_button: bool
) -> None:
    client, conversations = stage.bot.application.client, stage.bot.application.answering.conversations
    channel = stage.discord.add_channel(f"closed-{is_button}").id
    thread = await stage.discord.create_thread(stage.ada.id, channel, "closed")
    question, message = await answered(stage, stage.grace, thread)
    await conversations.set_persona(channel, PIRATE)
    await stage.discord.archive_thread(stage.ada.id, thread)
    await until(lambda: client.get_channel(thread) is None)
    if not is_button:
        shown = await use(stage, stage.grace, thread, "persona show")
        assert "My persona here comes from this thread's channel (" in shown["content"]
        return
    personas, fit = [], ContextWindow.fit

    def note_persona(self: ContextWindow, system_prompt: str, *more: Any) -> FittedPrompt:
        personas.append(system_prompt)
        return fit(self, system_prompt, *more)

    monkeypatch.setattr(ContextWindow, "fit", note_persona)
    await press(stage, stage.grace, thread, message, "Regenerate")
    await stage.answered_again(question)
    assert personas[0] == PIRATE
