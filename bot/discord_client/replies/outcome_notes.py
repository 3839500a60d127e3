"""What a person is told when an answer ends otherwise than by itself."""

from __future__ import annotations

from bot.answering.answer import ShortenedQuestion
from bot.engine.interface import FinishReason, Outcome

_NOTES = {
    FinishReason.STOP: "",
    FinishReason.LENGTH: "Cut off here: this is the longest answer allowed. Ask me to go on for more.",
    FinishReason.CANCELLED: "Stopped.",
    FinishReason.TIMEOUT: "Cut off here: this answer took longer than allowed.",
    FinishReason.NO_ROOM: "The model has no memory for a conversation this long.",
    FinishReason.FAILED: "This answer failed.",
}
_NOTHING_SAID = "I have nothing to say to that. Try asking in other words."


def note_for(outcome: Outcome, text: str) -> str:
    """The line below an answer that ended like this, "" where none is needed."""
    if outcome.reason in (FinishReason.FAILED, FinishReason.NO_ROOM) and outcome.detail:
        return outcome.detail
    if outcome.reason is FinishReason.STOP and not text.strip():
        return _NOTHING_SAID
    return _NOTES[outcome.reason]


def suspended_note() -> str:
    """The line below an answer that goes on after a restart."""
    return "I am being restarted, and answer this when I am back."


def shortened_note(shortened: ShortenedQuestion | None) -> str:
    """The line below an answer to a question that was too long, "" for any other."""
    if shortened is None:
        return ""
    tokens, limit = f"{shortened.tokens:,}", f"{shortened.limit:,}"
    return f"With my instructions that was {tokens} tokens; I can read {limit} at once, so I left out the end of it."
