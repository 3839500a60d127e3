"""Forgotten text leaves the bytes of a SQLite file and the engine's caches, and every write is idempotent."""

from __future__ import annotations

import array
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import make_url

from bot.conversation.channel_modes import ChannelMode, ModeSetting
from bot.conversation.conversations import Conversations
from bot.conversation.turn import ConversationKey, Quote, Relation, TextFile, Turn
from bot.engine.interface import FinishReason, Outcome
from bot.engine.worker.cache_blocks import BLOCK_TOKENS
from bot.prompting.prompt import Message
from bot.serving.service import ModelService
from bot.storage.storage import Storage
from tests.answering.answers import run
from tests.conversation.memory import ask, open_memory, person
from tests.serving.served import make_serving, until
from tests.storage.marked_conversation import QUOTED, MarkedConversation, blocks_on_disk, cached, have_conversation
from tests.storage.stored import (
    ADA,
    DONE,
    ELSEWHERE,
    GRACE,
    HERE,
    Rows,
    accept,
    answered,
    everything,
    keep,
    open_storage,
    quote,
    summary,
    turn,
)

Write = Callable[[Storage], Awaitable[object]]

MARK = "UNFORGETTABLE"
MARK_IDS = tuple(array.array("I", b"NEVERFORGOTTENXX"))
LONG = f"{MARK} " * 5000  # many pages of the file


def secret_turn() -> Turn:
    """A turn by Ada with the mark in every text."""
    return turn(
        10,
        LONG,
        quotes=[Quote(3 - n, ADA, MARK, LONG, (TextFile(4, f"{MARK}.txt", LONG),)) for n in range(3)],
        files=[TextFile(5, f"{MARK}.txt", LONG)],
        answer=Message("assistant", LONG, MARK_IDS * 1000, "fingerprint"),
    )


def traces(url: str) -> int:
    """The number of marks in the database's files."""
    file = Path(make_url(url).database or "")
    found = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    return found.count(MARK.encode()) + found.count(b"NEVERFORGOTTENXX")


async def forget_here(storage: Storage) -> None:
    await storage.conversations.forget(ADA, frozenset({HERE.channel_id}))


async def forget_everywhere(storage: Storage) -> None:
    await storage.conversations.forget(ADA, None)


async def forget_old(storage: Storage) -> None:
    await storage.conversations.forget_before(15)


@pytest.mark.parametrize("forget", [forget_here, forget_everywhere, forget_old])
async def test_forgetting_leaves_no_byte(sqlite_url: str, forget: Write) -> None:
    async with open_storage(sqlite_url) as storage:
        quotes = [Quote(4, ADA, MARK, LONG), Quote(4, ADA, MARK, LONG, (), Relation.EARLIER)]
        await keep(storage, secret_turn(), turn(20, "Kept", by=GRACE, quotes=quotes))
        await storage.conversations.add_version(
            answered(secret_turn(), 2, Message("assistant", f"2 {LONG}", MARK_IDS * 900, "fingerprint")), DONE
        )
        await storage.conversations.summarize(summary(12, secret_turn(), text=LONG))
        if forget is forget_old:
            await storage.conversations.erase([4])
        assert traces(sqlite_url) > 100
        await forget(storage)
        assert traces(sqlite_url) == 0
        [kept] = await storage.conversations.branch(20)
        assert kept.asked is not None
        assert kept.asked.text == "Kept"
    assert traces(sqlite_url) == 0


async def test_a_closed_file_holds_no_deleted_text(sqlite_url: str) -> None:
    async with open_storage(sqlite_url) as storage:
        await keep(storage, secret_turn())
        await storage.conversations.add_version(answered(secret_turn(), 2, f"2 {LONG}"), DONE)
        await storage.conversations.show_version(10, 1)
        await storage.conversations.summarize(summary(12, secret_turn(), text=LONG))
        await storage.conversations.edit(10, "Edited", [])
        await storage.conversations.erase([10])
        await storage.conversations.set_persona(1, LONG)
        await storage.conversations.set_persona(1, None)
        await keep(storage, turn(30, LONG, key=ELSEWHERE))
        await storage.conversations.add_version(answered(turn(30, key=ELSEWHERE), 2, LONG), DONE)
        await storage.conversations.erase_channels([ELSEWHERE.channel_id])
    assert traces(sqlite_url) == 0


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving(data_dir: Path, tiny_chat_model_dir: Path) -> AsyncIterator[ModelService]:
    """A real engine with a disk cache."""
    async with open_memory(data_dir) as memory:
        serving = make_serving(
            memory, tiny_chat_model_dir, data_dir=data_dir, kv_cache_gigabytes=0.3, kv_disk_gigabytes=1.0
        )
        await serving.start(lambda _: None)
        yield serving
        await serving.close()


async def delete_reply(marked: MarkedConversation) -> None:
    marked.conversations.replied(marked.question_id, 7)
    await marked.conversations.erase([7])


CHANGES: dict[str, Callable[[MarkedConversation], Awaitable[object]]] = {
    "question deleted": lambda marked: marked.conversations.erase([marked.question_id]),
    "reply deleted": delete_reply,
    "question edited": lambda marked: marked.conversations.edit(marked.question_id, "Something else", []),
    "forgotten here": lambda marked: marked.conversations.forget(person("Ada"), frozenset({marked.key.channel_id})),
    "forgotten everywhere": lambda marked: marked.conversations.forget(person("Ada"), None),
    "quote deleted": lambda marked: marked.conversations.erase([QUOTED]),
    "quote edited": lambda marked: marked.conversations.edit(QUOTED, "Something else", []),
    "quote forgotten here": lambda marked: marked.conversations.forget(
        person("Ada"), frozenset({marked.key.channel_id})
    ),
    "quote forgotten everywhere": lambda marked: marked.conversations.forget(person("Ada"), None),
    "quote too old": lambda marked: marked.conversations.forget_before(QUOTED + 1),
    "channel deleted": lambda marked: marked.conversations.erase_channels([marked.key.channel_id]),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", CHANGES)
async def test_forgetting_leaves_no_block(serving: ModelService, data_dir: Path, name: str) -> None:
    marked = await have_conversation(serving, data_dir, name, in_quote=name.startswith("quote"))
    await CHANGES[name](marked)
    await until(lambda: not marked.traces(data_dir))
    kept = marked.starts[0 if name == "channel deleted" else 1]
    assert marked.beginning(kept) <= blocks_on_disk(data_dir)
    assert abs(await cached(serving, marked.prompt_ids) - kept) < BLOCK_TOKENS, "neither does memory"


PERSONA_CHANGES: dict[str, Callable[[Conversations, int], Awaitable[object]]] = {
    "cleared": lambda conversations, channel: conversations.set_persona(channel, None),
    "replaced": lambda conversations, channel: conversations.set_persona(channel, "Be brief."),
    "channel deleted": lambda conversations, channel: conversations.erase_channels([channel]),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", PERSONA_CHANGES)
async def test_a_persona_leaves_no_block(serving: ModelService, data_dir: Path, name: str) -> None:
    answering, key = serving.answering, ConversationKey(person(f"persona {name}"))
    conversations, encode = answering.conversations, answering.model.builder.tokenizer.encode
    text = " ".join(f"Rule {number}: obey {name}." for number in range(30))
    part = tuple(encode(text))[100:120]

    def on_disk() -> bool:
        return any(part[:10] == ids[at : at + 10] for ids in blocks_on_disk(data_dir) for at in range(len(ids) - 9))

    await conversations.set_persona(key.channel_id, text)
    await run(answering.ask(ask("Who are you?", "Grace", key=key)))
    await until(on_disk)
    await conversations.forget_before(QUOTED + 1)
    await conversations.forget(person("Ada"), None)
    assert on_disk(), "neither its age nor its members concern it"
    await PERSONA_CHANGES[name](conversations, key.channel_id)
    await until(lambda: not on_disk())


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_said_after_forgetting_and_by_others_stays(serving: ModelService, data_dir: Path) -> None:
    other = await have_conversation(serving, data_dir, "elsewhere", by="Grace")
    old = await have_conversation(serving, data_dir, "before")
    await old.conversations.forget(person("Ada"), None)
    new = await have_conversation(serving, data_dir, "after")
    await until(lambda: not old.traces(data_dir))
    for marked in (new, other):
        assert marked.traces(data_dir)
        assert await cached(serving, marked.prompt_ids) > len(marked.prompt_ids) - BLOCK_TOKENS


CUT = Outcome(FinishReason.LENGTH)
WRITES: dict[str, Write] = {
    "accept": lambda storage: storage.work.accept(50, HERE, ADA),
    "accept with parts": lambda storage: storage.work.accept(50, HERE, ADA, parts=[48, 49]),
    "note_parts": lambda storage: storage.work.note_parts(50, [48, 49]),
    "turn_away": lambda storage: storage.work.turn_away(30),
    "replied": lambda storage: storage.work.replied(30, 0, 1030),
    "reply_deleted": lambda storage: storage.work.reply_deleted(1020),
    "delivered": lambda storage: storage.work.delivered(20),
    "forget_seen_before": lambda storage: storage.work.forget_seen_before(20),
    "remember": lambda storage: storage.conversations.remember(
        30, DONE, turn(30, after=turn(20, after=turn(10))), as_tip=True, past_known=True
    ),
    "remember without the past": lambda storage: storage.conversations.remember(
        30, DONE, turn(30), as_tip=True, past_known=False
    ),
    "remember no answer": lambda storage: storage.conversations.remember(30, DONE, None, as_tip=False, past_known=True),
    "add_version": lambda storage: storage.conversations.add_version(answered(turn(20), 3, "Third"), CUT),
    "add_version, the second": lambda storage: storage.conversations.add_version(answered(turn(10), 2, "Other"), CUT),
    "continue_answer": lambda storage: storage.conversations.continue_answer(answered(turn(20), 2, "Longer"), CUT),
    "show_version": lambda storage: storage.conversations.show_version(20, 1),
    "summarize": lambda storage: storage.conversations.summarize(summary(25, turn(10), turn(20, after=turn(10)))),
    "edit": lambda storage: storage.conversations.edit(10, "Edited", []),
    "erase": lambda storage: storage.conversations.erase([10, 1020]),
    "erase_channels": lambda storage: storage.conversations.erase_channels([1]),
    "forget": lambda storage: storage.conversations.forget(ADA, None),
    "forget_before": lambda storage: storage.conversations.forget_before(20),
    "reset": lambda storage: storage.conversations.reset(HERE, 40),
    "reset an empty conversation": lambda storage: storage.conversations.reset(ELSEWHERE, 40),
    "set_mode": lambda storage: storage.modes.set_mode(ModeSetting(1, ChannelMode.FREE, 40)),
    "clear_mode": lambda storage: storage.modes.clear_mode(1),
    "set_persona": lambda storage: storage.conversations.set_persona(2, "Two"),
    "clear persona": lambda storage: storage.conversations.set_persona(1, None),
}


@pytest.mark.parametrize("name", WRITES)
async def test_writing_twice_equals_writing_once(database_url: str, name: str) -> None:
    write = WRITES[name]
    async with open_storage(database_url) as storage:
        first = turn(10, files=[TextFile(5, "a.txt", "a")])
        await keep(storage, first, turn(20, after=first, by=GRACE, quotes=[quote(10, by=ADA)]))
        await accept(storage, turn(30))
        await storage.conversations.add_version(answered(turn(20), 2, "Second"), DONE)
        await storage.conversations.set_persona(1, "One")
        await storage.conversations.summarize(summary(15, first))
        await storage.modes.set_mode(ModeSetting(1, ChannelMode.THREADS, 10))
        before = await everything_but_times(database_url)
        await write(storage)
        once: Rows = await everything_but_times(database_url)
        await write(storage)
        assert await everything_but_times(database_url) == once != before


async def everything_but_times(url: str) -> Rows:
    """All rows, without the moments of erasures, which are the calls' and not the change's."""
    rows = await everything(url)
    criteria = {str(each): tuple(each) for _, *each in rows["erasures"]}
    return rows | {"erasures": sorted(criteria.values(), key=str)}
