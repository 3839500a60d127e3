"""Reads what an interaction asked. Discord delivers all of it, also without the message-content intent."""

from __future__ import annotations

from bot.conversation.turn import Question, Quote, Relation, TextFile, UserMessage
from bot.discord_client.incoming import remarks as lines
from bot.discord_client.incoming.asked_interaction import AskedInteraction
from bot.discord_client.incoming.message_content import attachments_of, content_of
from bot.discord_client.incoming.text_files import read_files


async def read_interaction(
    asked: AskedInteraction, bot_user_id: int, largest_bytes: int
) -> tuple[Question | None, list[str]]:
    """Read a question, and the message that it is about, with their text files.

    Returns:
        the question, None if the model can read nothing of it; and a line for each thing that was not read.
    """
    target, own = asked.target, len(asked.attachments)
    read = await read_files([*asked.attachments, *(attachments_of(target) if target else ())], largest_bytes)
    files, quotes, is_readable = read.files[:own], tuple[Quote, ...](), False
    text, remarks = asked.readable_text(bot_user_id), list(read.remarks)
    if target is not None:
        said = content_of(target, bot_user_id)
        remarks += lines.about_unseen(said.unseen)
        author, its_files = target.author, read.files[own:]
        quotes = (Quote(target.id, author.id, author.display_name, said.text, its_files, Relation.TARGET),)
        # What the bot says is no question.
        is_readable = author.id != bot_user_id and (
            bool(said.words) or any(isinstance(file, TextFile) for file in its_files)
        )
    if not (text or is_readable or any(isinstance(file, TextFile) for file in files)):
        return None, remarks
    message = UserMessage(text, asked.author.id, asked.author.display_name, quotes, files)
    # As a reply does, it continues the branch of the message that it is about, but in the same conversation only.
    replied_id = target.id if target is not None and asked.is_shared else None
    return Question(asked.id, asked.key, message, reply_to=replied_id), remarks
