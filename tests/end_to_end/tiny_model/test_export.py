"""`/export`: a member's own questions here, as a file."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from bot.demo.loopback import LoopbackDiscord, Person
from bot.errors import DatabaseOutageError
from tests.end_to_end.asking import ask
from tests.end_to_end.commands import PRIVATE, forget, use
from tests.end_to_end.stage import Payload, Stage, answer_of, online

pytestmark = pytest.mark.asyncio(loop_scope="package")

NOTHING = "I remember no question of yours here. Ask me something, then use `/export` again."


async def text_of_file(message: Payload) -> str:
    [attachment] = message["attachments"]
    assert attachment["filename"] == "conversation.md"
    async with aiohttp.ClientSession() as session, session.get(attachment["url"]) as response:
        return (await response.read()).decode()


async def exported(stage: Stage, person: Person, channel: int) -> str:
    """The file that a member gets."""
    response = await use(stage, person, channel, "export")
    assert response["flags"] & PRIVATE
    return await text_of_file(response)


async def test_a_member_gets_their_own_questions_with_the_answers(stage: Stage) -> None:
    channel = await stage.fresh_channel("export")
    files = [("notes.txt", b"Our boat is called Minnow.")]
    mention = f"<@{stage.discord.bot.id}>"
    question = await stage.discord.send(stage.grace.id, channel, f"{mention} What is\n# red?", files=files)
    await stage.answer(stage.grace, channel, question)
    await stage.ask(stage.ada, channel, "My password is swordfish.")
    said = await stage.discord.send(stage.ada.id, channel, f"{mention} Minnow is slow.")
    await stage.answer(stage.ada, channel, said)
    repeated = await stage.mention(stage.grace, channel, "Why?", reply_to=said)
    await stage.answer(stage.grace, channel, repeated)

    text = await exported(stage, stage.grace, channel)

    turns = {turn.id: turn for turn in await stage.remembered(channel)}
    head = r"# Conversation with Phi in #export\n\nExported on \d{4}-\d\d-\d\d \d\d:\d\d UTC; 2 questions\.\n"
    assert re.match(head, text)
    assert "**Grace:**\n\nWhat is\n# red?\n\nFiles: notes.txt\n\n**Phi:**\n\n" in text
    assert text.index("red?") < text.index("Why?")
    for each in (question, repeated):
        assert answer_of(turns[each]).content in text
    assert "swordfish" not in text


async def test_what_the_model_does_not_see_any_more_is_exported(stage: Stage) -> None:
    channel = await stage.fresh_channel("export all")
    question = await stage.mention(stage.grace, channel, "What is round?")
    [answer] = await stage.answer(stage.grace, channel, question)
    await stage.ask(stage.grace, channel, "What is square?")
    branch = await stage.mention(stage.grace, channel, "Why is that?", reply_to=int(answer["id"]))
    await stage.answer(stage.grace, channel, branch)
    await use(stage, stage.grace, channel, "reset")

    text = await exported(stage, stage.grace, channel)

    assert "; 3 questions." in text
    assert text.index("What is round?") < text.index("What is square?") < text.index("Why is that?")


async def test_nothing_is_left_to_export_after_forget(stage: Stage) -> None:
    channel = await stage.fresh_channel("export nothing")
    assert (await use(stage, stage.grace, channel, "export"))["content"] == NOTHING
    await stage.ask(stage.grace, channel, "What is blue?")
    assert "What is blue?" in await exported(stage, stage.grace, channel)

    await forget(stage, channel, "Forget", "Deleted 1 question")

    response = await use(stage, stage.grace, channel, "export")
    assert (response["content"], response["attachments"]) == (NOTHING, [])


async def test_what_an_outage_hides_is_not_said_to_be_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = await stage.fresh_channel("outage")

    async def head(_key: object) -> None:
        raise DatabaseOutageError("locked")

    monkeypatch.setattr(stage.bot.application.storage.conversations, "head", head)

    response = await use(stage, stage.grace, channel, "export")

    assert response["content"].startswith("The database is unavailable, so I cannot see what you asked me here.")


async def test_private_questions_are_exported_in_a_shared_channel_and_elsewhere(stage: Stage) -> None:
    linus = stage.discord.people[2]
    stage.discord.install_app(linus.id)
    shared, foreign = await stage.fresh_channel("private"), stage.discord.add_server("Export club").channels[0].id
    await stage.ask(linus, shared, "What is open?")
    for channel in (shared, foreign):
        await ask(stage, linus, channel, question="What is hidden?", private=True)

    here, elsewhere = [await exported(stage, linus, channel) for channel in (shared, foreign)]

    assert here.index("What is open?") < here.index("What is hidden?")
    assert elsewhere.startswith("# Conversation with Phi in")
    assert "What is hidden?" in elsewhere
    assert "What is open?" not in elsewhere


async def test_direct_messages_can_be_exported(stage: Stage) -> None:
    channel = await stage.discord.open_dm(stage.grace.id)
    question = await stage.discord.send(stage.grace.id, channel, "What is green?")
    await stage.answer(stage.grace, channel, question)

    text = await exported(stage, stage.grace, channel)

    assert text.startswith("# Conversation with Phi in direct messages\n")
    assert "What is green?" in text


async def test_a_refused_file_is_one_line(stage: Stage) -> None:
    channel = await stage.fresh_channel("no files")
    await stage.ask(stage.grace, channel, "What is black?")
    stage.discord.fail_next("PATCH", "/webhooks/*", 403, code=50013, message="Missing Permissions")

    response = await use(stage, stage.grace, channel, "export")

    assert response["content"] == "I cannot attach files here. Ask a moderator to give me the permission Attach Files."


async def test_members_with_conversations_of_their_own_export_those(tiny_chat_model_dir: Path) -> None:
    async with online(tiny_chat_model_dir, memory="user", max_new_tokens=20) as stage:
        channel = await stage.fresh_channel("own")
        await stage.ask(stage.grace, channel, "What is pink?")
        await stage.ask(stage.ada, channel, "What is grey?")
        text = await exported(stage, stage.grace, channel)
    assert "What is pink?" in text
    assert "What is grey?" not in text


async def test_what_was_asked_before_a_restart_is_exported(tiny_chat_model_dir: Path, tmp_path: Path) -> None:
    async with LoopbackDiscord() as discord:
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=20) as stage:
            channel = await stage.fresh_channel("restart")
            await stage.ask(stage.grace, channel, "What is white?")
            before = await exported(stage, stage.grace, channel)
        async with online(tiny_chat_model_dir, discord, data_dir=tmp_path, max_new_tokens=20) as stage:
            after = await exported(stage, stage.grace, channel)

    assert after.partition("\n## ")[2] == before.partition("\n## ")[2]
    assert "What is white?" in after
