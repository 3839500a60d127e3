"""The loopback Discord as one person sees it, in the form that the page draws."""

from __future__ import annotations

from bot.demo.loopback import Event, EventKind, LoopbackDiscord
from bot.demo.loopback.values import Payload


class PersonView:
    """One person's view. Ids are strings, because JavaScript's numbers cannot hold them."""

    def __init__(self, discord: LoopbackDiscord, person_id: int) -> None:
        self._discord = discord
        self.person_id = person_id

    def state(self) -> Payload:
        """Return everything that the page shows."""
        channels = self._discord.channels_of(self.person_id)
        ids = [int(channel["id"]) for channel in channels]
        return {
            "me": str(self.person_id),
            "servers": self._servers(),
            "people": self._people(),
            "channels": channels,
            "bot_online": self._discord.bot_online,
            "bot_status": _status(self._discord.bot_presence),
            "messages": {str(channel): self._discord.messages(self.person_id, channel) for channel in ids},
            "typing": {str(channel): _strings(self._discord.typing(channel)) for channel in ids},
        }

    def update(self, event: Event) -> Payload | None:
        """Return the message that an event means for the page, or None if this person cannot see it."""
        if event.person_id not in (None, self.person_id):
            return None
        if event.kind is EventKind.CHANNEL:
            channels = self._discord.channels_of(self.person_id)
            return {"event": "channels", "channels": channels, "servers": self._servers()}
        if event.kind is EventKind.COMMANDS:
            return {"event": "commands"}
        if event.kind is EventKind.BOT:
            return {"event": "bot", "online": event.data["online"], "status": _status(event.data["presence"])}
        if event.kind is EventKind.INTERACTION:
            return {"event": "interaction", **event.data, "id": str(event.data["id"])}
        return self._channel_update(event)

    def _channel_update(self, event: Event) -> Payload | None:
        channel = str(event.channel_id)
        if channel not in {visible["id"] for visible in self._discord.channels_of(self.person_id)}:
            return None
        if event.kind is EventKind.TYPING:
            return {"event": "typing", "channel": channel, "people": _strings(event.data["user_ids"])}
        if event.kind is EventKind.MESSAGE_DELETE:
            return {"event": "message_delete", "channel": channel, "id": event.data["id"]}
        return {"event": "message", "channel": channel, "message": event.data}

    def _servers(self) -> list[Payload]:
        return [
            {"id": str(server.id), "name": server.name, "has_bot": self._discord.has_bot(server.id)}
            for server in self._discord.servers
        ]

    def _people(self) -> list[Payload]:
        bot = self._discord.bot
        return [
            {"id": str(person.id), "name": person.name, "color": person.color, "bot": person is bot}
            for person in (bot, *self._discord.people)
        ]


def _status(presence: Payload | None) -> Payload:
    """Return the bot's status and the text beside its name."""
    presence = presence or {}
    activities = presence.get("activities") or []
    texts = [activity.get("state") or activity.get("name") for activity in activities]
    return {"status": presence.get("status") or "online", "text": next(filter(None, texts), "")}


def _strings(ids: list[int]) -> list[str]:
    return [str(user_id) for user_id in ids]
