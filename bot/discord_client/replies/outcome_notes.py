"""The notes below answers that did not end by themselves."""

from __future__ import annotations

from bot.answering.queue import WaitsFor
from bot.answering.shortened_question import ShortenedQuestion
from bot.engine.interface import FinishReason, Outcome

_NOTES = {
    FinishReason.STOP: "",
    FinishReason.LENGTH: "This answer reached the maximum length. Ask me to continue.",
    FinishReason.REPEATED: "I began to repeat myself, so I ended this answer. Ask in other words.",
    FinishReason.CANCELLED: "Stopped.",
    FinishReason.TIMEOUT: "This answer took too long, so I cut it off. Ask for a shorter one.",
    FinishReason.NO_ROOM: "This conversation is too long for my memory. Start a new one with `/reset`.",
    FinishReason.FAILED: "This answer failed. Ask again, or tell whoever runs me.",
}
# In seconds, each 1.25 to 2 times the one before: an estimate is no better, and a text that stays needs no edit.
_TIMES = (5, 10, 15, 20, 30, 40, *(60 * minutes for minutes in (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 40, 50)))
_NOTES_WITHOUT_TEXT = {
    FinishReason.STOP: "I have no answer to that. Ask in other words.",
    FinishReason.LENGTH: "I reached the maximum length while I was still thinking. Ask for less at once.",
    FinishReason.REPEATED: "My thoughts went in circles, so I have no answer. Ask in other words.",
}
_NOTES_WHILE_THINKING = {
    FinishReason.STOP: "I was thinking, but came to no answer. Ask in other words.",
    FinishReason.CANCELLED: "Stopped while I was thinking.",
    FinishReason.TIMEOUT: "I was still thinking when my time was up. Ask for less at once.",
}


def note_for(outcome: Outcome, text: str, *, is_thinking: bool = False) -> str:
    """The note for an outcome, "" if it needs none. The outcome's detail is for the log, not for members.

    Args:
        outcome: of the answer.
        text: the answer's.
        is_thinking: whether the answer ended inside a thought.
    """
    if outcome.note:
        return outcome.note
    reason = outcome.reason
    if is_thinking and reason in _NOTES_WHILE_THINKING:
        return _NOTES_WHILE_THINKING[reason]
    if not text.strip() and reason in _NOTES_WITHOUT_TEXT:
        return _NOTES_WITHOUT_TEXT[reason]
    return _NOTES[reason]


def thinking_note(seconds: float) -> str:
    """The line while the model thinks."""
    return f"-# Thinking … {seconds:.0f} s" if seconds >= 1 else "-# Thinking …"


def suspended_note() -> str:
    """The note below an answer that a restart finishes."""
    return "I am restarting. I will answer this when I am back."


def moved_note() -> str:
    """The text in place of an answer that goes on as a direct message."""
    return "Discord lets me write here for 15 minutes only. My answer goes on in our direct messages."


def time_up_note(text: str) -> str:
    """The note below an answer that took longer than Discord lets the bot write."""
    if text.strip():
        return "Discord lets me write here for 15 minutes only, so I ended this answer. Ask for a shorter one."
    return "Discord lets me write here for 15 minutes only, and they passed before I could answer. Ask again later."


def blocked_note() -> str:
    """The text in place of an answer that the server's rules block."""
    return "This server's AutoMod does not let me post my answer. Ask in other words, or ask a moderator."


def refused_note() -> str:
    """The text in place of an answer that Discord does not take for what it says."""
    return "Discord does not take my answer. Ask in other words, or tell whoever runs me."


def repeated_gone_note() -> str:
    """The note below an answer to a mention alone that replied to a message which is gone now."""
    return "The message you replied to is gone, so I stopped answering it. Ask me in your own words."


def deleted_note() -> str:
    """The text in place of an answer that Discord does not delete although its question was deleted."""
    return "This question was deleted, so I stopped answering it."


def position_note(position: int, waits_for: WaitsFor, seconds: float | None = None) -> str:
    """The text in place of an answer whose question waits.

    Args:
        position: in the queue, 1 being next.
        seconds: how long it probably waits; None if nobody knows.
    """
    when = "" if seconds is None else f" ({about(seconds)})"
    if waits_for is WaitsFor.OWN:
        return f"I am still answering your other question. This one is next{when}."
    if waits_for is WaitsFor.OWN_QUESTIONS:
        return f"I am still answering your other questions. This one comes after them{when}."
    known = {1: "Yours is next", 2: "1 question comes before yours"}
    place = known.get(position, f"{position - 1:,} questions come before yours")
    if waits_for is WaitsFor.RESUMPTION:
        return f"I answer again in a moment. {place}."
    return f"I am answering other questions right now. {place}{when}."


def prefill_note(tokens: int, seconds: float | None) -> str:
    """The text in place of an answer for which much is read first; without seconds if nobody knows how long."""
    line = f"I have {tokens:,} tokens to read before I can answer"
    return f"{line}." if seconds is None else f"{line} ({about(seconds)})."


def about(seconds: float) -> str:
    """A length of time for people, such as "about 20 s": as exact as an estimate is."""
    rounded = next((each for each in _TIMES if seconds <= each * 1.2), None)
    if rounded is None:
        return f"about {seconds / 3600:.0f} h"
    return f"about {rounded} s" if rounded < 60 else f"about {rounded // 60} min"


def shortened_note(shortened: ShortenedQuestion | None) -> str:
    """The note below the answer to a shortened question, "" for any other."""
    if shortened is None:
        return ""
    tokens, limit = f"{shortened.tokens:,}", f"{shortened.limit:,}"
    return (
        f"I did not read the end of your question: it has {tokens} tokens with my instructions, and I can read "
        f"{limit}. Send the rest in another message."
    )
