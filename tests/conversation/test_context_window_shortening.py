"""Questions and system prompts that are too long for a context are shortened."""

from __future__ import annotations

from dataclasses import replace

from bot.conversation.budget import Budget
from bot.conversation.context_window import ContextWindow
from bot.conversation.turn import File, Quote, Relation, TextFile, UnreadFile
from bot.prompting.prompt import PromptBuilder
from tests.conversation.memory import SYSTEM, asked, person, turn
from tests.conversation.test_context_window import ids_of, window_of


def test_a_question_that_is_too_long_is_shortened_to_the_last_token_without_history(
    builder: PromptBuilder,
) -> None:
    window = window_of(builder, 250)
    question = asked("the " * 1000)
    fitted = window.fit(SYSTEM, [turn(asked("Hello"))], question)
    assert fitted.asked_tokens == len(ids_of(builder, question)) > 1000
    assert len(fitted.prompt.ids) == 250
    assert question.text.startswith(fitted.asked.text)
    assert replace(fitted.asked, text=question.text) == question
    assert fitted.branch == ()


def test_files_are_cut_before_the_quote_and_the_text(builder: PromptBuilder) -> None:
    quote = Quote(7, person("Grace"), "Grace", "you " * 100)
    files = TextFile(1, "a.txt", "is " * 100), TextFile(2, "b.txt", "Hello " * 100)
    whole = asked("the " * 100, quotes=[quote], files=files)
    shapes: list[tuple[int, ...]] = []
    for limit in range(len(ids_of(builder, whole)), 40, -30):
        fitted = window_of(builder, limit).fit(SYSTEM, (), whole)
        assert len(fitted.prompt.ids) <= limit
        if shapes:
            assert len(fitted.prompt.ids) > limit - 60, "no more is cut than necessary"
        now = fitted.asked
        in_files = (len(file.text) for file in now.files if isinstance(file, TextFile))
        lengths = (len(now.text), sum(len(quote.text) for quote in now.quotes), *in_files)
        shapes.append((*lengths, 0, 0)[:4])
        # The cut removes the end of one part and all parts after it.
        cut = next((part for part in range(4) if shapes[-1][part] < shapes[0][part]), 3)
        assert shapes[-1][:cut] == shapes[0][:cut]
        assert not any(shapes[-1][cut + 1 :])
    assert shapes[0] == tuple(map(len, (whole.text, quote.text, files[0].text, files[1].text)))
    assert {sum(bool(length) for length in shape) for shape in shapes} == {1, 2, 3, 4}


def test_a_file_without_room_is_named_and_the_quotes_files_go_before_its_text(builder: PromptBuilder) -> None:
    named = UnreadFile(1, "a.txt", "file")
    quote = Quote(7, person("Grace"), "Grace", "you " * 100, (TextFile(1, "a.txt", "is " * 100),))
    whole = asked("the " * 100, quotes=[quote])
    length = len(ids_of(builder, whole))
    fits: list[tuple[File, ...]] = []
    for limit in range(length - 1, length - 200, -10):
        fitted = window_of(builder, limit).fit(SYSTEM, (), whole).asked
        (now,) = fitted.quotes
        assert fitted.text == whole.text
        assert now.text == quote.text or not now.files
        fits.append(now.files)
    assert (named,) in fits
    assert fits[-1] == ()


def test_a_chain_of_replies_leaves_room_for_the_history_and_loses_its_oldest_messages_first(
    builder: PromptBuilder,
) -> None:
    window = window_of(builder, 800)
    history = [turn(asked("Hello " * 50)) for _ in range(4)]
    chain = [
        Quote(number, person("Grace"), "Grace", f"{number} " + "you " * 60, relation=Relation.EARLIER)
        for number in range(1, 6)
    ]
    chain[-1] = replace(chain[-1], files=(TextFile(1, "a.txt", "is " * 60),))
    replied = Quote(9, person("Grace"), "Grace", "the " * 100)
    fitted = window.fit(SYSTEM, history, asked("Why?", quotes=[*chain, replied]))
    cut, *whole, last = fitted.asked.quotes
    assert (whole, last) == (chain[3:], replied)
    assert cut == replace(chain[2], text=cut.text)
    assert chain[2].text.startswith(cut.text)
    texts = (cut.text, *(quote.text for quote in whole), "is " * 60)
    limit = window.budget.earlier_quotes_limit
    assert limit - 3 <= sum(len(builder.tokenizer.encode(text)) for text in texts) <= limit == 200
    assert fitted.branch, "the history keeps its room"
    assert fitted.asked_tokens < 800, "nobody is told of it, as of a trim"


def test_a_short_chain_of_replies_stays_whole(builder: PromptBuilder) -> None:
    chain = [Quote(number, person("Grace"), "Grace", "you", relation=Relation.EARLIER) for number in range(1, 6)]
    question = asked("Why?", quotes=chain)
    assert window_of(builder, 400).fit(SYSTEM, (), question).asked == question


def test_the_smallest_prompt_setting_leaves_room_for_a_question(builder: PromptBuilder) -> None:
    window = ContextWindow(builder, Budget(4096, 1024, 64))
    fitted = window.fit("is " * 1000, (), asked("the " * 1000))
    assert len(fitted.prompt.ids) <= 64
    assert fitted.asked.text.startswith("the the")


def test_a_context_without_room_does_not_loop(builder: PromptBuilder) -> None:
    window = ContextWindow(builder, Budget(4096, 20, 2))
    fitted = window.fit(SYSTEM, [turn(asked("Hello"))], asked("the " * 100))
    assert (fitted.branch, fitted.asked.text) == ((), "")


def test_a_system_prompt_too_long_for_another_model_is_shortened(builder: PromptBuilder) -> None:
    window = window_of(builder, 300)
    system_prompt = "the " * 149 + "END"
    assert window.system_prompt_tokens(system_prompt) > window.budget.system_prompt_limit == 150
    text = window.fit(system_prompt, (), asked("Hello")).prompt.text
    assert text.startswith("<|system|>\nthe the ")
    assert "END" not in text
    assert text.endswith("<|user|>\nHello<|end|>\n<|assistant|>\n")
    assert 145 <= len(window.prefix(system_prompt, ()).ids) <= 150
    fitting = next(text for n in range(149, 0, -1) if window.system_prompt_tokens(text := "the " * n) <= 150)
    assert fitting in window.fit(fitting, (), asked("Hello")).prompt.text
