"""Interactions whose responses Discord refuses or the network loses: answered all the same, or one line in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bot.demo.loopback import ConnectionFault
from tests.end_to_end.commands import edited_to, open_form, press, response, use
from tests.end_to_end.stage import Stage, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

CALLBACK = "/interactions/*/callback"
ORIGINAL = "/webhooks/*/messages/@original"
LOSSES = [
    ConnectionFault.RESET,
    ConnectionFault.RESET_AFTER,
    ConnectionFault.DISCONNECT,
    ConnectionFault.DISCONNECT_AFTER,
]


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="bot")


async def logged(caplog: pytest.LogCaptureFixture, start: str) -> str:
    """Wait for a line of the log; there may be no traceback."""
    await until(lambda: any(line.startswith(start) for line in caplog.messages))
    no_traceback(caplog)
    return next(line for line in caplog.messages if line.startswith(start))


def no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR], caplog.text


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_response_that_the_network_loses_is_sent_again(
    stage: Stage, caplog: pytest.LogCaptureFixture, loss: ConnectionFault
) -> None:
    channel = await stage.fresh_channel("losses")
    for command, says in (
        ("reset", "The next question here"),
        ("context", "**Context:**"),
        ("model info", "**Model:**"),
    ):
        stage.discord.break_next("POST", CALLBACK, loss)
        stage.discord.break_next("PATCH", ORIGINAL, loss)
        answer = await use(stage, stage.grace, channel, command)
        assert answer["content"].startswith(says)
        stage.discord.end_faults()
        shown = [message["content"] for message in stage.discord.messages(stage.grace.id, channel)]
        assert sum(content.startswith(says) for content in shown) == 1
    no_traceback(caplog)


@pytest.mark.parametrize("loss", [ConnectionFault.RESET, ConnectionFault.RESET_AFTER])
async def test_a_form_and_its_file_survive_a_loss(
    stage: Stage, caplog: pytest.LogCaptureFixture, loss: ConnectionFault
) -> None:
    channel = await stage.fresh_channel("lost form")
    forms = stage.bot.application.client._connection._view_store._modals
    forms.clear()
    stage.discord.break_next("POST", CALLBACK, loss)
    interaction_id, _ = await open_form(stage, stage.ada, channel, "persona set")
    await until(lambda: bool(forms))  # nobody fills a form in within the 0.2 s until the next try
    stage.discord.break_next("PATCH", ORIGINAL, loss, times=2)
    submitted = await stage.discord.submit_modal(stage.ada.id, interaction_id, {"persona": "𓀀" * 4000})
    answer = await response(stage, stage.ada, channel, submitted)
    assert answer["content"].startswith("Not saved: ")
    assert answer["attachments"][0]["size"] == 16_000
    no_traceback(caplog)


async def test_a_response_after_a_503_is_in_time(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel = await stage.fresh_channel("unavailable")
    stage.discord.fail_next("POST", CALLBACK, 503)
    assert (await use(stage, stage.grace, channel, "context"))["content"].startswith("**Context:**")
    no_traceback(caplog)


async def test_a_response_that_a_503_hid_counts_as_sent(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel = await stage.fresh_channel("hidden")
    stage.discord.fail_next("POST", CALLBACK, 503)
    stage.discord.fail_next("POST", CALLBACK, 400, code=40060)
    await stage.discord.invoke(stage.ada.id, channel, ["persona", "show"], {})
    # The loopback Discord did not take the response, so it knows none that could be edited.
    await logged(caplog, "Interaction is gone: used=/persona show")
    assert "40060" not in caplog.text


@pytest.mark.parametrize(("status", "code"), [(404, 10062), (400, 40060), (401, 50027), (404, 10015), (404, 10008)])
async def test_an_interaction_that_is_gone_is_one_line(
    stage: Stage, caplog: pytest.LogCaptureFixture, status: int, code: int
) -> None:
    channel = await stage.fresh_channel("gone")
    for command in ("context", "persona show", "persona set", "forget", "model info"):
        caplog.clear()
        stage.discord.fail_next("POST", CALLBACK, status, code=code, message="Gone.")
        interaction = await stage.discord.invoke(stage.ada.id, channel, command.split(), {})
        line = await logged(caplog, "Interaction is gone: ")
        assert line == (
            f"Interaction is gone: used=/{command} interaction={interaction} channel={channel} message=None "
            f"cause=Gone. ({status}, code {code})"
        )


async def test_a_reset_stays_done_though_nobody_can_be_told(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel = await stage.fresh_channel("gone reset")
    await stage.ask(stage.grace, channel, "Hello")
    stage.discord.fail_next("POST", CALLBACK, 404, code=10062)
    await stage.discord.invoke(stage.grace.id, channel, ["reset"], {})
    await logged(caplog, "Interaction is gone: used=/reset")
    assert await stage.questions(channel) == []


async def test_a_stop_stays_done_though_the_click_is_gone(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel, question, _ = await stage.long_answer(stage.grace)
    stage.discord.fail_next("POST", CALLBACK, 404, code=10062)
    await stage.stop(stage.grace, channel, question)
    await logged(caplog, f"Interaction is gone: used=stop:{question} ")


async def test_who_confirmed_is_forgotten_and_told_though_the_click_is_gone(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    channel = await stage.fresh_channel("gone forget")
    await stage.ask(stage.grace, channel, "Hello")
    asked = await use(stage, stage.grace, channel, "forget")
    stage.discord.fail_next("POST", CALLBACK, 404, code=10062)
    await press(stage, stage.grace, channel, asked, "Forget")
    answer = await edited_to(stage, stage.grace, channel, asked, "Deleted 1 question with its answer.")
    assert answer["components"] == []
    assert await stage.questions(channel) == []
    await logged(caplog, "Interaction is gone: used=")


async def test_an_answer_that_is_refused_for_long_is_one_line(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.discord_client.rest.interaction_adapter._LONGEST_SECONDS", 0.5)
    channel = await stage.fresh_channel("refused")
    stage.discord.fail_next("*", "/webhooks/*", 503, times=None)
    await stage.discord.invoke(stage.grace.id, channel, ["persona", "show"], {})
    await logged(caplog, "Interaction was not answered: used=/persona show interaction=")
    stage.discord.end_faults()


async def test_an_interaction_that_arrives_twice_is_answered_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    channel = await stage.fresh_channel("twice")
    await stage.ask(stage.grace, channel, "Hello")
    stage.discord.double_events("INTERACTION_CREATE", 2)
    asked = await use(stage, stage.grace, channel, "forget")
    await press(stage, stage.grace, channel, asked, "Forget")
    await edited_to(stage, stage.grace, channel, asked, "Deleted 1 question with its answer.")
    assert "code 40060" in await logged(caplog, "Interaction is gone: used=/forget")


async def test_an_outage_of_discord_is_one_line(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    channel = await stage.fresh_channel("outage")
    async with stage.discord.outage(gateway=False):
        await stage.discord.invoke(stage.grace.id, channel, ["context"], {})
        await logged(caplog, "Interaction was not answered: used=/context interaction=")
    await until(lambda: all(task.get_name() != "CommandTree-invoker" for task in asyncio.all_tasks()))
    assert sum("Interaction" in line for line in caplog.messages) == 1
    no_traceback(caplog)


async def test_the_permission_is_asked_again_when_the_form_is_submitted(stage: Stage) -> None:
    channel = stage.discord.add_channel("form").id
    stage.discord.set_permissions(stage.grace.id, channel, allow=["manage_channels"])
    interaction_id, _ = await open_form(stage, stage.grace, channel, "persona set")
    stage.discord.set_permissions(stage.grace.id, channel)
    submitted = await stage.discord.submit_modal(stage.grace.id, interaction_id, {"persona": "Obey Grace."})
    answer = await response(stage, stage.grace, channel, submitted)
    assert answer["content"].startswith(
        "You need the permission Manage Channels to change the persona of this channel."
    )
    assert answer["attachments"][0]["size"] == len("Obey Grace.")
    assert "Obey" not in (await stage.bot.application.answering.conversations.personas.system_prompt(channel)).text
