"""Everything that only Discord knows, asked by requests alone: a running bot keeps its gateway session."""

from __future__ import annotations

import asyncio
from functools import partial

from bot.discord_client.rest.refusal import refusal_of
from bot.doctor.check import Check, Finding, Findings, Result, refused, run_check
from bot.doctor.checks import account, permissions
from bot.doctor.setup import Setup, opens_threads
from bot.errors import ConfigurationError

_LOGIN_SECONDS = 40.0
_PERMISSIONS_SECONDS = 120.0
DISCORD_SECONDS = _LOGIN_SECONDS + _PERMISSIONS_SECONDS + 30.0
_LATER = (account.INTENTS, account.INVITE, account.CLOCK, permissions.NAME)


async def check_discord(setup: Setup) -> Findings:
    """Check the token, and with it what Discord says."""
    if wrong := setup.wrong(["DISCORD_TOKEN"]):
        reason = f"not checked, because {' and '.join(wrong)} must be corrected"
        return [Finding(name, Result.SKIPPED, reason) for name in (account.TOKEN, *_LATER)]
    form = account.check_token_form(setup.settings)
    if setup.offline or form[0].result is not Result.OK:
        reason = "not asked (--offline)" if setup.offline else "not asked, because there is no usable token"
        return [*form, *(Finding(name, Result.SKIPPED, reason) for name in _LATER)]
    modes = await setup.modes()
    try:
        async with asyncio.timeout(_LOGIN_SECONDS) as limit, account.open_account(setup.settings.require_token()) as on:
            limit.reschedule(None)
            found = account.check_account(on, setup.settings, modes)
            find = partial(
                permissions.check_permissions,
                on,
                partial(opens_threads, setup.settings, modes),
                seconds=_PERMISSIONS_SECONDS,
            )
            return [*found, *await run_check(Check(permissions.NAME, find, _PERMISSIONS_SECONDS + 10.0))]
    except ConfigurationError as error:
        first = refused(account.TOKEN, error)
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        way_out = "check the network, or Discord's status page; the bot itself waits until it can connect"
        first = Finding(account.TOKEN, Result.WARNING, f"not checked: {refusal.reason}", way_out)
    return [first, *(Finding(name, Result.SKIPPED, "not asked, see token") for name in _LATER)]
