"""The sizes of all measures."""

from __future__ import annotations

from dataclasses import dataclass

LLAMA_CPP = "llama.cpp"

_ONE_AFTER_ANOTHER = "this engine answers one question after another, so each waits for all before it"
_NO_ENGINE_OF_THE_BOT = "the bot does not run on this engine"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure; lengths are in tokens.

    Attributes:
        compared: the measures of every round, by which engines are compared.
        once: those of the first round alone. A measure in neither is only taken on request.
        one_chat_runs: repetitions of the single chat; the median counts.
        one_chat_prompt: its prompt.
        one_chat_answer: its answer.
        chats: numbers of chats that run together, one measure for each.
        chat_prompt: the prompt of each of them.
        chat_answer: the answer of each of them.
        histories: histories after which the next turn is measured.
        history_answer: the answer to the history's prompt, part of the next turn's prompt.
        next_question: what the next turn adds to that.
        next_answer: the answer to the next turn.
        agreement_answer: the answer to each question on which the engines are compared.
        mentions: mentions of the whole bot.
        mention_answer: its longest answer to a mention.
        newcomer_prompt: the prompt that is read while other answers stream.
        newcomer_seconds: its time limit.
        crowd_conversations: simultaneous conversations.
        crowd_turns: questions in each of them.
        crowd_answer: the longest answer to each question.
        crowd_running: the crowd's questions that run at once; the others wait in the queue.
        idle_conversations: how many idle conversations are few, and how many are many; multiples of ten.
        idle_turns: turns in each of them.
        idle_mentions: questions in each run; a multiple of ten.
        idle_runs: runs with few, and as many with many.
        discord_channel: people who ask in one channel with separate conversations, and with a shared one.
        discord_crowds: people of each crowd that asks in many channels.
        discord_channels: those channels.
        discord_answer: the longest answer to each of these questions.
        discord_seconds: in which the people of a crowd ask.
        beside_people: people who ask in one channel within a second.
        beside_answer: the longest answer to each of these questions.
        beside_rounds: how often they are answered side by side, and as often one after another.
        returning_runs: kills of the bot with the disk cache, and as many without it; also the runs beside two streams.
        returning_history: the conversation of which somebody asks after the kill, and which is loaded beside streams.
        returning_answer: the longest answer of these measures.
        returning_conversations: conversations that are asked in turn.
        returning_conversation: each of them.
        returning_in_memory: how many of them the KV cache holds.
        returning_without: how many of them are also asked without the disk cache.
        returning_newcomer: the prompt that is read, and therefore written, while other answers stream.
        returning_steps: the streams' steps after that, in which the rest of it is written.
        returning_empties_page_cache: whether the whole machine's page cache is emptied, where permitted; otherwise
            only the disk cache's files leave it.
        drafts_prompts: questions of each kind of work that are answered with drafts and without.
        drafts_answer: the longest answer to each.
        drafts_rounds: how often each is answered on both sides; at least 2.
        oracle_rounds: rounds of the runs with an oracle's drafts, each between two runs without.
        oracle_prompt: the prompt of the single chat there.
        oracle_answer: its answer, and the answer after the history.
        oracle_chats: numbers of chats that run together there.
        oracle_chat_prompt: the prompt of each of them.
        oracle_chat_answer: the answer of each of them.
        oracle_history: the long history there.
    """

    compared: tuple[str, ...] = ("one_chat", "together_8", "next_turn_3000", "newcomer")
    once: tuple[str, ...] = ("answers", "mention")
    one_chat_runs: int = 2
    one_chat_prompt: int = 256
    one_chat_answer: int = 48
    chats: tuple[int, ...] = (1, 2, 4, 8)
    chat_prompt: int = 64
    chat_answer: int = 64
    histories: tuple[int, ...] = (256, 1024, 3000)
    history_answer: int = 8
    next_question: int = 56
    next_answer: int = 4
    agreement_answer: int = 16
    mentions: int = 3
    mention_answer: int = 16
    newcomer_prompt: int = 3000
    newcomer_seconds: float = 1800.0
    crowd_conversations: int = 32
    crowd_turns: int = 12
    crowd_answer: int = 32
    crowd_running: int = 16
    idle_conversations: tuple[int, int] = (10, 10_000)
    idle_turns: int = 50
    idle_mentions: int = 200
    idle_runs: int = 5
    discord_channel: tuple[int, int] = (16, 20)
    discord_crowds: tuple[int, ...] = (200, 500, 1000)
    discord_channels: int = 50
    discord_answer: int = 160
    discord_seconds: float = 10.0
    beside_people: int = 8
    beside_answer: int = 48
    beside_rounds: int = 3
    returning_runs: int = 3
    returning_history: int = 3000
    returning_answer: int = 8
    returning_conversations: int = 40
    returning_conversation: int = 2000
    returning_in_memory: int = 5
    returning_without: int = 4
    returning_newcomer: int = 1000
    returning_steps: int = 24
    returning_empties_page_cache: bool = True
    drafts_prompts: int = 4
    drafts_answer: int = 160
    drafts_rounds: int = 5
    oracle_rounds: int = 3
    oracle_prompt: int = 256
    oracle_answer: int = 64
    oracle_chats: tuple[int, ...] = (2, 4, 8)
    oracle_chat_prompt: int = 64
    oracle_chat_answer: int = 48
    oracle_history: int = 3000

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of all measures of an engine, in their order; loading it comes first in any case."""
        return (
            "after_load",
            "one_chat",
            *(f"together_{count}" for count in self.chats),
            *(f"next_turn_{history}" for history in self.histories),
            "answers",
            "newcomer",
            "crowd",
            "mention",
        )

    def measures_in(self, round_number: int) -> tuple[str, ...]:
        """Return the measures of a round; the first has the number 1."""
        return self.compared if round_number > 1 else (*self.compared, *self.once)

    def next_turn_length(self, history: int) -> int:
        """Return the tokens of a history's next turn, its answer included."""
        return history + self.history_answer + self.next_question + self.next_answer

    def left_out(self, engine: str, context_length: int) -> dict[str, str]:
        """Return the measures to skip, by name, with the reason."""
        needed = {f"next_turn_{history}": self.next_turn_length(history) for history in self.histories}
        needed["newcomer"] = self.newcomer_prompt + 1
        reasons = {
            name: f"{tokens} tokens do not fit the model's context of {context_length}"
            for name, tokens in needed.items()
            if tokens > context_length
        }
        if engine == "optimum":
            reasons |= dict.fromkeys(("newcomer", "crowd"), _ONE_AFTER_ANOTHER)
        if engine == LLAMA_CPP:
            reasons |= dict.fromkeys(("crowd", "mention"), _NO_ENGINE_OF_THE_BOT)
        return reasons


_ONCE = ("answers", "crowd", "mention")
FULL = Plan()
SHORT = Plan(
    once=("after_load", "together_1", "together_2", "together_4", "next_turn_256", "next_turn_1024", *_ONCE),
    one_chat_runs=1,
    one_chat_answer=32,
    chat_prompt=32,
    chat_answer=32,
    agreement_answer=24,
    mentions=5,
    mention_answer=12,
    newcomer_prompt=1024,
    newcomer_seconds=240.0,
    crowd_conversations=8,
    crowd_turns=3,
    crowd_answer=16,
    crowd_running=8,
    idle_runs=3,
    discord_crowds=(200,),
    discord_answer=32,
    returning_runs=1,
    returning_history=1000,
    returning_conversations=8,
    returning_conversation=500,
    returning_in_memory=2,
    returning_without=1,
    returning_newcomer=500,
    drafts_prompts=2,
    drafts_answer=64,
    drafts_rounds=3,
    oracle_answer=48,
    oracle_chats=(4,),
    oracle_chat_answer=32,
    oracle_history=1000,
)
QUICK = Plan(
    compared=("one_chat", "together_8", "next_turn_256", "newcomer"),
    once=("after_load", "together_1", "next_turn_128", *_ONCE),
    one_chat_runs=1,
    one_chat_prompt=128,
    one_chat_answer=8,
    chats=(1, 8),
    chat_prompt=32,
    chat_answer=8,
    histories=(128, 256),
    agreement_answer=8,
    mentions=2,
    mention_answer=8,
    newcomer_prompt=256,
    newcomer_seconds=60.0,
    crowd_conversations=4,
    crowd_turns=2,
    crowd_answer=8,
    crowd_running=4,
    idle_conversations=(10, 100),
    idle_turns=12,
    idle_mentions=30,
    idle_runs=1,
    discord_channel=(2, 2),
    discord_crowds=(4,),
    discord_channels=2,
    discord_answer=16,
    discord_seconds=1.0,
    beside_people=2,
    beside_answer=16,
    beside_rounds=1,
    returning_runs=1,
    returning_history=600,
    returning_conversations=6,
    returning_conversation=400,
    returning_in_memory=2,
    returning_without=2,
    returning_newcomer=256,
    returning_empties_page_cache=False,
    drafts_prompts=1,
    drafts_answer=24,
    drafts_rounds=2,
    oracle_rounds=1,
    oracle_prompt=64,
    oracle_answer=24,
    oracle_chats=(2,),
    oracle_chat_prompt=32,
    oracle_chat_answer=16,
    oracle_history=128,
)

SIZES = {"full": FULL, "short": SHORT, "quick": QUICK}
"""By their name on the command line: everything; for a large model on a slow machine; a trial of the benchmark."""
