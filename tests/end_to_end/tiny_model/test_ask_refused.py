"""Questions by `/ask` and by the menu of a message where Discord or a moderator allows less than elsewhere."""

from __future__ import annotations

import pytest

from tests.end_to_end.asking import ask_about, begin, direct_messages, open_menu, responses
from tests.end_to_end.commands import PRIVATE, response
from tests.end_to_end.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_the_link_leads_to_a_message_of_a_server_without_the_bot(stage: Stage) -> None:
    linus, server = stage.discord.people[2], stage.discord.add_server("Film club")
    stage.discord.install_app(linus.id)
    [channel] = [each.id for each in server.channels]
    said = await stage.discord.send(stage.ada.id, channel, "Fish fly.")
    _, answer = await ask_about(stage, linus, channel, said, question="Do they?")
    assert f"[this message](https://discord.com/channels/{server.id}/{channel}/{said})" in answer["content"]


@pytest.mark.parametrize("is_private", [False, True])
async def test_whoever_asks_with_a_blocked_word_reads_why_nothing_comes(stage: Stage, is_private: bool) -> None:
    channel = await stage.fresh_channel("blocked")
    stage.discord.block_word("blimey")
    interaction_id = await stage.discord.invoke(
        stage.grace.id, channel, ["ask"], {"question": "Blimey?", "private": is_private}
    )
    line = await response(stage, stage.grace, channel, interaction_id)
    assert line["content"].startswith("This server's AutoMod does not let me show your question.")
    assert line["flags"] & PRIVATE
    assert await stage.bot.application.storage.work.unfinished() == []


async def test_whoever_may_not_write_in_a_channel_gets_a_private_answer(stage: Stage) -> None:
    channel = stage.discord.add_channel("announcements").id
    said = await stage.discord.send(stage.ada.id, channel, "Fish fly.")
    stage.discord.set_permissions(stage.grace.id, channel, deny=["send_messages"])
    _, form = await open_menu(stage, stage.grace, channel, said)
    assert len(form["components"]) == 1, "the answer would be private in any case"
    interaction_id, answer = await ask_about(stage, stage.grace, channel, said, question="Do they?")
    assert answer["flags"] & PRIVATE
    assert responses(stage.discord, stage.ada, channel, interaction_id) == []


async def test_what_the_bot_said_is_no_question(stage: Stage) -> None:
    channel = await stage.fresh_channel("own answer")
    question = await stage.mention(stage.grace, channel, "Who am I?")
    [reply] = await stage.answer(stage.grace, channel, question)
    opened, _ = await open_menu(stage, stage.grace, channel, int(reply["id"]))
    interaction_id = await stage.discord.submit_modal(stage.grace.id, opened, {"question": ""})
    await stage.discord.wait_for(
        lambda: any(
            "There is no question in that." in each["content"]
            for each in responses(stage.discord, stage.grace, channel, interaction_id)
        )
    )
    assert await stage.questions(channel) == ["Who am I?"]


@pytest.mark.parametrize("takes_direct_messages", [True, False])
async def test_a_private_answer_in_a_locked_thread_is_a_direct_message(
    stage: Stage, takes_direct_messages: bool
) -> None:
    channel = await stage.fresh_channel("locked")
    queue, before = stage.bot.application.answering.queue, len(direct_messages(stage.discord, stage.grace))
    queue.pause()
    stage.discord.set_dms_open(stage.grace.id, takes_direct_messages)
    try:
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?", private=True)
        await stage.discord.archive_thread(stage.ada.id, channel, lock=True)
        queue.resume()
        await stage.answered(interaction_id)
    finally:
        queue.resume()
        stage.discord.set_dms_open(stage.grace.id, True)
    late = direct_messages(stage.discord, stage.grace)[before:]
    assert [each["content"].partition("\n")[0] for each in late] == (
        [f"> <@{stage.grace.id}> asked: Who am I?"] if takes_direct_messages else []
    )


async def test_an_answer_that_comes_too_late_for_a_closed_direct_message_is_given_up(stage: Stage) -> None:
    channel = await stage.fresh_channel("unreachable")
    queue = stage.bot.application.answering.queue
    queue.pause()
    stage.discord.set_dms_open(stage.grace.id, False)
    try:
        interaction_id, _ = await begin(stage, stage.grace, channel, question="Who am I?", private=True)
        stage.discord.expire_interaction(interaction_id)
        queue.resume()
        await stage.answered(interaction_id)
    finally:
        queue.resume()
        stage.discord.set_dms_open(stage.grace.id, True)
    assert await stage.bot.application.storage.work.unfinished() == []
