"""A token is understood as people paste it."""

from __future__ import annotations

import pytest

from bot.discord_token import pasted_token, token_mistake

TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.mark.parametrize(
    "pasted",
    [
        "{}",
        "  {}\r\n",
        '"{}"',
        "Bot {}",
        "bot '{}'",
        '"Bot {}"',
        "\u201c{}\u201d",
        "`{}`",
        "DISCORD_TOKEN={}",
        "export DISCORD_TOKEN='{}'\n",
        "\ufeff{}\u200b",
    ],
)
def test_a_token_is_understood_as_it_is_pasted(pasted: str) -> None:
    assert pasted_token(pasted.format(TOKEN)) == TOKEN


@pytest.mark.parametrize("pasted", ["", "Bot", "your token here", f"{TOKEN}{TOKEN}", TOKEN[:-9]])
def test_what_is_no_token_stays_a_mistake(pasted: str) -> None:
    mistake = token_mistake(pasted_token(pasted))
    assert mistake is not None
    assert "MTk4" not in mistake
