"""Every setting of the bot, in one table: name, meaning, default and what is allowed.

Settings come from environment variables and from the file `.env` (read by python-dotenv), which an environment
variable overrides. `.env.example` lists the same table for people.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.engine.interface import EngineOptions, Sampling
from bot.errors import ConfigurationError
from bot.model.generation_defaults import GenerationDefaults

Number = TypeVar("Number", int, float)

ENV_FILE = Path(".env")
_TOKEN_SHAPE = re.compile(r"[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}")
_DEFAULT_MAX_NEW_TOKENS = 1024
_DEFAULT_SYSTEM_PROMPT = (
    "You are Phi, a helpful assistant in a Discord chat. Answer in Markdown, briefly and to the point. "
    "A message may begin with the name of the person who wrote it, in brackets."
)


def _setting(default: Any, meaning: str, *, allowed: str, **limits: Any) -> Any:
    """A field whose meaning and allowed values are told to people in error lines and in `.env.example`."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed}, **limits)


class Settings(BaseSettings):
    """What the person who runs the bot decides. Immutable once read; use `load_settings`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, env_file_encoding="utf-8")

    # Discord
    discord_token: SecretStr | None = _setting(
        None,
        "The bot's token, from the developer portal (Bot, Reset Token).",
        allowed="three parts separated by dots",
    )
    message_content_intent: bool = _setting(
        False,
        "Ask for the privileged message-content intent, so that a mention in a reply to somebody's message lets the "
        "bot read that message too. Switch the intent on in the portal first.",
        allowed="true or false",
    )
    admin_ids: Annotated[frozenset[int], NoDecode] = _setting(
        frozenset(),
        "Who may use `/model reload`, beside the owner of the bot's application.",
        allowed="Discord user ids, several separated by commas",
    )
    max_reply_messages: int = _setting(
        3, "The most messages one answer may take; the rest is attached as a file.", allowed="1 to 10", ge=1, le=10
    )

    # Model
    model_dir: Path = _setting(
        Path("./model/phi3-instruct/int4"),
        "A folder that `python -m bot export` or `optimum-cli export openvino` wrote.",
        allowed="a folder's path",
    )
    engine: Literal["auto", "paged", "genai", "optimum"] = _setting(
        "auto",
        "What runs the model: `paged` (processors) and `genai` (other devices) answer many people at once; `optimum` "
        "is the Phi-3 cookbook sample's path, one after another. `auto` chooses by the device.",
        allowed="auto, paged, genai or optimum",
    )
    device: str = _setting(
        "CPU", "The OpenVINO device.", allowed="an OpenVINO device such as CPU, GPU, GPU.0 or AUTO", min_length=1
    )
    device_properties: Annotated[dict[str, str], NoDecode] = _setting(
        {},
        "OpenVINO properties for the device, added to the engine's own.",
        allowed="NAME=VALUE, several separated by commas",
    )
    kv_cache_gigabytes: float | None = _setting(
        None,
        "Memory for what the model has read (its KV cache), in GB; a full Phi-3 context takes 0.9 GB. Without it, what "
        "the memory allows and the batch can use.",
        allowed="0.05 to 1024",
        ge=0.05,
        le=1024,
    )
    engine_hang_seconds: float = _setting(
        10.0,
        "An engine process that neither reports nor computes for so long while work waits is killed and started again.",
        allowed="2 to 3600",
        ge=2,
        le=3600,
    )
    trust_remote_code: bool = _setting(
        False,
        "Let Python code in the model folder run (optimum only); Phi-3 needs none.",
        allowed="true or false",
    )

    # Answers
    system_prompt: str = _setting(
        _DEFAULT_SYSTEM_PROMPT, "What the model is told before every conversation.", allowed="any text"
    )
    max_new_tokens: int | None = _setting(
        None,
        "The longest answer, in tokens. Without it, what the model's generation_config.json says, or 1024.",
        allowed="1 to 100000",
        ge=1,
        le=100_000,
    )
    max_prompt_tokens: int | None = _setting(
        None,
        "The longest prompt, in tokens: system prompt, history and question. Without it, what the context leaves.",
        allowed="64 to 1000000",
        ge=64,
        le=1_000_000,
    )
    answer_time_limit_seconds: float = _setting(
        600.0,
        "The longest time that one answer may take once its turn has come, in seconds.",
        allowed="1 to 86400",
        ge=1,
        le=86_400,
    )
    temperature: float | None = _setting(
        None,
        "0 takes the likeliest token each time, as the sample does; higher is more varied. Without this and the next "
        "three, what the model's generation_config.json says.",
        allowed="0 to 2",
        ge=0,
        le=2,
    )
    top_p: float | None = _setting(
        None,
        "With a temperature: draw among the likeliest tokens that together have this probability.",
        allowed="above 0, to 1",
        gt=0,
        le=1,
    )
    top_k: int | None = _setting(
        None, "With a temperature: draw among this many likeliest tokens; 0 is all.", allowed="0 to 1000", ge=0, le=1000
    )
    repetition_penalty: float | None = _setting(
        None, "Above 1, tokens that were used already become less likely.", allowed="0.5 to 2", ge=0.5, le=2
    )
    seed: int = _setting(
        0, "With a temperature: where the random draw begins.", allowed="0 to 4294967295", ge=0, le=2**32 - 1
    )

    # Many people at once
    max_batch: int = _setting(
        16, "The most answers generated together (not optimum).", allowed="1 to 256", ge=1, le=256
    )
    max_waiting: int = _setting(
        64, "The most questions that wait for their turn; more are turned away.", allowed="1 to 256", ge=1, le=256
    )
    max_waiting_per_person: int = _setting(
        5, "The most questions of one person that wait.", allowed="1 to 256", ge=1, le=256
    )
    longest_pause_seconds: float = _setting(
        1.5,
        "The longest that streaming answers may stand still while somebody else's long prompt is read (paged only).",
        allowed="0.1 to 60",
        ge=0.1,
        le=60,
    )
    drain_seconds: float = _setting(
        20.0,
        "How long answers on their way may go on when the bot is told to end (SIGTERM).",
        allowed="0 to 3600",
        ge=0,
        le=3600,
    )

    # Memory
    memory: Literal["channel", "user"] = _setting(
        "channel",
        "Whose conversation a channel has: everybody shares one (`channel`), or each person has their own (`user`).",
        allowed="channel or user",
    )
    database_url: SecretStr | None = _setting(
        None,
        "Where conversations are kept: `sqlite:///file`, or `postgresql://user:password@host/database`. Without it, "
        "the file conversations.sqlite3 in `DATA_DIR`.",
        allowed="sqlite:///file or postgresql://user:password@host/database",
    )
    retention_days: float | None = _setting(
        None,
        "What was said is forgotten after so many days. Without it, it is kept until people delete it.",
        allowed="0.01 to 36500",
        ge=0.01,
        le=36_500,
    )
    missed_hours: float = _setting(
        6.0,
        "Questions that came while the bot was away are answered if they are not older than so many hours.",
        allowed="0 to 336",
        ge=0,
        le=336,
    )
    max_text_file_kilobytes: int = _setting(
        256, "The most text files that are read with one question, in kB.", allowed="0 to 8192", ge=0, le=8192
    )

    # Watching it
    metrics_port: int | None = _setting(
        None,
        "Serve numbers for Prometheus at /metrics, and /healthz, on this port. Off without it.",
        allowed="1 to 65535",
        ge=1,
        le=65_535,
    )
    metrics_host: str = _setting(
        "127.0.0.1", "The address to serve them on.", allowed="a host name or an address", min_length=1
    )

    # Where things are
    data_dir: Path = _setting(Path("./data"), "A folder for what the bot keeps.", allowed="a folder's path")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "INFO", "How much the log tells.", allowed="DEBUG, INFO, WARNING or ERROR"
    )

    @field_validator("device_properties", mode="before")
    @classmethod
    def _read_properties(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not separator or not name.strip() for name, separator, _ in pairs):
            raise ValueError("not NAME=VALUE")
        return {name.strip(): setting.strip() for name, _, setting in pairs}

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _read_ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not all(part.isdecimal() for part in parts):
            raise ValueError("not numbers")
        return parts

    @property
    def engine_options(self) -> EngineOptions:
        """The settings that the engine process needs."""
        by_device = "paged" if self.device.upper() == "CPU" else "genai"
        return EngineOptions(
            engine=by_device if self.engine == "auto" else self.engine,
            model_dir=self.model_dir.expanduser(),
            device=self.device,
            properties=self.device_properties,
            cache_gigabytes=self.kv_cache_gigabytes,
            max_batch=self.max_batch,
            longest_pause_seconds=self.longest_pause_seconds,
            hang_seconds=self.engine_hang_seconds,
            trust_remote_code=self.trust_remote_code,
        )

    def sampling_for(self, defaults: GenerationDefaults) -> Sampling:
        """How the engine chooses a model's tokens: as set here, and otherwise as its makers want it."""
        return Sampling(
            temperature=_either(self.temperature, defaults.temperature),
            top_p=_either(self.top_p, defaults.top_p),
            top_k=_either(self.top_k, defaults.top_k),
            repetition_penalty=_either(self.repetition_penalty, defaults.repetition_penalty),
            seed=self.seed,
        )

    def max_new_tokens_for(self, defaults: GenerationDefaults) -> int:
        """The longest answer of a model, in tokens."""
        return self.max_new_tokens or defaults.max_new_tokens or _DEFAULT_MAX_NEW_TOKENS

    @property
    def database_address(self) -> str:
        """Where conversations are kept. It may hold a password."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir.expanduser() / 'conversations.sqlite3').as_posix()}"

    def require_token(self) -> str:
        """The bot's token.

        Raises:
            ConfigurationError: there is none, or it does not look like one. The message never holds it.
        """
        token = self.discord_token.get_secret_value().strip() if self.discord_token else ""
        if not token:
            raise ConfigurationError(
                "DISCORD_TOKEN is not set; copy .env.example to .env and put the token there that "
                "https://discord.com/developers/applications shows under Bot, Reset Token"
            )
        if not _TOKEN_SHAPE.fullmatch(token):
            raise ConfigurationError(
                f"DISCORD_TOKEN is malformed: {len(token)} characters in {token.count('.') + 1} parts, where a bot's "
                "token has three parts separated by dots; copy it whole from Bot, Reset Token in the portal (it is "
                "neither the client secret nor the public key)"
            )
        return token


def _either(setting: Number | None, default: Number) -> Number:
    return default if setting is None else setting


def load_settings(env_file: Path | None = ENV_FILE, **overrides: Any) -> Settings:
    """Read the settings.

    Args:
        env_file: read if it is there; None reads environment variables alone.
        overrides: values that win over both, by field name.

    Raises:
        ConfigurationError: a value is not allowed, a name in the file is unknown, or the file cannot be read.
    """
    try:
        if env_file is not None:
            _refuse_unknown_names(env_file)
        return Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg]  # a pydantic-settings argument
    except ValidationError as error:
        raise ConfigurationError(_line(error)) from None
    except OSError as error:
        raise ConfigurationError(f"{env_file} cannot be read: {error.strerror}; mend its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{env_file} is not UTF-8 text; save it as UTF-8") from error


def _refuse_unknown_names(env_file: Path) -> None:
    """A misspelt name would otherwise leave its setting at the default without a word."""
    known = [name.upper() for name in Settings.model_fields]
    for name, value in dotenv_values(env_file, encoding="utf-8").items():
        if value is None:
            # Not shown: it may be the token, pasted without its name.
            raise ConfigurationError(f"{env_file} has a line that is not NAME=VALUE; see .env.example")
        if name.upper() not in known:
            near = [each for each in known if name.upper() in each] or difflib.get_close_matches(name.upper(), known)
            hint = f"did you mean {near[0]}?" if near else "see .env.example for the names"
            raise ConfigurationError(f"{name} in {env_file} is no setting; {hint}")


def _line(error: ValidationError) -> str:
    """One line for the first wrong value: the variable, what was read, what is allowed."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    extra = Settings.model_fields[name].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    read = "a secret value" if name in ("discord_token", "database_url") else repr(first["input"])
    return f"{name.upper()} is {read}; allowed: {allowed}"
