"""With LOG_LEVEL=DEBUG, the log holds no texts, no names of files or places, no personas and no tokens."""

from __future__ import annotations

from pathlib import Path

import discord

from tests.cli.test_log import log_at
from tests.end_to_end.commands import open_form, response, use
from tests.end_to_end.stage import Stage, online, until

MARK = "UNMENTIONABLE"


async def test_the_most_detailed_log_holds_nothing_that_members_write(tiny_chat_model_dir: Path) -> None:
    system_prompt = f"{MARK} as a system prompt"
    secrets = {MARK}

    async def on_interaction(interaction: discord.Interaction) -> None:
        secrets.add(interaction.token)

    with log_at("DEBUG") as written:
        async with online(tiny_chat_model_dir, max_new_tokens=8, system_prompt=system_prompt) as stage:
            secrets.add(stage.discord.bot_token)
            stage.bot.application.client.add_listener(on_interaction)
            await use_everything(stage)
    log = written.getvalue()
    assert "Answered" in log
    assert "rate limited" in log
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in log] == []


async def use_everything(stage: Stage) -> None:
    """Ask with a file, set a persona, edit, and delete, while Discord limits, fails and drops the bot."""
    server, ada = stage.discord, stage.ada
    channel = await stage.fresh_channel(f"{MARK} as a thread")
    server.fail_next("PATCH", "*/channels/*/messages/*", 500)
    text = f"<@{server.bot.id}> {MARK}?"
    question = await server.send(ada.id, channel, text, files=[(f"{MARK}.txt", MARK.encode())])
    await stage.answer(ada, channel, question)
    form, _ = await open_form(stage, ada, channel, "persona set", where="here")
    server.fail_next("*", "*/webhooks/*", 429, retry_after=0.1)
    submitted = await server.submit_modal(ada.id, form, {"persona": f"{MARK} as a persona"})
    await response(stage, ada, channel, submitted)
    await use(stage, ada, channel, "persona show")
    await server.edit(ada.id, channel, question, f"{text} Once more.")
    await server.drop_gateway()
    await server.delete(ada.id, channel, question)

    async def is_forgotten() -> bool:
        return not await stage.remembered(channel)

    await until(is_forgotten)
