"""What `/context` says about an empty, a used and a full context, and about all kinds of turns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.summaries import summary_of
from bot.conversation.tree import Conversation, OpenConversation
from bot.conversation.turn import ConversationKey, TextFile, Turn, UserMessage
from bot.discord_client.commands.context_summary import context_text
from bot.prompting.prompt import Message, PromptBuilder
from tests.phi3_tokenizer import write_phi3_tokenizer

KEY = ConversationKey(7)
SYSTEM_PROMPT = "You are Phi."
BUDGET = Budget(context_length=1000, max_new_tokens=200)
CELLS = "🟦🟩⬜🟨⬛"


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> PromptBuilder:
    return write_phi3_tokenizer(tmp_path_factory.mktemp("phi3")).builder


@pytest.fixture
def window(builder: PromptBuilder) -> ContextWindow:
    return ContextWindow(builder, BUDGET)


def turn(number: int, question: str, answer: str = "Indeed.", name: str = "Ada") -> Turn:
    asked = UserMessage(question, author_id=1, author_name=name)
    return Turn(number, KEY, number - 1 or None, 1, number - 1, asked, Message("assistant", answer))


def shown(
    window: ContextWindow, branch: Sequence[Turn], *, past_known: bool = True, source: str = "this channel"
) -> str:
    opened = OpenConversation(Conversation(KEY, past_known=past_known), 0, tuple(branch), SYSTEM_PROMPT)
    text = context_text(opened, window.usage(SYSTEM_PROMPT, branch), window.budget.prompt_limit, source)
    assert len(text) <= 2000
    return text


def bar_of(text: str) -> str:
    [bar] = [line for line in text.splitlines() if len(line) > 1 and set(line) <= set(CELLS)]
    return bar


def tokens_of(text: str, name: str) -> int:
    found = re.search(rf"{name}: ([\d,]+) token", text)
    assert found, text
    return int(found[1].replace(",", ""))


def test_an_empty_conversation_uses_the_system_prompt_and_the_reserve(window: ContextWindow) -> None:
    text = shown(window, [])
    assert text.startswith("**Context:** 1,000 tokens\n")
    assert re.fullmatch("🟦+⬜+🟨{4}", bar_of(text))
    assert "🟩 History: 0 tokens, 0%" in text
    assert "🟨 Reserved for the answer: 200 tokens, 20%" in text
    assert "I see nothing earlier here" in text
    assert "No longer in the context" not in text


def test_the_parts_make_up_the_context_and_their_cells_the_bar(window: ContextWindow) -> None:
    text = shown(window, [turn(1, "a " * 100), turn(2, "b " * 100)])
    bar = bar_of(text)
    parts = {
        name[0]: tokens_of(text, name[2:])
        for name in ("🟦 System prompt", "🟩 History", "⬜ Free", "🟨 Reserved for the answer")
    }
    assert sum(parts.values()) == 1000
    assert len(bar) == 20
    assert bar == "".join(sorted(bar, key=CELLS.index))
    for cell, tokens in parts.items():
        assert abs(bar.count(cell) - tokens / 50) <= 1, cell
        assert bar.count(cell) >= 1


def test_shorter_prompts_leave_a_part_unused(builder: PromptBuilder) -> None:
    text = shown(ContextWindow(builder, replace(BUDGET, max_prompt_tokens=500)), [turn(1, "Why?")])
    assert "⬛ Unused: 300 tokens, 30%" in text
    assert bar_of(text).count("⬛") in (5, 6)
    assert "Unused" not in shown(ContextWindow(builder, BUDGET), [turn(1, "Why?")])


def test_each_turn_is_one_short_line(window: ContextWindow) -> None:
    long = "word " * 40
    text = shown(window, [turn(1, "Why?\nWhy ever?", "So."), turn(2, long, long, name="Grace")])
    first, second = text.splitlines()[-2:]
    assert first == "**Ada:** Why? Why ever? → So."
    name, question, answer = re.fullmatch(r"\*\*(.*):\*\* (.*) → (.*)", second).groups()  # type: ignore[union-attr]
    assert name == "Grace"
    assert question == answer == (long[:59] + "…")


def test_markdown_and_mentions_of_members_are_escaped(window: ContextWindow) -> None:
    nasty = turn(
        1, "**bold** `x` @everyone <@1234567890123456789>", "||hush|| https://a.example/_b_", name="*A*\n[x](y)"
    )
    line = shown(window, [nasty]).splitlines()[-1]
    assert "@everyone" not in line
    assert "<@1234" not in line
    assert r"\*\*bold\*\* \`x\`" in line
    assert r"\|\|hush\|\|" in line
    assert line.startswith(r"**\*A\* x")


def test_erased_turns_are_hidden_and_files_stand_in_for_a_missing_text(window: ContextWindow) -> None:
    with_file = turn(2, "")
    assert with_file.asked
    with_file = replace(with_file, asked=replace(with_file.asked, files=(TextFile(5, "notes.txt", "Buy milk."),)))
    text = shown(window, [replace(turn(1, "secret"), asked=None, answer=None), with_file])
    assert "secret" not in text
    assert text.splitlines()[-2:] == ["**What I can see**, newest last:", "**Ada:** notes.txt → Indeed."]
    assert "I see nothing earlier" in shown(window, [replace(turn(1, "secret"), asked=None, answer=None)])


def test_trimmed_turns_are_counted(window: ContextWindow) -> None:
    branch = [turn(number, "word " * 60) for number in range(13, 18)]
    kept = len(window.usage(SYSTEM_PROMPT, branch).branch)
    assert 0 < kept < 5
    text = shown(window, branch)
    assert "No longer in the context: 12 earlier turns." in text
    assert f"Trimmed at the next question, to make room: {5 - kept} earlier turns." in text
    assert text.count("**Ada:**") == kept
    assert "No longer in the context: 1 earlier turn." in shown(window, [turn(2, "Why?")])


def with_summary(branch: Sequence[Turn], count: int, text: str) -> list[Turn]:
    summary = summary_of(KEY, branch[:count], Message("assistant", text), 99)
    return [*branch[:count], summary, *branch[count:]]


def test_a_summary_is_shown_before_and_after_it_takes_the_place_of_turns(window: ContextWindow) -> None:
    few = [turn(number, "Why?") for number in range(1, 5)]
    text = shown(window, with_summary(few, 2, "Ada *likes* green."))
    assert "**Summary that will replace the oldest turns:** Ada \\*likes\\* green." in text
    assert text.count("**Ada:**") == 4

    many = [turn(13, "word " * 20)]
    while not window.is_nearly_full(SYSTEM_PROMPT, many):
        many.append(turn(many[-1].id + 1, "word " * 20))
    text = shown(window, with_summary(many, 4, "Ada likes green."))
    assert "No longer in the context: 12 earlier turns." in text
    assert "Trimmed at the next question, to make room: 4 earlier turns." in text
    assert "**Summary of earlier turns:** Ada likes green." in text
    assert text.count("**Ada:**") == len(many) - 4


def test_a_long_summary_is_cut(window: ContextWindow) -> None:
    branch = [turn(number, "*" * 70, "_" * 70) for number in range(1, 8)]
    text = shown(window, with_summary(branch, 2, "*" * 3000))
    assert "…" in text
    assert "**Ada:**" in text


def test_a_thread_does_not_count_the_turns_before_its_starter(window: ContextWindow) -> None:
    origin = replace(turn(40, "Where it began"), key=ConversationKey(3))
    text = shown(window, [origin, replace(turn(50, "Why?"), depth=0)])
    assert "No longer in the context" not in text
    assert "Where it began" in text


def test_the_newest_turns_that_fit_are_listed_and_the_others_counted(builder: PromptBuilder) -> None:
    wide = ContextWindow(builder, Budget(100_000, 1000))
    text = shown(wide, [turn(number, f"{number}: {'*' * 80}", "_" * 80) for number in range(1, 61)])
    listed = re.findall(r"\*\*Ada:\*\* (\d+):", text)
    assert [int(number) for number in listed] == list(range(61 - len(listed), 61))
    assert f"(and {60 - len(listed)} older ones)" in text
    assert len(text) > 1600


def test_the_source_of_the_persona_and_an_outage_are_shown(window: ContextWindow) -> None:
    text = shown(window, [], past_known=False, source="this server")
    assert "**Persona:** from this server" in text
    assert "The database is unavailable" in text
