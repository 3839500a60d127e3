"""An engine that has less memory after a restart."""

from __future__ import annotations

import pytest

from bot.engine.interface import FinishReason, Outcome
from bot.prompting.prompt import PromptBuilder
from tests.answering.answers import make_answering, run
from tests.answering.scripted_engine import ScriptedEngine
from tests.conversation.memory import Memory, ask

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_prompts_fit_the_context_that_a_restart_left(
    chatml: PromptBuilder, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ScriptedEngine(chatml.tokenizer.encode("I see."))
    answering = make_answering(engine, chatml, memory, context_length=4096)
    engine.context_tokens = 512
    answer = answering.ask(ask("Please read this. " * 300))
    await run(answer)
    assert answer.outcome == Outcome(FinishReason.STOP)
    [request] = engine.requests
    assert len(request.prompt_ids) + request.max_new_tokens <= 512
    assert [each for each in caplog.messages if "Context shortened" in each]
