"""The settings as the bot reads them, from environment variables and from `.env`; a variable overrides the file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pydantic import SecretStr, ValidationError

from bot.discord_token import TOKEN_SHAPE, token_mistake
from bot.engine.interface import EngineOptions, Sampling
from bot.env_file import EnvFile, has_stray_control, read_env_file
from bot.errors import ConfigurationError, SettingError
from bot.folder_path import FolderPath
from bot.model.generation_defaults import GenerationDefaults
from bot.settings_table import (
    AnswerSettings,
    DiscordSettings,
    LoadSettings,
    MemorySettings,
    ModelSettings,
    MonitoringSettings,
    SystemSettings,
)

Number = TypeVar("Number", int, float)

ENV_FILE = Path(".env")
DATABASE_NAME = "conversations.sqlite3"
DISK_CACHE_NAME = "kv_cache"
BACKUPS_NAME = "backups"
_DEFAULT_MAX_NEW_TOKENS = 1024
_DEFAULT_MAX_NEW_TOKENS_WITH_THOUGHT = 4096
_SECRETS = ("discord_token", "database_url", "engine_key")
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/\s@]*:[^\s@]*@|https?://[^/\s]*@|https?://\S*\?")
_MOST_SHOWN = 400
_TEXT_TYPES = (str, str | None, Path, FolderPath | None, SecretStr | None, dict[str, str])


# Pydantic collects the fields from the last base to the first, so this is the table's order.
class Settings(
    SystemSettings,
    MonitoringSettings,
    MemorySettings,
    LoadSettings,
    AnswerSettings,
    ModelSettings,
    DiscordSettings,
):
    """What the operator decides. Immutable; use `load_settings`."""

    @property
    def engine_options(self) -> EngineOptions:
        """What the engine process needs.

        Raises:
            ConfigurationError: `ENGINE_URL` is missing.
        """
        by_device = "paged" if self.device.upper() == "CPU" else "genai"
        engine = by_device if self.engine == "auto" else self.engine
        if engine == "openai":
            return self._remote_engine_options
        has_disk_cache = engine == "paged" and self.kv_disk_gigabytes != 0
        model_dir = self.model_dir.expanduser()
        draft_dir = self.draft_model_dir.expanduser() if self.draft_model_dir is not None else None
        if engine != "paged" or not self.draft_tokens or (draft_dir and _same_folder(draft_dir, model_dir)):
            draft_dir = None  # the start says why
        return EngineOptions(
            engine=engine,
            model_dir=model_dir,
            device=self.device,
            properties=self.device_properties,
            cache_gigabytes=self.kv_cache_gigabytes,
            disk_cache_dir=self.data_folder / DISK_CACHE_NAME if has_disk_cache else None,
            disk_cache_gigabytes=self.kv_disk_gigabytes,
            draft_tokens=self.draft_tokens,
            draft_model_dir=draft_dir,
            max_context_tokens=self.max_context_tokens,
            max_batch=self.max_batch,
            longest_pause_seconds=self.longest_pause_seconds,
            hang_seconds=self.engine_hang_seconds,
            trust_remote_code=self.trust_remote_code,
        )

    @property
    def has_unused_draft_model(self) -> bool:
        """Whether a draft model is set that the other settings keep from being used."""
        return self.draft_model_dir is not None and self.engine_options.draft_model_dir is None

    @property
    def _remote_engine_options(self) -> EngineOptions:
        if not self.engine_url:
            raise ConfigurationError(
                "ENGINE=openai needs the address of a server; set ENGINE_URL, such as ENGINE_URL=http://127.0.0.1:8000"
            )
        return EngineOptions(
            engine="openai",
            model_dir=self.model_dir.expanduser(),
            draft_tokens=0,
            max_context_tokens=self.max_context_tokens,
            max_batch=self.max_batch,
            hang_seconds=self.engine_hang_seconds,
            server_urls=self.engine_url,
            server_key=self.engine_key.get_secret_value() if self.engine_key else "",
            server_model=self.engine_model or "",
        )

    def sampling_for(self, defaults: GenerationDefaults) -> Sampling:
        """How the engine chooses tokens: as set, otherwise by the model's defaults."""
        return Sampling(
            temperature=_either(self.temperature, defaults.temperature),
            top_p=_either(self.top_p, defaults.top_p),
            top_k=_either(self.top_k, defaults.top_k),
            repetition_penalty=_either(self.repetition_penalty, defaults.repetition_penalty),
            seed=self.seed,
        )

    def max_new_tokens_for(self, defaults: GenerationDefaults, *, thinks: bool = False) -> int:
        """The longest answer of a model, in tokens, with its thought if it thinks first."""
        default = _DEFAULT_MAX_NEW_TOKENS_WITH_THOUGHT if thinks else _DEFAULT_MAX_NEW_TOKENS
        return self.max_new_tokens or defaults.max_new_tokens or default

    @property
    def database_address(self) -> str:
        """The database's URL. It may hold a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        # In an address, % and ? mean something else.
        return f"sqlite:///{quote((self.data_folder / DATABASE_NAME).as_posix())}"

    @property
    def database_setting(self) -> str:
        """The name of the setting that says where the database is."""
        return "DATA_DIR" if self.database_url is None else "DATABASE_URL"

    @property
    def data_folder(self) -> Path:
        """The folder for what the bot stores."""
        return self.data_dir.expanduser()

    @property
    def secrets(self) -> list[str]:
        """What no log may show: the values of secret settings, and of an address only its passwords."""
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        return [secret for value in values for secret in _secrets_in(value)]

    def require_token(self) -> str:
        """The bot's token.

        Raises:
            ConfigurationError: it is missing or malformed. The message never holds it.
        """
        token = self.discord_token.get_secret_value().strip() if self.discord_token else ""
        if not token:
            raise ConfigurationError(
                f"DISCORD_TOKEN is not set; {_where_to_set_it()} the token from "
                "https://discord.com/developers/applications (Bot, Reset Token)"
            )
        if (mistake := token_mistake(token)) is not None:
            raise ConfigurationError(f"DISCORD_TOKEN is malformed: {mistake}")
        return token


def _same_folder(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one is missing, or a link to itself
        return False


def _secrets_in(value: str) -> list[str]:
    """A secret value itself, or an address's passwords, as written there and as sent."""
    if "://" not in value:
        return [value]
    try:
        address = urlsplit(value)
    except ValueError:  # the database's own check says what is wrong with it
        return [value]
    passwords = [password for name, password in parse_qsl(address.query) if "pass" in name]
    if "@" in address.netloc:
        password = address.netloc.rpartition("@")[0].partition(":")[2]
        passwords += [password, unquote(password)]
    return list(filter(None, passwords))


def _where_to_set_it() -> str:
    if ENV_FILE.exists():
        return f"add to {ENV_FILE.absolute()}"
    if Path(".env.example").exists():
        return "copy .env.example to .env and add"
    return f"there is no {ENV_FILE.absolute()}: start the bot in its own folder, or write DISCORD_TOKEN= there with"


def _either(setting: Number | None, default: Number) -> Number:
    return default if setting is None else setting


@dataclass(frozen=True, slots=True)
class ReadSettings:
    """The settings as far as they are right.

    Attributes:
        settings: with the default in place of every wrong value.
        mistakes: all of them: those of the file, then those of the environment, then the values that are not allowed.
            A message never holds a token or a password.
        given: the names in upper case, with a value that is used.
        is_file_read: False if the file is there and cannot be read, so that nobody knows what it sets.
    """

    settings: Settings
    mistakes: Sequence[SettingError]
    given: frozenset[str]
    is_file_read: bool


def load_settings(env_file: Path | None = ENV_FILE, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        env_file: need not exist; None reads environment variables alone.
        overrides: values by field name; they win over both.

    Raises:
        ConfigurationError: a value is not allowed, or the file cannot be read or has a mistake. The message never
            holds a token or a password.
    """
    read = read_settings(env_file, **overrides)
    if read.mistakes:
        raise read.mistakes[0]
    return read.settings


def read_settings(env_file: Path | None = ENV_FILE, **overrides: Any) -> ReadSettings:
    """Read the settings and all their mistakes; see `load_settings` for the arguments."""
    known = [name.upper() for name in Settings.model_fields]
    texts = [name.upper() for name, field in Settings.model_fields.items() if field.annotation in _TEXT_TYPES]
    file = EnvFile({}, []) if env_file is None else read_env_file(env_file, known, texts)
    from_environment, mistakes = _from_environment(known)
    mistakes = [*file.mistakes, *mistakes]
    values = {**_set(file.values), **_set(from_environment), **overrides}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        refused = _mistakes(error)
        mistakes += refused
        values = {name: value for name, value in values.items() if name.upper() not in {e.setting for e in refused}}
        settings = Settings(**values)
    return ReadSettings(settings, mistakes, frozenset(name.upper() for name in values), file.is_read)


def _set(values: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is empty, and the spaces around a value: Windows' `set NAME=VALUE && …` appends one."""
    return {name: value.strip() for name, value in values.items() if value.strip()}


def _from_environment(known: Collection[str]) -> tuple[dict[str, str], list[SettingError]]:
    """The variables by the lower-case names of their settings, and the mistakes. In capitals, a name goes first."""
    values: dict[str, str] = {}
    mistakes: list[SettingError] = []
    for variable, value in sorted(os.environ.items()):
        name = variable.upper()
        if name not in known:
            continue
        if not _is_utf8(value):
            # Tokenizers, the database and the log fail at such bytes, each in a way of its own.
            line = f"{name} in the environment is not UTF-8 text; write it again as UTF-8"
            mistakes.append(SettingError(line, name))
        elif has_stray_control(name, value.strip()):
            line = f"{name} in the environment has a line break or another control character; write it without"
            mistakes.append(SettingError(line, name))
        else:
            values.setdefault(name.lower(), value)
    return values, mistakes


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate stands for a byte that could not be decoded
        return False
    return True


def _mistakes(error: ValidationError) -> list[SettingError]:
    """A line for each setting with a value that is not allowed, in the order of the table."""
    mistakes: dict[str, SettingError] = {}
    for each in error.errors(include_url=False):
        name = str(each["loc"][0])
        extra = Settings.model_fields[name].json_schema_extra
        allowed = extra["allowed"] if isinstance(extra, dict) else ""
        value = "a secret value" if name in _SECRETS else _shown(each["input"])
        reason = f" ({each['ctx']['error']})" if each["type"] == "value_error" else ""
        line = f"{name.upper()} is {value}{reason}; allowed: {allowed}"
        mistakes.setdefault(name, SettingError(line, name.upper()))
    return list(mistakes.values())


def _shown(value: object) -> str:
    """A value in an error line; a token or a database's address may have been pasted after the wrong name."""
    text = repr(value)
    if TOKEN_SHAPE.search(text) or _ADDRESS_WITH_PASSWORD.search(text):
        return "a secret value"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
