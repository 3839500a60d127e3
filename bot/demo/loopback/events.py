"""What happens on the loopback Discord, told to those who watch it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from bot.demo.loopback.values import Payload

Found = TypeVar("Found")


class EventKind(StrEnum):
    """The kinds of events. Compare with the plain string if you like: `event.kind == "message"`."""

    MESSAGE = "message"
    """A message was sent. `data` is the message payload, as `LoopbackDiscord.messages` gives it."""
    MESSAGE_EDIT = "message_edit"
    """A message's content, components, attachments or reactions changed. `data` is the whole message payload."""
    MESSAGE_DELETE = "message_delete"
    """A message went away. `data` is `{"id": …}`."""
    TYPING = "typing"
    """Who is typing changed. `data` is `{"user_ids": […]}`, everybody typing in the channel now, as metrics."""
    CHANNEL = "channel"
    """A channel, a thread or a DM was made, changed or deleted. `data` is its payload: ask `channels_of` again."""
    INTERACTION = "interaction"
    """An interaction moved on. `data` is `{"id", "type", "status", "modal"}`: the interaction's id as a number;
    its Discord type (2 command, 3 component, 4 autocomplete, 5 modal submit); its status: `sent`, then one of
    `message`, `deferred`, `deferred_update`, `update`, `modal`, `autocomplete`, or `failed` when the bot did not
    answer within 3 s; and for `modal` the modal's payload (`custom_id`, `title`, `components`), else None."""
    COMMANDS = "commands"
    """The bot registered its slash commands. `data` is `{"commands": […]}`, as `LoopbackDiscord.commands`."""
    BOT = "bot"
    """The bot came online or went offline. `data` is `{"online": bool}`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: what happened.
        channel_id: where, or None for what belongs to no channel.
        person_id: None if everybody in the channel can see it, else the only person who can: an ephemeral message,
            an interaction.
        data: see `EventKind`.
    """

    kind: EventKind
    channel_id: int | None
    person_id: int | None
    data: Payload


class Subscription:
    """An asynchronous iterator over events, with a queue of its own. It ends when the server or it is closed."""

    def __init__(self, forget: Callable[[Subscription], None]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._forget = forget

    def put(self, event: Event | None) -> None:
        """Queue an event; None ends the iteration."""
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Stop receiving; an iteration under way ends after what is queued already."""
        self._forget(self)
        self.put(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event


class EventHub:
    """Hands events to subscriptions, and wakes those who wait for a condition on every change."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._waiters: list[asyncio.Future[None]] = []

    def subscribe(self) -> Subscription:
        """Open a subscription that receives every event from now on."""
        subscription = Subscription(self._forget)
        self._subscriptions.append(subscription)
        return subscription

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for subscription in self._subscriptions:
            subscription.put(event)
        self.changed()

    def changed(self) -> None:
        """Wake everybody in `wait_for`: something that no event tells may have changed."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, condition: Callable[[], Found | None]) -> Found:
        """Return the condition's value as soon as it is truthy; it is asked again after every change."""
        while not (found := condition()):
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return found

    def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscriptions:
            subscription.put(None)
        self._subscriptions.clear()
        self.changed()

    def _forget(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
