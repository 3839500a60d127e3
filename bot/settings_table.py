"""The table of settings: name, default, meaning and allowed values, by section.

`docs/settings.md` and `.env.example` are generated from it: `python scripts/write_settings_pages.py`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from bot.folder_path import FolderPath
from bot.server_urls import read_server_urls

LONGEST_MISSED_HOURS = 336

_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
_DEFAULT_SYSTEM_PROMPT = (
    "You are Phi, a helpful assistant in a Discord chat. Answer in Markdown, briefly and to the point. "
    "A message may begin with the name of the person who wrote it, in brackets."
)


def _setting(default: Any, meaning: str, *, allowed: str, **limits: Any) -> Any:
    """A field with its meaning for the pages, and its allowed values for the pages and error lines."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed}, **limits)


class Section(BaseModel):
    """Settings that the pages show together under a title."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: ClassVar[str]


class DiscordSettings(Section):
    title = "Discord"

    discord_token: SecretStr | None = _setting(
        None,
        "The bot's token, from the developer portal (Bot, Reset Token). Required.",
        allowed="three parts separated by dots",
    )
    message_content_intent: bool = _setting(
        False,
        "Ask for the privileged message-content intent, so that the bot can also read the message that a mention "
        "replies to, and `/channel mode` can do without mentions. Enable the intent in the developer portal first.",
        allowed="true or false",
    )
    admin_ids: frozenset[int] = _setting(
        frozenset(),
        "Who may use `/model reload` besides the application's owner.",
        allowed="Discord user ids, separated by commas",
    )
    ignored_prefix: str = _setting(
        "//",
        "Where nobody needs to mention the bot (`/channel mode`), it leaves messages alone that begin with this. If "
        "empty: none of them.",
        allowed="any text",
    )
    max_reply_messages: int = _setting(
        3, "The most messages that one answer may take; the rest is attached as a file.", allowed="1 to 10", ge=1, le=10
    )

    ping_after_seconds: float = _setting(
        60.0,
        "Notify the asker of an answer whose text begins later than this after the question, in seconds; 0 never does.",
        allowed="0 to 86400",
        ge=0,
        le=86_400,
    )

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _read_ids(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if not all(part.isdecimal() for part in parts):
            raise ValueError("not numbers")
        return parts


class ModelSettings(Section):
    title = "Model and engine"

    model_dir: FolderPath = _setting(
        Path("./model/phi3-instruct/int4"),
        "The model folder, as `python -m bot export` or `optimum-cli export openvino` writes it. For `openai`, the "
        "tokenizer's files are enough.",
        allowed="a folder's path",
    )
    engine: Literal["auto", "paged", "genai", "optimum", "openai"] = _setting(
        "auto",
        "The backend: `paged` (CPU) and `genai` (other devices) answer many questions at once; `optimum`, the Phi-3 "
        "cookbook sample's way, answers one at a time; `openai` asks the servers of `ENGINE_URL`. `auto` chooses among "
        "the first two by the device.",
        allowed="auto, paged, genai, optimum or openai",
    )
    engine_url: tuple[str, ...] | None = _setting(
        None,
        "The servers of `ENGINE=openai`, which speak OpenAI's completions protocol (vLLM, llama.cpp's server). They "
        "must serve the same model; a conversation stays with one of them.",
        allowed="http:// or https:// addresses, separated by commas",
    )
    engine_key: SecretStr | None = _setting(
        None,
        "The key that these servers ask for, if they do.",
        allowed="printable ASCII characters without spaces",
    )
    engine_model: str | None = _setting(
        None,
        "The model's name on these servers. If unset: the one that they serve.",
        allowed="a name as the server's /v1/models lists it",
    )
    device: str = _setting(
        "CPU", "The OpenVINO device.", allowed="an OpenVINO device such as CPU, GPU, GPU.0 or AUTO", min_length=1
    )
    device_properties: dict[str, str] = _setting(
        {},
        "OpenVINO properties for the device, on top of the engine's own. With DEVICE=CPU, inference is in f32 "
        "unless INFERENCE_PRECISION_HINT is set here.",
        allowed="NAME=VALUE, separated by commas",
    )
    kv_cache_gigabytes: float | None = _setting(
        None,
        "Memory for the KV cache, in GB; a full Phi-3 context takes 0.9 GB. If unset: what the batch can use, as far "
        "as memory allows.",
        allowed="0.05 to 1024",
        ge=0.05,
        le=1024,
    )
    kv_disk_gigabytes: float | None = _setting(
        None,
        "Disk space for the disk cache below `DATA_DIR`, in GB; 0 is off, and deletes it. It keeps what the KV cache "
        "held, so that a history is not read again, even after a restart (`paged` only). If unset: a quarter of what "
        "is free, at most 50.",
        allowed="0 to 100000",
        ge=0,
        le=100_000,
    )
    draft_tokens: int = _setting(
        8,
        "The most tokens that are drafted for an answer and checked in one step (`paged` only); the text stays the "
        "same. The engine drafts fewer, or none, where it does not pay. 0 is off.",
        allowed="0 to 16",
        ge=0,
        le=16,
    )
    draft_model_dir: FolderPath | None = _setting(
        None,
        "The folder of a small model with the same tokenizer that drafts tokens (`paged` only). If unset, only what "
        "the conversation already holds is drafted.",
        allowed="a folder's path",
    )
    max_context_tokens: int | None = _setting(
        None,
        "The longest prompt and answer together, in tokens. If unset: the model's context, as far as the KV cache "
        "holds it. A long history takes long to read after a restart.",
        allowed="128 to 10000000",
        ge=128,
        le=10_000_000,
    )
    engine_hang_seconds: float = _setting(
        10.0,
        "Restart an engine process that has work but neither reports nor computes for this long.",
        allowed="2 to 3600",
        ge=2,
        le=3600,
    )
    trust_remote_code: bool = _setting(
        False,
        "Run Python code from the model folder (`optimum` only); Phi-3 needs none.",
        allowed="true or false",
    )

    @field_validator("engine_url", mode="before")
    @classmethod
    def _read_urls(cls, value: object) -> object:
        return read_server_urls(value) if isinstance(value, str) else value

    @field_validator("engine_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _HEADER_VALUE.fullmatch(value.get_secret_value()):
            raise ValueError("a character that no key has")
        return value

    @field_validator("device_properties", mode="before")
    @classmethod
    def _read_properties(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not separator or not name.strip() for name, separator, _ in pairs):
            raise ValueError("not NAME=VALUE")
        properties = {name.strip(): setting.strip() for name, _, setting in pairs}
        if len(properties) < len(pairs):
            raise ValueError("a name is there twice")
        return properties


class AnswerSettings(Section):
    title = "Answers"

    system_prompt: str = _setting(
        _DEFAULT_SYSTEM_PROMPT, "The system prompt of every conversation without a persona.", allowed="any text"
    )
    max_new_tokens: int | None = _setting(
        None,
        "The longest answer, in tokens. If unset: as the model's generation_config.json says, otherwise 1024, or 4096 "
        "for a model that thinks before it answers.",
        allowed="1 to 100000",
        ge=1,
        le=100_000,
    )
    max_prompt_tokens: int | None = _setting(
        None,
        "The longest prompt, in tokens: system prompt, history and question. If unset: what the context leaves.",
        allowed="64 to 1000000",
        ge=64,
        le=1_000_000,
    )
    answer_time_limit_seconds: float = _setting(
        600.0,
        "How long one answer may take once it has started, in seconds.",
        allowed="1 to 86400",
        ge=1,
        le=86_400,
    )
    temperature: float | None = _setting(
        None,
        "0 always takes the likeliest token, as the sample does; higher values vary more. If this or one of the next "
        "three is unset, the model's generation_config.json decides.",
        allowed="0 to 2",
        ge=0,
        le=2,
    )
    top_p: float | None = _setting(
        None,
        "With a temperature: draw from the likeliest tokens that together reach this probability.",
        allowed="above 0, to 1",
        gt=0,
        le=1,
    )
    top_k: int | None = _setting(
        None, "With a temperature: draw from this many likeliest tokens; 0 is all.", allowed="0 to 1000", ge=0, le=1000
    )
    repetition_penalty: float | None = _setting(
        None,
        "Above 1, tokens that the answer already has become less likely (`genai` and `openai` also count the "
        "question's).",
        allowed="0.5 to 2",
        ge=0.5,
        le=2,
    )
    seed: int = _setting(
        0, "With a temperature: the seed of the random draw.", allowed="0 to 4294967295", ge=0, le=2**32 - 1
    )
    show_thinking: Literal["off", "spoiler", "file"] = _setting(
        "off",
        "How a reply shows what a thinking model thought before its answer: not at all (`off`), hidden until somebody "
        "clicks it (`spoiler`; in a file if it is long), or in a file.",
        allowed="off, spoiler or file",
    )


class LoadSettings(Section):
    title = "Many people at once"

    max_batch: int = _setting(
        16, "The most answers generated together (not `optimum`).", allowed="1 to 256", ge=1, le=256
    )
    max_waiting: int = _setting(
        64, "The most questions in the queue; the bot turns further ones away.", allowed="1 to 256", ge=1, le=256
    )
    max_waiting_per_person: int = _setting(
        5, "The most questions of one member in the queue.", allowed="1 to 256", ge=1, le=256
    )
    longest_pause_seconds: float = _setting(
        1.5,
        "How long streaming answers may pause while the bot reads somebody else's long prompt (`paged` only).",
        allowed="0.1 to 60",
        ge=0.1,
        le=60,
    )
    drain_seconds: float = _setting(
        20.0,
        "How long running answers may continue after SIGTERM.",
        allowed="0 to 3600",
        ge=0,
        le=3600,
    )


class MemorySettings(Section):
    title = "Memory"

    memory: Literal["channel", "user"] = _setting(
        "channel",
        "Who shares a conversation: everybody in a channel (`channel`), or each member has one per channel (`user`).",
        allowed="channel or user",
    )
    compaction: Literal["on", "off"] = _setting(
        "on",
        "While the engine is idle, the model summarizes the turns that a full context will soon leave out, and sees "
        "the summary in their place (`on`).",
        allowed="on or off",
    )
    database_url: SecretStr | None = _setting(
        None,
        "The database for conversations. If unset: the file conversations.sqlite3 in `DATA_DIR`.",
        allowed="sqlite:///file or postgresql://user:password@host/database",
    )
    retention_days: float | None = _setting(
        None,
        "Delete turns that are older than this. If unset: keep them until somebody deletes them.",
        allowed="0.01 to 36500",
        ge=0.01,
        le=36_500,
    )
    missed_hours: float = _setting(
        6.0,
        "After a start, answer what was asked while the bot was away, if it is no older than this or RETENTION_DAYS.",
        allowed=f"0 to {LONGEST_MISSED_HOURS}",
        ge=0,
        le=LONGEST_MISSED_HOURS,
    )
    max_text_file_kilobytes: int = _setting(
        256, "How much text of a question's files the bot reads, in kB.", allowed="0 to 8192", ge=0, le=8192
    )


class MonitoringSettings(Section):
    title = "Monitoring"

    metrics_port: int | None = _setting(
        None,
        "Serve Prometheus metrics at /metrics, and /healthz, on this port. If unset: serve neither.",
        allowed="1 to 65535",
        ge=1,
        le=65_535,
    )
    metrics_host: str = _setting(
        "127.0.0.1",
        "The address to serve metrics on. They have no password, so the log warns if other machines can reach it.",
        allowed="a host name or an address",
        min_length=1,
    )


class SystemSettings(Section):
    title = "Files and log"

    data_dir: FolderPath = _setting(Path("./data"), "The folder for what the bot stores.", allowed="a folder's path")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "INFO",
        "The least severe level that reaches the log. Message texts, personas and tokens never do: DEBUG is for the "
        "bot's own lines; libraries, which would show them there, begin at INFO.",
        allowed="DEBUG, INFO, WARNING or ERROR",
    )
    log_format: Literal["text", "json"] = _setting(
        "text",
        "How a line of the log looks: `text` for people, or `json`, one object a line, for programs that collect logs.",
        allowed="text or json",
    )


SECTIONS: tuple[type[Section], ...] = (
    DiscordSettings,
    ModelSettings,
    AnswerSettings,
    LoadSettings,
    MemorySettings,
    MonitoringSettings,
    SystemSettings,
)
"""In the order of the pages."""
