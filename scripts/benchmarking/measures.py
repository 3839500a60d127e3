"""The measures of a loaded engine. Each returns its figures by name, in seconds and tokens."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import Any

from benchmarking.plan import Plan
from benchmarking.prompts import Prompts
from benchmarking.statistics import equal_share, identical
from bot.engine.interface import Engine
from bot.export.timed_generation import MeasureError, generate

Figures = dict[str, Any]


async def first_token_after_load(engine: Engine, prompts: Prompts, plan: Plan) -> Figures:
    """Measure the first answer after loading."""
    run = await generate(engine, prompts.random_ids("after load", plan.chat_prompt), 2)
    return {"prompt_tokens": plan.chat_prompt, "first_token_seconds": run.first_token_seconds}


async def one_chat(engine: Engine, prompts: Prompts, plan: Plan) -> Figures:
    """Measure one chat alone, several times; medians."""
    runs = [
        await generate(engine, prompts.random_ids(f"one chat {run}", plan.one_chat_prompt), plan.one_chat_answer)
        for run in range(plan.one_chat_runs)
    ]
    first_tokens = [run.first_token_seconds for run in runs]
    rates = [run.decode_tokens_per_second for run in runs]
    return {
        "prompt_tokens": plan.one_chat_prompt,
        "new_tokens": plan.one_chat_answer,
        "first_token_seconds": median(first_tokens),
        "decode_tokens_per_second": median(rates),
        "all_first_token_seconds": first_tokens,
        "all_decode_tokens_per_second": rates,
    }


async def chats_together(engine: Engine, prompts: Prompts, plan: Plan, chats: int) -> Figures:
    """Measure several chats that ask at the same moment. The rate is of all their tokens, prefill included."""
    runs = await asyncio.gather(
        *(
            generate(engine, prompts.random_ids(f"{chats} chats {chat}", plan.chat_prompt), plan.chat_answer)
            for chat in range(chats)
        )
    )
    first_tokens = [run.first_token_seconds for run in runs]
    lasted = max(run.ended for run in runs) - min(run.submitted for run in runs)
    return {
        "chats": chats,
        "prompt_tokens": plan.chat_prompt,
        "new_tokens": plan.chat_answer,
        "tokens_per_second": chats * plan.chat_answer / lasted,
        "median_first_token_seconds": median(first_tokens),
        "worst_first_token_seconds": max(first_tokens),
        "all_first_token_seconds": first_tokens,
    }


async def next_turn(engine: Engine, prompts: Prompts, plan: Plan, history: int, *, read_history: bool) -> Figures:
    """The turn that follows a history in the same chat.

    Args:
        engine: the loaded engine.
        prompts: where the ids come from.
        plan: the sizes.
        history: the tokens before the turn, which the engine has never seen.
        read_history: let the engine read them first, as it has in a real chat. An engine that keeps nothing between
            two turns reads them with the turn in any case, and need not be made to do it twice.
    """
    prompt = prompts.random_ids(f"history {history}", history)
    figures: Figures = {"history_tokens": history, "added_tokens": plan.history_answer + plan.next_question}
    answer = prompts.random_ids(f"history answer {history}", plan.history_answer)
    if read_history:
        fresh = await generate(engine, prompt, plan.history_answer)
        figures["fresh_first_token_seconds"] = fresh.first_token_seconds
        answer = fresh.ids
    else:
        figures["skipped"] = "this engine keeps nothing between turns: a next turn costs as much as a new prompt"
    question = prompts.random_ids(f"next question {history}", plan.next_question)
    turn = await generate(engine, prompt + answer + question, plan.next_answer)
    return figures | {"next_first_token_seconds": turn.first_token_seconds}


async def answers(engine: Engine, prompts: Prompts, plan: Plan) -> Figures:
    """Ask real questions twice; the second time, the prompts may be in the prefix cache."""
    fresh = [(await generate(engine, question, plan.agreement_answer)).ids for question in prompts.questions]
    again = [(await generate(engine, question, plan.agreement_answer)).ids for question in prompts.questions]
    return {
        "questions": len(prompts.questions),
        "new_tokens": plan.agreement_answer,
        "again_equal_share": equal_share(fresh, again),
        "again_identical": identical(fresh, again),
        "ids": fresh,
        "ids_again": again,
    }


def agreement(ours: Figures, theirs: Figures) -> Figures:
    """Compare two engines' answers to the same questions.

    Raises:
        MeasureError: an engine gave no answers.
    """
    for each in (ours, theirs):
        if "ids" not in each:
            raise MeasureError(f"there are no answers to compare: {each.get('failed', 'not measured')}")
    return {
        "questions": ours["questions"],
        "equal_share": equal_share(ours["ids"], theirs["ids"]),
        "identical": identical(ours["ids"], theirs["ids"]),
    }
