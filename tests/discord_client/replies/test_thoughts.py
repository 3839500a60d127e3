"""A thought below its answer: hidden where Discord hides it for certain, otherwise in a file."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from bot.discord_client.replies.outcome_notes import thinking_note
from bot.discord_client.replies.splitting import MESSAGE_LIMIT, ReplyPlan, plan_reply
from bot.discord_client.replies.thoughts import ShownThought, shown_thought, with_thought
from tests.discord_client.replies.editing import editor_for, ends_with, shown
from tests.discord_client.stage import Stage

ANSWER = "It is Paris."
THOUGHT = "They ask for a capital.\n\nI know it."


def planned(thought: str, answer: str = ANSWER, *, note: str = "", as_spoiler: bool = True) -> ReplyPlan:
    plan = plan_reply(answer, note=note, max_messages=3, finished=True)
    return with_thought(plan, answer, ShownThought(thought, as_spoiler))


def test_only_a_thought_is_shown_and_only_if_wanted() -> None:
    assert shown_thought(THOUGHT, "off") is None
    assert shown_thought("", "spoiler") is None
    assert shown_thought(THOUGHT, "spoiler") == ShownThought(THOUGHT, as_spoiler=True)
    assert shown_thought(THOUGHT, "file") == ShownThought(THOUGHT, as_spoiler=False)


def test_a_short_thought_is_a_spoiler_in_one_line() -> None:
    assert planned(THOUGHT) == ReplyPlan((f"{ANSWER}\n||They ask for a capital. I know it.||",))
    assert planned("Call `ask` **now**.", "2 * 3").bodies == ("2 * 3\n||Call `ask` **now**.||",)
    assert planned(THOUGHT, "", note="Stopped.") == ReplyPlan(("Stopped.\n||They ask for a capital. I know it.||",))


@pytest.mark.parametrize(
    ("thought", "answer"),
    [
        ("word " * 400, ANSWER),
        ("if a || b", ANSWER),
        ("|", ANSWER),
        ("a bar |", ANSWER),
        ("Call `ask", "A lone ` here"),
        ("That is 5* 6", "2 *3 is 6"),
        ("My name_ is", "Use _name here"),
        ("```\ncode", ANSWER),
        ("ends with a \\", ANSWER),
        ("fine", "A lone || here"),
        ("fine", "x" * (MESSAGE_LIMIT - 3)),
    ],
)
def test_what_a_spoiler_would_not_hide_goes_into_a_file(thought: str, answer: str) -> None:
    plan = planned(thought, answer)
    assert thought.strip() not in "".join(plan.bodies) or len(thought) == 1
    assert plan.bodies[-1].endswith("What I thought is in the attached file.") or len(answer) > 1000
    assert plan.attachment == f"# Thought\n\n{thought}\n\n# Answer\n\n{answer}\n"
    assert all(len(body) <= MESSAGE_LIMIT for body in plan.bodies)


def test_a_spoiler_uses_all_the_room_there_is() -> None:
    room = MESSAGE_LIMIT - len(f"{ANSWER}\n||||")
    [body] = planned("x" * room).bodies
    assert len(body) == MESSAGE_LIMIT
    assert planned("x" * (room + 1)).attachment is not None


def test_one_file_holds_the_thought_and_a_long_answer() -> None:
    answer = "word " * 2000
    plan = planned(THOUGHT, answer, as_spoiler=False)
    assert plan.attachment == f"# Thought\n\n{THOUGHT}\n\n# Answer\n\n{answer.strip()}\n"
    assert plan.bodies[-1].endswith("All of it is in the attached file.")


def test_a_thought_without_an_answer_is_a_file_alone() -> None:
    plan = planned(THOUGHT, "", note="Stopped.", as_spoiler=False)
    assert plan == ReplyPlan(("Stopped.\n-# What I thought is in the attached file.",), f"# Thought\n\n{THOUGHT}\n")


@pytest.mark.asyncio(loop_scope="session")
async def test_the_reply_says_that_it_thinks_until_the_answer_begins(stage: Stage) -> None:
    editor = editor_for(await stage.say("question"))
    editor.show_progress(thinking_note(0))
    await shown(stage, lambda texts: texts == ["-# Thinking …"])
    assert stage.replies()[0]["components"], "it can be stopped"
    editor.show("It is")
    await shown(stage, ends_with("It is"))
    editor.show_thought(ShownThought(THOUGHT, as_spoiler=False))
    assert await editor.finish(ANSWER)
    [reply] = stage.replies()
    assert reply["content"] == f"{ANSWER}\n-# What I thought is in the attached file."
    [file] = reply["attachments"]
    async with aiohttp.request("GET", file["url"]) as response:
        assert THOUGHT in await response.text()


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("as_spoiler", [True, False])
async def test_without_attach_files_a_thought_is_a_spoiler_or_a_line_says_why_it_is_not_there(
    stage: Stage, as_spoiler: bool
) -> None:
    channel = stage.server.add_channel("no-files-for-thoughts").id
    question = await stage.say("Hello", channel=channel)
    stage.server.set_permissions(stage.server.bot.id, channel, deny=["attach_files"])
    editor = editor_for(question)
    editor.show_thought(ShownThought(THOUGHT, as_spoiler))
    assert await editor.finish(ANSWER)
    line = "-# I cannot attach files here. Ask a moderator to give me the permission Attach Files."
    below = "||They ask for a capital. I know it.||" if as_spoiler else line
    assert replace(stage, channel=channel).texts() == [f"{ANSWER}\n{below}"]


@pytest.mark.asyncio(loop_scope="session")
async def test_a_thought_that_the_servers_rules_block_does_not_take_the_answer_along(stage: Stage) -> None:
    stage.server.block_word("forbiddenthought")
    editor = editor_for(await stage.say("Hello"))
    editor.show_thought(ShownThought("A forbiddenthought.", as_spoiler=True))
    assert await editor.finish(ANSWER)
    assert stage.texts() == [ANSWER]
