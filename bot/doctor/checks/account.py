"""The bot's account on Discord: its token, what the portal grants it, its invite link, and Discord's clock."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
import discord

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.discord_client.client import INTENT_HELP, PhiClient, grants_message_content
from bot.discord_client.invite import invite_link
from bot.discord_client.rest.time_limit import on_response
from bot.discord_client.startup import log_in_once
from bot.doctor.check import Finding, Findings, Result, refused
from bot.errors import ConfigurationError
from bot.settings import Settings

TOKEN, INTENTS, INVITE, CLOCK = "token", "intents", "invite", "clock"
_PORTAL = "https://discord.com/developers/applications"
_MOST_CHANNELS = 3
_CLOCK_WARNING_SECONDS = 10.0
_CLOCK_ERROR_SECONDS = 300.0


@dataclass(slots=True)
class ClockReading:
    """Discord's time and this machine's, when Discord answered; None before that."""

    seconds_ahead: float | None = None

    def read(self, end: aiohttp.TraceRequestEndParams) -> None:
        """Take both times from a response."""
        date = end.response.headers.get("Date")
        if date is not None:
            self.seconds_ahead = time.time() - parsedate_to_datetime(date).timestamp()


@dataclass(frozen=True, slots=True)
class Account:
    """The account after a login by REST.

    Attributes:
        client: logged in, and not connected to the gateway.
        application: what the portal says.
    """

    client: PhiClient
    application: discord.AppInfo
    clock: ClockReading


@asynccontextmanager
async def open_account(token: str) -> AsyncIterator[Account]:
    """Log in by requests alone, so that the running bot keeps its session.

    Raises:
        ConfigurationError: Discord refuses the token.
        Exception: Discord refuses the login for now, or cannot be reached; see `refusal_of`.
    """
    clock = ClockReading()
    async with PhiClient(message_content_intent=False) as client:
        reset = on_response.set(clock.read)
        try:
            await log_in_once(client, token)
        finally:
            on_response.reset(reset)
        assert client.application is not None  # the login reads it
        yield Account(client, client.application, clock)


def check_token_form(settings: Settings) -> Findings:
    """Report what is wrong with the token as far as its form says."""
    try:
        settings.require_token()
    except ConfigurationError as error:
        return [refused(TOKEN, error)]
    return [Finding(TOKEN, Result.OK, "it has the form of a bot's token")]


def check_account(account: Account, settings: Settings, modes: Sequence[ModeSetting]) -> Findings:
    """Report on everything but the servers.

    Args:
        modes: of the channels, as the database has them.
    """
    return [*_token(account), *_intents(account, settings, modes), *_invite(account), *_clock(account.clock)]


def _token(account: Account) -> Findings:
    findings = [Finding(TOKEN, Result.OK, f"Discord accepts it; the bot is {account.client.user}")]
    if account.application.interactions_endpoint_url is not None:
        line = "the portal sends commands and buttons to an Interactions Endpoint URL, so the bot never sees them"
        way_out = f"empty that field at {_PORTAL} (General Information)"
        findings.append(Finding(TOKEN, Result.ERROR, line, way_out))
    return findings


def _intents(account: Account, settings: Settings, modes: Sequence[ModeSetting]) -> Findings:
    granted, wanted = grants_message_content(account.application.flags), settings.message_content_intent
    if wanted and not granted:
        return [refused(INTENTS, ConfigurationError(INTENT_HELP))]
    if wanted:
        return [Finding(INTENTS, Result.OK, "the message-content intent is granted and used")]
    blind = [each.channel_id for each in modes if each.mode is not ChannelMode.MENTION]
    if blind:
        line = f"the mode threads or free is not in force, for want of the message-content intent: {_ids(blind)}"
        also = "" if granted else ", and switch the intent on in the portal (Bot, Privileged Gateway Intents)"
        return [Finding(INTENTS, Result.WARNING, line, f"set MESSAGE_CONTENT_INTENT=true{also}")]
    line = "the message-content intent is " + ("granted but not used" if granted else "neither granted nor needed")
    return [Finding(INTENTS, Result.OK, line)]


def _ids(channels: Sequence[int]) -> str:
    shown = ", ".join(map(str, channels[:_MOST_CHANNELS]))
    more = len(channels) - _MOST_CHANNELS
    return f"channels {shown} and {more} more" if more > 0 else f"channels {shown}"


def _invite(account: Account) -> Findings:
    findings = [Finding(INVITE, Result.OK, invite_link(account.application.id))]
    if account.application.bot_require_code_grant:
        line = "the link does not work, because the bot requires the OAuth2 code grant"
        way_out = f"switch Requires OAuth2 Code Grant off at {_PORTAL} (Bot)"
        findings.append(Finding(INVITE, Result.WARNING, line, way_out))
    elif not account.application.bot_public:
        findings.append(Finding(INVITE, Result.OK, "the bot is not public, so the link works for its owner alone"))
    return findings


def _clock(clock: ClockReading) -> Findings:
    if clock.seconds_ahead is None:
        return [Finding(CLOCK, Result.SKIPPED, "not compared, because Discord sent no time")]
    return [clock_finding(clock.seconds_ahead)]


def clock_finding(seconds_ahead: float) -> Finding:
    """What a clock that is so far ahead of Discord's means; Discord's is given in whole seconds."""
    off = abs(seconds_ahead)
    if off < _CLOCK_WARNING_SECONDS:
        return Finding(CLOCK, Result.OK, "within seconds of Discord's")
    direction = "ahead of" if seconds_ahead > 0 else "behind"
    line = f"this machine's clock is {off:,.0f} s {direction} Discord's; questions seem older or newer than they are"
    result = Result.ERROR if off >= _CLOCK_ERROR_SECONDS else Result.WARNING
    return Finding(CLOCK, result, line, "let the system set its clock over the network (NTP), and restart the bot")
