"""Neither the log at DEBUG nor the metrics show texts, names of files or places, personas, tokens or paths."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import discord

from tests.cli.test_log import log_at
from tests.end_to_end.commands import open_form, response, use
from tests.end_to_end.stage import Stage, free_port, online, until

MARK = "UNMENTIONABLE"


async def test_log_and_metrics_show_nothing_that_members_write(tiny_chat_model_dir: Path) -> None:
    system_prompt = f"{MARK} as a system prompt"
    secrets = {MARK}
    port = free_port()

    async def on_interaction(interaction: discord.Interaction) -> None:
        secrets.add(interaction.token)

    with log_at("DEBUG") as written:
        async with online(
            tiny_chat_model_dir, max_new_tokens=8, system_prompt=system_prompt, metrics_port=port
        ) as stage:
            secrets.add(stage.discord.bot_token)
            stage.bot.application.client.add_listener(on_interaction)
            await use_everything(stage)
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
                pages = [await (await client.get(path)).text() for path in ("/metrics", "/healthz")]
    log = written.getvalue()
    assert "Delivered" in log
    assert "rate limited" in log
    assert len(secrets) > 4
    assert [secret for secret in secrets if secret in log] == []
    assert "phi3_answers_total" in pages[0]
    assert not any(secret in page for secret in (*secrets, str(tiny_chat_model_dir)) for page in pages)


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
