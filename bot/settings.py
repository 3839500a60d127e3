"""Every setting of the bot, in one table: name, meaning, default and what is allowed.

Settings come from environment variables and from the file `.env` (read by python-dotenv), which an environment
variable overrides. `.env.example` lists the same table for people.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.engine.interface import EngineOptions, Sampling
from bot.errors import ConfigurationError

ENV_FILE = Path(".env")
_TOKEN_SHAPE = re.compile(r"[\w-]{18,}\.[\w-]{4,}\.[\w-]{20,}")
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
    max_reply_messages: int = _setting(
        3, "The most messages one answer may take; the rest is attached as a file.", allowed="1 to 10", ge=1, le=10
    )

    # Model
    model_dir: Path = _setting(
        Path("./model/phi3-instruct/int4"),
        "A folder that `optimum-cli export openvino` wrote.",
        allowed="a folder's path",
    )
    engine: Literal["genai", "optimum"] = _setting(
        "genai",
        "What runs the model: `genai` answers many people at once; `optimum` is the Phi-3 cookbook sample's path.",
        allowed="genai or optimum",
    )
    device: str = _setting(
        "CPU", "The OpenVINO device.", allowed="an OpenVINO device such as CPU, GPU, GPU.0 or AUTO", min_length=1
    )
    device_properties: Annotated[dict[str, str], NoDecode] = _setting(
        {},
        "OpenVINO properties for the device, added to the engine's own.",
        allowed="NAME=VALUE, several separated by commas",
    )
    kv_cache_gigabytes: int = _setting(
        4,
        "Memory for what the model has read (its KV cache), in whole GB; a full Phi-3 context takes 0.8 GB "
        "(genai only).",
        allowed="1 to 1024",
        ge=1,
        le=1024,
    )
    max_batch: int = _setting(16, "The most answers generated together (genai only).", allowed="1 to 256", ge=1, le=256)
    max_batched_tokens: int = _setting(
        256,
        "The most prompt tokens read in one step: smaller makes the others wait less for a newcomer's long prompt "
        "(genai only).",
        allowed="32 to 4096",
        ge=32,
        le=4096,
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
    max_new_tokens: int = _setting(1024, "The longest answer, in tokens.", allowed="1 to 100000", ge=1, le=100_000)
    answer_time_limit_seconds: float = _setting(
        600.0, "The longest time that one answer may take, in seconds.", allowed="1 to 86400", ge=1, le=86_400
    )
    temperature: float = _setting(
        0.0,
        "0 takes the likeliest token each time, as the sample does; higher is more varied.",
        allowed="0 to 2",
        ge=0,
        le=2,
    )
    top_p: float = _setting(
        1.0,
        "With a temperature: draw among the likeliest tokens that together have this probability.",
        allowed="above 0, to 1",
        gt=0,
        le=1,
    )
    top_k: int = _setting(
        0, "With a temperature: draw among this many likeliest tokens; 0 is all.", allowed="0 to 1000", ge=0, le=1000
    )
    repetition_penalty: float = _setting(
        1.0, "Above 1, tokens that were used already become less likely.", allowed="0.5 to 2", ge=0.5, le=2
    )
    seed: int = _setting(
        0, "With a temperature: where the random draw begins.", allowed="0 to 4294967295", ge=0, le=2**32 - 1
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

    @property
    def engine_options(self) -> EngineOptions:
        """The settings that the engine process needs."""
        return EngineOptions(
            engine=self.engine,
            model_dir=self.model_dir.expanduser(),
            device=self.device,
            properties=self.device_properties,
            cache_gigabytes=self.kv_cache_gigabytes,
            max_batch=self.max_batch,
            max_batched_tokens=self.max_batched_tokens,
            trust_remote_code=self.trust_remote_code,
        )

    @property
    def sampling(self) -> Sampling:
        """How the engine chooses tokens."""
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            repetition_penalty=self.repetition_penalty,
            seed=self.seed,
        )

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
    read = "a secret value" if name == "discord_token" else repr(first["input"])
    return f"{name.upper()} is {read}; allowed: {allowed}"
