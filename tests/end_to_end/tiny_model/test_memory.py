"""Memory follows what members do on Discord: edit, delete, reply, start threads and attach files."""

from __future__ import annotations

import pytest

from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_an_edited_question_is_remembered_as_it_reads_now(stage: Stage) -> None:
    channel = await stage.fresh_channel("edit")
    question = await stage.mention(stage.ada, channel, "What is the capital of France?")
    await stage.answer(stage.ada, channel, question)

    mention = f"<@{stage.discord.bot.id}>"
    await stage.discord.edit(stage.ada.id, channel, question, f"{mention} What is the capital of Norway?")

    async def is_changed() -> bool:
        return await stage.questions(channel) == ["What is the capital of Norway?"]

    await until(is_changed)
    assert "Norway" in (await stage.next_prompt(channel, "And now?")).text


async def test_a_question_that_comes_with_an_edit_is_answered(stage: Stage) -> None:
    channel = await stage.fresh_channel("edited greeting")
    message = await stage.mention(stage.ada, channel, "")
    await until(lambda: bool(stage.replies(stage.ada, channel, message)))

    mention = f"<@{stage.discord.bot.id}>"
    await stage.discord.edit(stage.ada.id, channel, message, f"{mention} What is the capital of France?")

    assert await stage.answer(stage.ada, channel, message)
    assert await stage.questions(channel) == ["What is the capital of France?"]


async def test_a_mention_alone_asks_what_it_replies_to(stage: Stage) -> None:
    channel = await stage.fresh_channel("mention alone")
    mention = f"<@{stage.discord.bot.id}>"
    said = await stage.discord.send(stage.ada.id, channel, f"What is the capital of France? {mention} may know.")
    await stage.answer(stage.ada, channel, said)
    await stage.discord.delete(stage.ada.id, channel, int(stage.replies(stage.ada, channel, said)[0]["id"]))

    again = await stage.mention(stage.grace, channel, "", reply_to=said)

    assert await stage.answer(stage.grace, channel, again)
    assert "Ada asks: What is the capital of France?" in (await stage.next_prompt(channel, "And now?")).text


async def test_a_question_whose_mention_is_edited_away_is_forgotten(stage: Stage) -> None:
    channel = await stage.fresh_channel("unmention")
    question = await stage.mention(stage.ada, channel, "My password is swordfish. Say hello.")
    await stage.answer(stage.ada, channel, question)

    await stage.discord.edit(stage.ada.id, channel, question, "Never mind.")

    async def is_forgotten() -> bool:
        return await stage.questions(channel) == []

    await until(is_forgotten)
    assert "swordfish" not in (await stage.next_prompt(channel, "And now?")).text


@pytest.mark.parametrize("which", ["question", "answer"])
async def test_deleting_a_message_deletes_its_turn(stage: Stage, which: str) -> None:
    channel = await stage.fresh_channel(f"delete {which}")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    question = await stage.mention(stage.ada, channel, "What is the capital of Spain?")
    [answer] = await stage.answer(stage.ada, channel, question)
    await stage.ask(stage.ada, channel, "What is the capital of Italy?")

    # Ada is a moderator here, so she may delete both.
    await stage.discord.delete(stage.ada.id, channel, question if which == "question" else int(answer["id"]))

    async def is_gone() -> bool:
        return await stage.questions(channel) == ["What is the capital of France?", "What is the capital of Italy?"]

    await until(is_gone)
    assert "Spain" not in (await stage.next_prompt(channel, "And now?")).text


async def test_replies_to_older_answers_start_branches(stage: Stage) -> None:
    channel = await stage.fresh_channel("two branches")
    first = await stage.mention(stage.ada, channel, "What is the capital of France?")
    [to_first] = await stage.answer(stage.ada, channel, first)
    second = await stage.mention(stage.ada, channel, "What is the capital of Spain?")
    [to_second] = await stage.answer(stage.ada, channel, second)

    french = await stage.mention(stage.ada, channel, "How old is it?", reply_to=int(to_first["id"]))
    await stage.answer(stage.ada, channel, french)
    assert await stage.questions(channel) == ["What is the capital of France?", "How old is it?"]

    spanish = await stage.mention(stage.ada, channel, "How large is it?", reply_to=int(to_second["id"]))
    await stage.answer(stage.ada, channel, spanish)
    assert await stage.questions(channel) == [
        "What is the capital of France?",
        "What is the capital of Spain?",
        "How large is it?",
    ]


async def test_a_thread_starts_with_the_question_it_was_created_from(stage: Stage) -> None:
    channel = stage.discord.channels[0].id
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    question = await stage.mention(stage.ada, channel, "What is the capital of Spain?")
    await stage.answer(stage.ada, channel, question)

    thread = await stage.discord.create_thread(stage.ada.id, channel, "Spain", message_id=question)
    await stage.ask(stage.ada, thread, "How large is it?")

    assert await stage.questions(thread) == ["What is the capital of Spain?", "How large is it?"]
    assert (await stage.questions(channel))[-1] == "What is the capital of Spain?", "the channel keeps its own branch"


async def test_text_files_are_part_of_the_question_and_other_files_are_named(stage: Stage) -> None:
    channel = await stage.fresh_channel("files")
    mention = f"<@{stage.discord.bot.id}>"
    files = [("notes.md", b"# Boat\nOur boat is called Minnow.\n"), ("boat.png", b"\x89PNG\r\n\x1a\n")]
    question = await stage.discord.send(stage.ada.id, channel, f"{mention} What is our boat called?", files=files)

    [reply] = await stage.answer(stage.ada, channel, question)

    assert "boat.png" in reply["content"]
    prompt = (await stage.next_prompt(channel, "Thanks.")).text
    assert "The file notes.md:\n```\n# Boat\nOur boat is called Minnow.\n" in prompt
