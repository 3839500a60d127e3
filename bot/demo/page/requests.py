"""What a page may ask for. Anything else is refused in one line.

A page's script comes from this demo, but whoever has the page's address can send anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json

from bot.demo.loopback import LoopbackError
from bot.demo.loopback.values import Payload

Snowflake = Annotated[int, Field(ge=0, lt=1 << 64)]
"""An id, as a string of digits or as a number."""

Path = Annotated[list[str], Field(min_length=1)]


class SentFile(BaseModel):
    """An uploaded file."""

    name: str
    base64: Base64Bytes


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Become(_Request):
    """Act as a person; None for the first one."""

    action: Literal["become"]
    person: str | None


class _InChannel(_Request):
    channel: Snowflake


class Send(_InChannel):
    action: Literal["send"]
    content: str
    reply_to: Snowflake | None
    files: list[SentFile]


class Edit(_InChannel):
    action: Literal["edit"]
    message: Snowflake
    content: str


class Delete(_InChannel):
    action: Literal["delete"]
    message: Snowflake


class Dismiss(_InChannel):
    action: Literal["dismiss"]
    message: Snowflake


class React(_InChannel):
    action: Literal["react"]
    message: Snowflake
    emoji: str


class Typing(_InChannel):
    action: Literal["typing"]


class CreateThread(_InChannel):
    action: Literal["create_thread"]
    name: str
    message: Snowflake | None


class CreatePost(_InChannel):
    action: Literal["create_post"]
    title: str
    content: str
    files: list[SentFile]


class OpenPrivate(_Request):
    """Open a DM or a group DM without the bot."""

    action: Literal["open_private"]
    people: list[Snowflake]


class InstallApp(_Request):
    """Install the bot's application to one's account, or remove it."""

    action: Literal["install_app"]
    installed: bool


class BotSettings(_InChannel):
    """Ask what the bot may do in a channel and in the portal."""

    action: Literal["bot_settings"]


class ChangeBotSettings(_InChannel):
    """Change what the bot may do.

    Attributes:
        rights: the permissions that it has in the channel, of those that the page offers; None to leave them.
        is_member: whether it is a member of the channel's server; None to leave that.
    """

    action: Literal["change_bot_settings"]
    rights: list[str] | None
    is_member: bool | None
    message_content: bool
    user_install: bool


class Commands(_InChannel):
    action: Literal["commands"]


class Click(_InChannel):
    action: Literal["click"]
    message: Snowflake
    custom_id: str


class Choose(_InChannel):
    action: Literal["choose"]
    message: Snowflake
    custom_id: str
    values: list[str]


class Invoke(_InChannel):
    action: Literal["invoke"]
    path: Path
    options: dict[str, bool | int | float | str]
    files: dict[str, SentFile]


class InvokeOnMessage(_InChannel):
    action: Literal["invoke_on_message"]
    name: str
    message: Snowflake


class Autocomplete(_InChannel):
    action: Literal["autocomplete"]
    path: Path
    options: dict[str, bool | int | float | str]
    focused: str


class SubmitModal(_Request):
    action: Literal["submit_modal"]
    interaction: Snowflake
    values: dict[str, bool | str | list[str]]
    files: dict[str, list[SentFile]]


ChannelRequest = (
    Send
    | Edit
    | Delete
    | Dismiss
    | React
    | Typing
    | CreateThread
    | CreatePost
    | BotSettings
    | ChangeBotSettings
    | Commands
    | Click
    | Choose
    | Invoke
    | InvokeOnMessage
    | Autocomplete
)
PersonRequest = SubmitModal | OpenPrivate | InstallApp
Request = Become | ChannelRequest | PersonRequest
_REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="action")])


def parse_message(data: str | bytes) -> Payload:
    """Return a message from a page as a JSON object.

    Raises:
        LoopbackError: it is none.
    """
    try:
        message = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise LoopbackError(f"send a JSON object ({error})") from None
    if not isinstance(message, dict):
        raise LoopbackError("send a JSON object with an id and an action")
    return message


def request_from(message: Payload) -> Request:
    """Return what a message asks for.

    Raises:
        LoopbackError: the action is unknown, or an argument is missing or of the wrong type.
    """
    try:
        return _REQUESTS.validate_python(message)
    except ValidationError as error:
        raise LoopbackError(_first_of(error)) from None


def _first_of(error: ValidationError) -> str:
    """Return the first mistake in one line."""
    first: Any = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "union_tag_not_found":
        return "send an action"
    if first["type"] == "union_tag_invalid":
        return f"there is no such action; choose from {first['ctx']['expected_tags']}"
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
