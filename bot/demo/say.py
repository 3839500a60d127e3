"""Mentions the bot from the command line and prints the channel live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import discord

from bot.answering.answer import Answer
from bot.demo.loopback import LoopbackDiscord, Subscription
from bot.discord_client.client import PhiClient
from bot.discord_client.replies.outcome_notes import note_for
from bot.engine.interface import FinishReason, Outcome

_ANSWERED = (FinishReason.STOP, FinishReason.LENGTH, FinishReason.REPEATED)


async def say_all(server: LoopbackDiscord, client: PhiClient, texts: Sequence[str]) -> int:
    """Mention the bot with each text in turn.

    Returns:
        0 if every text got an answer; otherwise 1, with the reason on standard error.
    """
    asker, channel = server.people[0], server.channels[0]
    ended: asyncio.Queue[tuple[Answer, Outcome]] = asyncio.Queue()

    async def on_answered(_message: discord.Message, answer: Answer, outcome: Outcome) -> None:
        ended.put_nowait((answer, outcome))

    client.add_listener(on_answered)
    name_of_mention = {f"<@{person.id}>": f"@{person.name}" for person in (server.bot, *server.people)}
    subscription = server.subscribe()
    printing = asyncio.create_task(_print_messages(subscription, name_of_mention))
    try:
        for text in texts:
            await server.send(asker.id, channel.id, f"<@{server.bot.id}> {text}")
            answer, outcome = await ended.get()
            if outcome.reason not in _ANSWERED or not answer.text.strip():
                print(
                    f"error: {text!r} got no answer: {note_for(outcome, answer.text, is_thinking=answer.is_thinking)}",
                    file=sys.stderr,
                )
                return 1
        return 0
    finally:
        client.remove_listener(on_answered)
        subscription.close()
        await printing


async def _print_messages(subscription: Subscription, name_of_mention: dict[str, str]) -> None:
    """Print each message as it arrives, and the text that edits add to it."""
    shown: dict[str, str] = {}
    async for event in subscription:
        if event.kind not in ("message", "message_edit"):
            continue
        content = str(event.data["content"])
        for mention, name in name_of_mention.items():
            content = content.replace(mention, name)
        before = shown.get(event.data["id"])
        shown[event.data["id"]] = content
        if before is None:
            author = event.data["author"]
            print(f"\n{author.get('global_name') or author['username']}: {content}", end="", flush=True)
        elif content.startswith(before):
            print(content[len(before) :], end="", flush=True)
        elif not before.startswith(content):  # a shorter text continues in the next message, which prints it
            print(f"\n(edited) {content}", end="", flush=True)
    print()
