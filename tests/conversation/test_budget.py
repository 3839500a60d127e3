"""How a model's context is divided."""

from __future__ import annotations

import pytest

from bot.conversation.budget import Budget


@pytest.mark.parametrize(
    ("budget", "reserve", "prompt_limit", "system_prompt_limit"),
    [
        pytest.param(Budget(4096, 1024), 1024, 3072, 1536, id="room for the answer"),
        pytest.param(Budget(4096, 100_000), 2048, 2048, 1024, id="never more than half for the answer"),
        pytest.param(Budget(4096, 1024, 300), 1024, 300, 150, id="a longest prompt that was set"),
        pytest.param(Budget(4096, 1024, 100_000), 1024, 3072, 1536, id="which never lengthens the context"),
    ],
)
def test_the_parts_of_a_context(budget: Budget, reserve: int, prompt_limit: int, system_prompt_limit: int) -> None:
    assert (budget.reserve, budget.prompt_limit, budget.system_prompt_limit) == (
        reserve,
        prompt_limit,
        system_prompt_limit,
    )
