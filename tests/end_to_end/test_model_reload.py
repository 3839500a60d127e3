"""`/model reload`: another model takes over between questions, and every conversation continues."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from bot.conversation.tree import Conversation
from bot.conversation.turn import ConversationKey, Question, UserMessage
from bot.demo.loopback import LoopbackDiscord, Person
from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import Message, PromptBuilder
from bot.serving.service import ModelService
from tests.end_to_end.stage import Stage, answer_of, online, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = 4000  # takes longer than any takeover
TOOK_OVER = r"SmolLM2-135M-Instruct answers now\. It was loaded beside the old one in \d+ s\."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(small_model_dir: Path) -> AsyncIterator[Stage]:
    """A bot that Ada owns, with Linus as another admin."""
    async with LoopbackDiscord() as discord:
        admins = str(discord.people[2].id)
        async with online(small_model_dir, discord, max_new_tokens=LONGEST, admin_ids=admins) as stage:
            yield stage


def serving(stage: Stage) -> ModelService:
    return stage.bot.application.serving


def process_id(stage: Stage) -> int:
    facts = serving(stage).facts
    assert facts is not None
    return facts.process_id


async def conversation_in(stage: Stage, channel: int) -> Conversation:
    return (await serving(stage).answering.conversations.peek(ConversationKey(channel))).conversation


async def remember(stage: Stage, channel: int, text: str) -> None:
    """Add a turn to a channel's memory without asking the model."""
    conversations = serving(stage).answering.conversations
    question = Question(channel, ConversationKey(channel), UserMessage(text, stage.ada.id, "Ada"))
    opened = await conversations.begin(question)
    turn = opened.turn(question, opened.branch, Message("assistant", "I see."))
    await conversations.end(opened, question, Outcome(FinishReason.STOP), turn)


async def reload(stage: Stage, person: Person, folder: Path | str | None = None) -> str:
    """Use the command; return the response, which only the admin sees."""
    channel = await stage.fresh_channel("for commands")
    await stage.discord.invoke(person.id, channel, ["model", "reload"], {"folder": str(folder)} if folder else {})
    responses = await stage.discord.wait_for(
        lambda: [each for each in stage.discord.messages(person.id, channel) if each["content"]], 120
    )
    others = {other.id for other in stage.discord.people} - {person.id}
    assert all(stage.discord.messages(other, channel) == [] for other in others)
    [message] = responses
    return str(message["content"])


async def test_another_engine_takes_over_while_an_answer_streams(stage: Stage) -> None:
    known = await stage.fresh_channel("known")
    await stage.ask(stage.ada, known, "What is the capital of France?")
    next_prompt = await stage.next_prompt(known, "And of Italy?")
    old = process_id(stage)
    channel, question = await stage.endless_answer(stage.ada)

    assert re.fullmatch(TOOK_OVER, await reload(stage, stage.ada))

    assert process_id(stage) != old
    await stage.goes_on(question)
    assert psutil.pid_exists(old)
    *_, last = await stage.stop(stage.ada, channel, question)
    assert last["content"].endswith("\n-# Stopped.")
    assert len(await stage.remembered(channel)) == 1
    await until(lambda: not psutil.pid_exists(old))

    # With the same tokenizer, the prompt keeps the generated ids.
    assert await stage.next_prompt(known, "And of Italy?") == next_prompt
    assert "Rome" in await stage.ask(stage.ada, known, "What is the capital of Italy?")
    assert len(await stage.remembered(known)) == 2
    assert stage.bot.application.metrics.restarts == 0


async def test_only_admins_can_reload(stage: Stage, tmp_path: Path) -> None:
    before = process_id(stage)
    _, grace, linus = stage.discord.people
    assert await reload(stage, grace) == "Only the bot's admins can do that."
    assert "there is no folder" in await reload(stage, linus, tmp_path / "nowhere")
    assert process_id(stage) == before


async def test_the_old_model_stays_if_the_new_one_fails_and_the_reason_is_given(stage: Stage, tmp_path: Path) -> None:
    before = process_id(stage)
    response = await reload(stage, stage.ada, tmp_path / "nowhere")
    assert response.startswith(
        f"SmolLM2-135M-Instruct keeps answering: there is no folder {tmp_path / 'nowhere'} on the bot's machine; "
    )
    assert process_id(stage) == before
    channel = await stage.fresh_channel("still there")
    assert "Paris" in await stage.ask(stage.ada, channel, "What is the capital of France?")


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("a\0b", "the name of the model folder has a character that no path can have"),
        ("\ud800", "the name of the model folder has a character that no path can have"),
        ("x" * 1000, "File name too long"),
        ("../../" * 100 + "nowhere", "there is no folder "),
        ("no\nwhere", "there is no folder "),
        ("~nobody-of-this-name", "cannot be read"),
    ],
    ids=["nul", "surrogate", "long", "upwards", "line break", "nobody's home"],
)
async def test_any_argument_gets_one_line(
    stage: Stage, folder: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = process_id(stage)
    response = await reload(stage, stage.ada, folder)
    assert response.startswith("SmolLM2-135M-Instruct keeps answering: ")
    assert says in response
    assert "\n" not in response
    assert process_id(stage) == before
    assert not [record for record in caplog.records if record.exc_info]


async def test_an_error_names_the_served_folder_as_the_settings_do(
    stage: Stage, small_model_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    (folder / "versions" / "second").mkdir(parents=True)
    (folder / "current.json").write_text('{"current": "second"}', encoding="utf-8")
    served = serving(stage).model_dir
    serving(stage).model_dir = folder
    try:
        response = await reload(stage, stage.ada)
    finally:
        serving(stage).model_dir, serving(stage).refusal = served, None
    assert "keeps answering: the version second in MODEL_DIR is incomplete: openvino_model.xml is missing" in response
    assert str(tmp_path) not in response


async def test_the_channel_where_somebody_types_is_prefilled_first(stage: Stage) -> None:
    channels = [await stage.fresh_channel(name) for name in ("oldest", "middle", "latest")]
    for channel in channels:
        await remember(stage, channel, f"{channel}" + " word" * 400)
    old = process_id(stage)
    reloading = asyncio.create_task(reload(stage, stage.ada))
    await until(lambda: process_id(stage) != old)
    await stage.discord.start_typing(stage.ada.id, channels[0])

    oldest, middle, _ = [await conversation_in(stage, channel) for channel in channels]
    await until(lambda: oldest.cached_by == process_id(stage))
    assert middle.cached_by != process_id(stage)
    await until(lambda: middle.cached_by == process_id(stage))
    await reloading


async def test_conversations_are_encoded_again_for_another_tokenizer(
    stage: Stage, small_model_dir: Path, tmp_path: Path
) -> None:
    channel = await stage.fresh_channel("translated")
    await stage.ask(stage.ada, channel, "What is the capital of France?")
    before = await stage.next_prompt(channel, "And of Italy?")
    folder = tmp_path / "other"
    shutil.copytree(small_model_dir, folder)
    definition = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    del definition["model"]["merges"][1000:]  # most words are several tokens to it
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")

    assert re.fullmatch(TOOK_OVER, await reload(stage, stage.ada, folder))

    assert serving(stage).folder.path == folder
    after = await stage.next_prompt(channel, "And of Italy?")
    assert after.text == before.text
    assert len(after.ids) > len(before.ids)
    builder = PromptBuilder.from_folder(folder)
    assert builder.tokenizer.decode(after.ids) == builder.tokenizer.decode(before.ids)
    assert await stage.ask(stage.ada, channel, "Repeat what I asked first.")
    _, turn = await stage.remembered(channel)
    ids = answer_of(turn).ids
    assert ids
    assert builder.tokenizer.decode(ids) == answer_of(turn).content
