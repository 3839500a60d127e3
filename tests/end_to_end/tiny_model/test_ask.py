"""`/ask` and the menu of a message, in servers, in direct messages and where only a member has installed the bot."""

from __future__ import annotations

import asyncio

import pytest

from bot.demo.loopback import without_allowed_mentions
from bot.discord_client.incoming.asked_interaction import AskedInteraction
from tests.end_to_end.asking import ask, ask_about, begin, direct_messages, open_menu, responses
from tests.end_to_end.commands import PRIVATE, forget, response, use
from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_an_answer_grows_below_the_question(stage: Stage) -> None:
    channel, before = await stage.fresh_channel("ask"), len(stage.discord.calls)
    question = "What is *it*, <@1> and @everyone?"
    interaction_id, response = await ask(stage, stage.ada, channel, question=question)
    header, _, answer = response["content"].partition("\n")
    assert header == f"> <@{stage.ada.id}> asked: What is \\*it\\*, @somebody and @\u200beveryone?"
    assert answer
    assert "Ask a moderator" not in answer
    assert not response["flags"] & PRIVATE
    calls = stage.discord.calls[before:]
    assert not without_allowed_mentions(calls)
    assert all(call.allowed_mentions == {"parse": []} for call in calls if call.allowed_mentions)
    [turn] = await stage.remembered(channel)
    assert turn.id == interaction_id
    assert await stage.questions(channel) == ["What is *it*, @somebody and @everyone?"]


async def test_a_private_answer_stays_with_its_asker(stage: Stage) -> None:
    channel = await stage.fresh_channel("private")
    interaction_id, response = await ask(stage, stage.grace, channel, question="Who am I?", private=True)
    assert response["flags"] & PRIVATE
    assert responses(stage.discord, stage.ada, channel, interaction_id) == []
    assert await stage.questions(channel) == []
    assert await stage.questions(channel, -stage.grace.id) == ["Who am I?"]

    context = await stage.discord.invoke(stage.grace.id, channel, ["context"], {})
    await stage.discord.wait_for(
        lambda: any("Who am I?" in m["content"] for m in responses(stage.discord, stage.grace, channel, context))
    )
    await use(stage, stage.grace, channel, "reset")
    assert await stage.questions(channel, -stage.grace.id) == []
    await forget(stage, channel, "Forget", "Deleted 1 question with its answer.")


async def test_a_file_is_read_with_the_question(stage: Stage) -> None:
    channel = await stage.fresh_channel("file")
    file = ("notes_1.txt", b"The key is under the mat.")
    _, response = await ask(stage, stage.ada, channel, question="Where is it?", file=file)
    assert "asked: Where is it? (notes\\_1.txt)" in response["content"]
    assert "under the mat" in (await stage.next_prompt(channel, "And now?")).text


async def test_a_question_about_a_message_has_its_text_without_the_intent(stage: Stage) -> None:
    channel = await stage.fresh_channel("menu")
    file = ("key.txt", b"Under the mat.")
    said = await stage.discord.send(stage.ada.id, channel, "Fish fly.", files=[file])
    _, response = await ask_about(stage, stage.grace, channel, said, question="Do they?")
    header = response["content"].partition("\n")[0]
    assert header.startswith(f"> <@{stage.grace.id}> asked about [this message](https://discord.com/channels/")
    assert header.endswith(f"/{channel}/{said}): Do they?")
    prompt = (await stage.next_prompt(channel, "And now?")).text
    assert "Fish fly." in prompt
    assert "Under the mat." in prompt

    _, response = await ask_about(stage, stage.grace, channel, said, audience="member")
    assert response["flags"] & PRIVATE
    assert await stage.questions(channel) == ["Do they?"]
    assert await stage.questions(channel, -stage.grace.id) == [""]

    await stage.discord.delete(stage.ada.id, channel, said)

    async def is_forgotten() -> bool:
        return "Fish fly." not in (await stage.next_prompt(channel, "And now?")).text

    await until(is_forgotten)
    assert await stage.questions(channel, -stage.grace.id) == [], "nothing is left of what only repeated it"


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "forgotten"])
async def test_a_message_that_is_gone_when_the_form_comes_is_not_read(stage: Stage, is_deleted: bool) -> None:
    channel = await stage.fresh_channel("gone")
    said = await stage.discord.send(stage.grace.id, channel, "Fish fly.")
    opened, _ = await open_menu(stage, stage.ada, channel, said)
    if is_deleted:
        await stage.discord.delete(stage.grace.id, channel, said)
        await use(stage, stage.ada, channel, "help")  # after the deletion
    else:
        await forget(stage, channel, "Forget", "There was nothing to delete.")
    submitted = await stage.discord.submit_modal(stage.ada.id, opened, {"question": "Do they?"})
    line = await response(stage, stage.ada, channel, submitted)
    assert line["content"].startswith("I could not read that message")
    assert line["flags"] & PRIVATE
    assert await stage.remembered(channel) == []
    if not is_deleted:  # by then it may be asked about again
        await ask_about(stage, stage.ada, channel, said, question="Do they?")
        assert await stage.questions(channel) == ["Do they?"]


async def test_direct_messages_are_as_private_without_asking_for_it(stage: Stage) -> None:
    channel = await stage.discord.open_dm(stage.grace.id)
    _, response = await ask(stage, stage.grace, channel, question="Who am I?", private=True)
    assert not response["flags"] & PRIVATE
    assert (await stage.questions(channel))[-1] == "Who am I?"
    _, form = await open_menu(stage, stage.grace, channel, int(response["id"]))
    assert len(form["components"]) == 1, "there is nobody to hide the answer from"


async def test_an_installed_bot_answers_where_it_is_no_member(stage: Stage) -> None:
    discord, linus = stage.discord, stage.discord.people[2]
    discord.install_app(linus.id)
    foreign = discord.add_server("Book club").channels[0].id
    between = discord.open_private_channel(linus.id, stage.ada.id)
    said = await discord.send(stage.ada.id, foreign, "Fish fly.")
    for channel in (foreign, between):
        interaction_id, response = await ask(stage, linus, channel, question="Who am I?")
        assert responses(discord, stage.ada, channel, interaction_id) == [response], "others see it, too"
        assert await stage.questions(channel) == []
        assert await stage.questions(channel, linus.id) == ["Who am I?"]
    await ask_about(stage, linus, foreign, said, question="Do they?")
    assert await stage.questions(foreign, linus.id) == ["Who am I?", "Do they?"]
    assert not without_allowed_mentions(discord.calls)
    await use(stage, linus, foreign, "reset")
    assert await stage.questions(foreign, linus.id) == []


async def test_what_cannot_be_taken_is_told_at_once_and_in_private(stage: Stage) -> None:
    channel = await stage.fresh_channel("full")
    queue = stage.bot.application.answering.queue
    queue.pause()
    try:
        limit = stage.bot.application.answering.queue._most_waiting_per_person
        waiting = [await begin(stage, stage.ada, channel, question="Hello?") for _ in range(limit)]
        refused = await stage.discord.invoke(stage.ada.id, channel, ["ask"], {"question": "Hello?"})
        line = await response(stage, stage.ada, channel, refused)
        assert line["content"].startswith(f"You already have {limit} questions in the queue.")
        assert line["flags"] & PRIVATE
        # The response of one that waits is deleted, so it is taken back.
        await stage.discord.delete(stage.ada.id, channel, int(waiting[1][1]["id"]))
        await stage.answered(waiting[1][0])
    finally:
        queue.resume()
    for interaction_id, _ in waiting:
        await stage.answered(interaction_id)
    assert len(await stage.remembered(channel)) == limit - 1
    blank = await stage.discord.invoke(stage.ada.id, channel, ["ask"], {"question": " "})
    assert "There is no question" in (await response(stage, stage.ada, channel, blank))["content"]


async def test_a_question_that_arrives_twice_is_taken_once(stage: Stage) -> None:
    channel, application = await stage.fresh_channel("twice"), stage.bot.application
    application.answering.queue.pause()
    try:
        stage.discord.double_events("INTERACTION_CREATE")
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?")
        await until(lambda: application.client.running_replies.get(interaction_id) is not None)
        await use(stage, stage.grace, channel, "help")  # after the second one
        assert application.answering.queue.waiting == 1
        assert interaction_id in [each.message_id for each in await application.storage.work.unfinished()]
    finally:
        application.answering.queue.resume()
    await stage.answered(interaction_id)
    assert await stage.questions(channel) == ["Who am I?"]


async def test_forget_takes_a_waiting_question_with_everything_about_it(stage: Stage) -> None:
    channel = await stage.fresh_channel("forget")
    queue, work = stage.bot.application.answering.queue, stage.bot.application.storage.work
    queue.pause()
    try:
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?", private=True)
        await until(lambda: stage.bot.application.client.running_replies.get(interaction_id) is not None)
        [left] = [question for question in await work.unfinished() if question.message_id == interaction_id]
        assert left.interaction is not None
        await forget(stage, channel, "Forget", "Stopped 1 answer.")
        await stage.answered(interaction_id)
        assert interaction_id not in [question.message_id for question in await work.unfinished()]
    finally:
        queue.resume()
    assert await stage.questions(channel, -stage.grace.id) == []


@pytest.mark.parametrize("is_known", [True, False], ids=["by the clock", "by Discord's refusal"])
async def test_a_private_answer_that_comes_too_late_is_a_direct_message(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    channel = await stage.fresh_channel("late")
    queue = stage.bot.application.answering.queue
    queue.pause()
    before = len(direct_messages(stage.discord, stage.grace))
    try:
        if is_known:
            monkeypatch.setattr(AskedInteraction, "seconds_left", 0.5)
        interaction_id, first = await begin(stage, stage.grace, channel, question="Who am I?", private=True)
        if is_known:
            await stage.discord.wait_for(lambda: len(direct_messages(stage.discord, stage.grace)) > before)
        else:
            stage.discord.expire_interaction(interaction_id)
    finally:
        queue.resume()
    await stage.answered(interaction_id)
    [*_, late] = direct_messages(stage.discord, stage.grace)
    assert late["content"].startswith(f"> <@{stage.grace.id}> asked: Who am I?\n")
    assert not late["components"]
    assert await stage.questions(channel, -stage.grace.id) == ["Who am I?"]
    if is_known:
        [left] = responses(stage.discord, stage.grace, channel, interaction_id)
        assert left["id"] == first["id"]
        assert "direct messages" in left["content"]


async def test_what_there_is_comes_in_time_where_nothing_may_come_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await stage.fresh_channel("closed")
    queue = stage.bot.application.answering.queue
    stage.discord.set_dms_open(stage.grace.id, False)
    queue.pause()
    monkeypatch.setattr(AskedInteraction, "seconds_left", 0.5)
    try:
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?", private=True)
        await stage.answered(interaction_id)
    finally:
        queue.resume()
        stage.discord.set_dms_open(stage.grace.id, True)
    [response] = responses(stage.discord, stage.grace, channel, interaction_id)
    assert "they passed before I could answer" in response["content"]
    assert not response["components"]
    assert await stage.questions(channel, -stage.grace.id) == []


async def test_a_response_comes_in_time_while_earlier_questions_are_recovered(stage: Stage) -> None:
    channel = await stage.fresh_channel("recovery")
    began = asyncio.get_running_loop().time()
    await begin(stage, stage.ada, channel, question="Who am I?")
    assert asyncio.get_running_loop().time() - began < 3.0
