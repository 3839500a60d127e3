"""Events about the loopback Discord, for the page and for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeVar

from bot.demo.loopback.values import Payload

Found = TypeVar("Found")


class EventKind(StrEnum):
    """The kinds of events. Each equals its string: `event.kind == "message"`."""

    MESSAGE = "message"
    """A message was sent. `data` is the message payload, as `LoopbackDiscord.messages` gives it."""
    MESSAGE_EDIT = "message_edit"
    """A message's content, components, attachments or reactions changed. `data` is the whole message payload."""
    MESSAGE_DELETE = "message_delete"
    """A message was deleted or dismissed. `data` is `{"id": …}`."""
    TYPING = "typing"
    """A typing indicator came or went. `data` is `{"user_ids": […]}`: the ids, as integers, of all who type now."""
    CHANNEL = "channel"
    """A channel, a thread or a DM was created, changed or deleted. `data` is its payload; call `channels_of` again."""
    INTERACTION = "interaction"
    """An interaction changed its status. `data` is `{"id", "type", "status", "modal"}`. `id` is an integer; `type` is
    Discord's (2 command, 3 component, 4 autocomplete, 5 modal submit); `status` is `sent`, then one of `message`,
    `deferred`, `deferred_update`, `update`, `modal` and `autocomplete`, or `failed` if the bot does not respond within
    3 s; `modal` is the payload of a modal (`custom_id`, `title`, `components`), else None."""
    COMMANDS = "commands"
    """The bot registered its slash commands. `data` is `{"commands": […]}`, as `LoopbackDiscord.commands`."""
    BOT = "bot"
    """The bot came online, went offline or changed its presence. `data` is `{"online": bool, "presence": …}`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        channel_id: None for events that belong to no channel.
        person_id: the only person who can see it, such as the owner of an ephemeral message; None if everybody in the
            channel can.
        data: see `EventKind`.
    """

    kind: EventKind
    channel_id: int | None
    person_id: int | None
    data: Payload


class Subscription:
    """An asynchronous iterator over events. It ends when it or the server is closed."""

    def __init__(self, forget: Callable[[Subscription], None]) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._forget = forget

    def put(self, event: Event | None) -> None:
        """Queue an event; None ends the iteration."""
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Stop receiving. A running iteration ends after the events that are already queued."""
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
    """Passes events to subscriptions and re-evaluates awaited conditions after every change."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._waiters: list[asyncio.Future[None]] = []

    def subscribe(self) -> Subscription:
        """Open a subscription that receives every event from now on."""
        subscription = Subscription(self._forget)
        self._subscriptions.append(subscription)
        return subscription

    def publish(self, event: Event) -> None:
        """Pass an event to every subscription."""
        for subscription in self._subscriptions:
            subscription.put(event)
        self.changed()

    def changed(self) -> None:
        """Re-evaluate every awaited condition. Call it for a change that has no event."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for(self, condition: Callable[[], Found | None]) -> Found:
        """Return the condition's value as soon as it is truthy. It is evaluated now and after every change."""
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
