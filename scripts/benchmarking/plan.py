"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass

_ONE_AFTER_ANOTHER = "this engine answers one question after another, so everybody waits for all who came before"


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of all measures; lengths are in tokens.

    Attributes:
        one_chat_runs: how often the single chat is measured; the median counts.
        one_chat_prompt: its prompt.
        one_chat_answer: its answer.
        chats: numbers of chats that run together, one measure each.
        chat_prompt: the prompt of each of them.
        chat_answer: the answer of each of them.
        histories: histories after which the next turn is measured.
        history_answer: the answer to the history's prompt, which the next turn holds too.
        next_question: what the next turn adds to that.
        next_answer: the answer to the next turn.
        agreement_answer: the answer to each question by which the engines are compared.
        mentions: how often the bot is mentioned.
        mention_answer: its longest answer to a mention.
        newcomer_prompt: the prompt that is read while others' answers stream.
        newcomer_seconds: the longest that is waited for it.
        crowd_conversations: conversations that go on beside each other.
        crowd_turns: questions in each of them.
        crowd_answer: the longest answer to each question.
        crowd_running: the most questions of the crowd that run at once; the others wait in the bot's line.
        idle_conversations: the few and the many conversations of the measure of idle ones; multiples of ten.
        idle_turns: turns in each of them.
        idle_mentions: questions in each run of it; a multiple of ten.
        idle_runs: runs with the few, and as many with the many.
    """

    one_chat_runs: int = 3
    one_chat_prompt: int = 256
    one_chat_answer: int = 64
    chats: tuple[int, ...] = (1, 2, 4, 8)
    chat_prompt: int = 64
    chat_answer: int = 64
    histories: tuple[int, ...] = (256, 1024, 3000)
    history_answer: int = 8
    next_question: int = 56
    next_answer: int = 4
    agreement_answer: int = 64
    mentions: int = 5
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

    def next_turn_length(self, history: int) -> int:
        """All tokens of a history's next turn, its answer included."""
        return history + self.history_answer + self.next_question + self.next_answer

    def left_out(self, engine: str, context_length: int) -> dict[str, str]:
        """Return why measures are not taken, by their names.

        Args:
            engine: the engine's name.
            context_length: the most tokens that the model can see at once.
        """
        needed = {f"next_turn_{history}": self.next_turn_length(history) for history in self.histories}
        needed["newcomer"] = self.newcomer_prompt + 1
        reasons = {
            name: f"{tokens} tokens do not fit the model's context of {context_length}"
            for name, tokens in needed.items()
            if tokens > context_length
        }
        if engine == "optimum":
            reasons |= dict.fromkeys(("newcomer", "crowd"), _ONE_AFTER_ANOTHER)
        return reasons


FULL = Plan()
SHORT = Plan(
    one_chat_runs=1,
    one_chat_answer=32,
    chat_prompt=32,
    chat_answer=32,
    agreement_answer=24,
    mention_answer=12,
    newcomer_prompt=1024,
    newcomer_seconds=240.0,
    crowd_conversations=8,
    crowd_turns=3,
    crowd_answer=16,
    crowd_running=8,
    idle_runs=3,
)
QUICK = Plan(
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
)

SIZES = {"full": FULL, "short": SHORT, "quick": QUICK}
"""By the name that the command line takes: all of it; for a large model on a slow machine; a trial of the benchmark."""
