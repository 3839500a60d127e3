"""Settings: their sources, one clear line for each mistake, and the pages generated from the table."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import write_settings_pages
from dotenv import dotenv_values

from bot.errors import ConfigurationError
from bot.model.generation_defaults import GenerationDefaults
from bot.settings import Settings, load_settings, read_settings
from bot.storage.address import Address

ROOT = Path(__file__).resolve().parent.parent
NAMES = [name.upper() for name in Settings.model_fields]
TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"
WRONG = {
    "MEMORY": ["guild", "Channel"],
    "COMPACTION": ["true", "On"],
    "RETENTION_DAYS": ["0", "36501", "for ever"],
    "MISSED_HOURS": ["-1", "337", "late"],
    "MAX_TEXT_FILE_KILOBYTES": ["-1", "8193", "1.5"],
    "MESSAGE_CONTENT_INTENT": ["maybe", "2"],
    "MAX_REPLY_MESSAGES": ["0", "11", "three", "1.5"],
    "PING_AFTER_SECONDS": ["-1", "86401", "nan", "soon"],
    "ENGINE": ["llama", "GENAI", "OpenAI"],
    "ENGINE_URL": [
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://host#part",
        "http://host, http://host/",
        ",",
        "http://höst",
        "http://a b",
    ],
    "DEVICE_PROPERTIES": ["FAST", "=1", "A=1,B", "A=1,A=2"],
    "ADMIN_IDS": ["me", "1,x", "-5"],
    "KV_CACHE_GIGABYTES": ["0", "1025", "half", "nan"],
    "DRAFT_TOKENS": ["-1", "17", "many"],
    "KV_DISK_GIGABYTES": ["-1", "100001", "nan", "all", "50 GB"],
    "ENGINE_HANG_SECONDS": ["1", "3601", "inf", "soon"],
    "MAX_BATCH": ["0", "257", "many"],
    "MAX_WAITING": ["0", "257", "few"],
    "MAX_WAITING_PER_PERSON": ["0", "257", "1.5"],
    "LONGEST_PAUSE_SECONDS": ["0", "61", "nan", "long"],
    "DRAIN_SECONDS": ["-1", "3601", "nan"],
    "METRICS_PORT": ["0", "65536", "http"],
    "TRUST_REMOTE_CODE": ["perhaps"],
    "MAX_NEW_TOKENS": ["0", "-1", "100001", "1e3"],
    "MAX_CONTEXT_TOKENS": ["127", "10000001", "1.5"],
    "MAX_PROMPT_TOKENS": ["63", "1000001", "1.5"],
    "ANSWER_TIME_LIMIT_SECONDS": ["0", "86401", "nan", "ten"],
    "TEMPERATURE": ["-0.1", "2.1", "nan", "inf", "hot"],
    "TOP_P": ["0", "1.01", "nan", "all"],
    "TOP_K": ["-1", "1001", "1.5"],
    "REPETITION_PENALTY": ["0.4", "2.1", "inf"],
    "SHOW_THINKING": ["yes", "Spoiler"],
    "SEED": ["-1", "4294967296", "dice"],
    "LOG_LEVEL": ["LOUD", "debug"],
    "LOG_FORMAT": ["JSON", "logfmt"],
    "MODEL_DIR": [
        "~nobody-of-this-name/phi",
        "a" * 300,
        "'/srv/phi'",
        "$HOME/phi",
        "/srv/${USER}/phi",
        "%APPDATA%/phi",
    ],
    "DRAFT_MODEL_DIR": ["~nobody-of-this-name/draft", "a" * 300, "'/srv/draft'", "$HOME/draft", "%APPDATA%/draft"],
    "DATA_DIR": ["~nobody-of-this-name/phi", "a" * 300, "$HOME/phi", "%APPDATA%/phi", "\u201c./data\u201d"],
}
# Any text may be a device or a system prompt; a token is checked when it is needed, and a key has a test of its own.
TAKE_ANY_TEXT = {
    "ENGINE_KEY",
    "ENGINE_MODEL",
    "DATABASE_URL",
    "IGNORED_PREFIX",
    "DISCORD_TOKEN",
    "DEVICE",
    "SYSTEM_PROMPT",
    "METRICS_HOST",
}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def write(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


def test_every_setting_with_limits_is_tried() -> None:
    assert WRONG.keys() | TAKE_ANY_TEXT == set(NAMES)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_wrong_value_ends_with_one_line(monkeypatch: pytest.MonkeyPatch, name: str, value: str, source: str) -> None:
    if source == "environment":
        monkeypatch.setenv(name, value)
    else:
        write(f'{name}="{value}"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    extra: Any = Settings.model_fields[name.lower()].json_schema_extra
    assert re.fullmatch(
        rf"{name} is {re.escape(repr(value))}( \(.+\))?; allowed: {re.escape(extra['allowed'])}", str(caught.value)
    )


def test_every_mistake_is_collected_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TEMPRATURE=1\nTOP_P: 0.5\nTOP_K=many\nSEED=7\nDEVICE='GPU\n")
    monkeypatch.setenv("MAX_BATCH", "0")
    monkeypatch.setenv("DATA_DIR", "a\nb")
    read = read_settings()
    assert [each.setting for each in read.mistakes] == ["", "TOP_P", "DEVICE", "DATA_DIR", "TOP_K", "MAX_BATCH"]
    assert (read.settings.seed, read.settings.max_batch, read.settings.device) == (7, 16, "CPU")
    assert read.given == {"SEED"}
    with pytest.raises(ConfigurationError, match="TEMPRATURE is not a setting"):
        load_settings()


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in Settings.model_fields} == {
        name: field.default for name, field in Settings.model_fields.items()
    }


def test_the_environment_wins_over_the_file_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TEMPERATURE=0.1\nTOP_P=0.2\nTOP_K=3\n")
    monkeypatch.setenv("TOP_P", "0.4")
    monkeypatch.setenv("TOP_K", "5")
    settings = load_settings(top_k=6)
    assert (settings.temperature, settings.top_p, settings.top_k) == (0.1, 0.4, 6)


def test_an_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TEMPERATURE=\nDISCORD_TOKEN=\n")
    monkeypatch.setenv("TOP_P", "")
    assert load_settings() == Settings()


def test_without_a_file_only_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TEMPERATURE=0.5\nNONSENSE=1\n")
    monkeypatch.setenv("SEED", "7")
    settings = load_settings(env_file=None)
    assert (settings.temperature, settings.seed) == (None, 7)


def test_settings_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().seed = 3


def test_unknown_names_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAVOURITE_COLOUR", "blue")
    assert load_settings() == Settings()


# --------------------------------------------------------------- the token


def test_a_token_of_the_right_shape_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", f"  {TOKEN} ")
    assert load_settings().require_token() == TOKEN


@pytest.mark.parametrize("value", [None, "", "   "])
def test_a_missing_token_is_refused(value: str | None) -> None:
    with pytest.raises(ConfigurationError, match=r"^DISCORD_TOKEN is not set; there is no /.+/\.env: start"):
        load_settings(discord_token=value).require_token()


@pytest.mark.parametrize("value", ["hunter2secret", TOKEN[:-20], TOKEN.replace(".", ","), f"Bot {TOKEN}", f"{TOKEN}.x"])
def test_a_malformed_token_is_refused_and_never_shown(value: str) -> None:
    settings = load_settings(discord_token=value)
    with pytest.raises(ConfigurationError, match=r"^DISCORD_TOKEN is malformed: ") as caught:
        settings.require_token()
    for secret in (value, value[:12], value[-12:]):
        assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        f"DISCORD_TOKEN={TOKEN}\nTEMPERATURE=9\n",
        f"DISCORD_TOKEN={TOKEN}\nNONSENSE=9\n",
        f"DISCORD_TOKN={TOKEN}\n",
        f"{TOKEN}\n",
        f"SEED=1\n{TOKEN} \nSEED=2\n",
        f"TEMPERATURE=1\nDISCORD_TOKEN {TOKEN}\n{TOKEN}\n",
    ],
)
def test_no_mistake_in_the_file_shows_the_token(content: str, caplog: pytest.LogCaptureFixture) -> None:
    write(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "\n" not in str(caught.value)
    for shown in (str(caught.value), repr(caught.value.__cause__), caplog.text):
        assert TOKEN[:24] not in shown
        assert TOKEN[-27:] not in shown


def test_the_token_is_in_no_text_of_the_settings() -> None:
    settings = load_settings(discord_token=TOKEN)
    for text in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert TOKEN not in text


@pytest.mark.parametrize("name", ["LOG_LEVEL", "DEVICE_PROPERTIES", "METRICS_PORT", "ADMIN_IDS"])
@pytest.mark.parametrize("secret", [TOKEN, "postgresql://phi:hunter2@host/database"])
def test_a_secret_after_the_wrong_name_is_never_shown(name: str, secret: str) -> None:
    write(f"{name}={secret}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"{name} is a secret value")


@pytest.mark.parametrize(
    "value", [f'"{TOKEN}', f"\u201c{TOKEN}\u201d", f"<{TOKEN}>", f"{TOKEN};LOG_LEVEL=DEBUG", f"{TOKEN}\u200e"]
)
def test_a_character_too_many_in_the_token_is_named(value: str) -> None:
    with pytest.raises(ConfigurationError, match="has a character that no token has"):
        load_settings(discord_token=value).require_token()


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("your.token.here", "it is still a placeholder"),
        ("paste-your-token-here", "it is still a placeholder"),
        ("a.b.c", "its three parts have 1, 1, 1 characters, fewer than a bot's token"),
        ("0123456789abcdef0123456789abcdef", "32 characters in 1 part, but a bot's token has three parts"),
    ],
)
def test_what_a_token_lacks_is_named(value: str, mistake: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^DISCORD_TOKEN is malformed: {mistake}"):
        load_settings(discord_token=value).require_token()


def test_a_missing_token_is_looked_for_where_the_bot_was_started() -> None:
    for name, way_out in (
        (".env.example", "copy .env.example to .env and add the token from https://"),
        (".env", f"add to {Path('.env').absolute()} the token from https://"),
    ):
        Path(name).touch()
        with pytest.raises(ConfigurationError) as caught:
            load_settings().require_token()
        assert str(caught.value).startswith(f"DISCORD_TOKEN is not set; {way_out}")


# ------------------------------------------------------- odd values


def test_spaces_around_a_value_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    write("MEMORY=' user '\nDATA_DIR=\"/srv/data \"\nMAX_BATCH='  '\n")
    monkeypatch.setenv("ENGINE", "genai ")
    monkeypatch.setenv("DEVICE", " ")
    settings = load_settings()
    assert (settings.memory, settings.data_dir, settings.max_batch) == ("user", Path("/srv/data"), 16)
    assert (settings.engine, settings.device) == ("genai", "CPU")


def test_a_name_in_capitals_goes_before_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("seed", "1")
    assert load_settings().seed == 1
    monkeypatch.setenv("SEED", "2")
    assert load_settings().seed == 2


@pytest.mark.parametrize("name", ["DEVICE", "MODEL_DIR", "METRICS_HOST", "DATABASE_URL"])
def test_a_line_break_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "CPU\nGPU")
    with pytest.raises(ConfigurationError, match=f"^{name} in the environment has a line break"):
        load_settings()


def test_a_folder_whose_name_looks_like_a_variable_is_taken_if_it_is_there() -> None:
    Path("$HOME").mkdir()
    assert load_settings(data_dir="$HOME").data_folder == Path("$HOME")


@pytest.mark.parametrize("value", ["file", "file/x"])
def test_a_file_is_no_folder(value: str) -> None:
    Path("file").touch()
    write(f"DATA_DIR={value}\n")
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR is .* \((a file, not a|Not a directory)"):
        load_settings()


@pytest.mark.skipif(os.name == "nt", reason="there it is right")
def test_a_path_of_windows_is_refused_elsewhere() -> None:
    write("DATA_DIR=D:\\bot\n")
    with pytest.raises(ConfigurationError, match="a path of Windows, and this is another system"):
        load_settings()


def test_a_long_wrong_value_is_cut_off() -> None:
    write(f"SEED={'x' * 5000}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert len(str(caught.value)) < 600


@pytest.mark.skipif(os.name == "nt", reason="there the environment is text")
@pytest.mark.parametrize("name", ["SYSTEM_PROMPT", "DATA_DIR", "MODEL_DIR", "DISCORD_TOKEN"])
def test_bytes_that_are_no_text_are_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, os.fsdecode(b"B\xe4r"))
    with pytest.raises(ConfigurationError, match=f"^{name} in the environment is not UTF-8 text"):
        load_settings()


@pytest.mark.parametrize(
    "folder", ["/srv/what?/data", "/srv/100%/data", "/srv/a%3Fb", "/srv/a b#c", "/srv/Bär", "C:/bot"]
)
def test_the_database_is_in_the_data_folder_whatever_its_name(folder: str) -> None:
    address = Address.parse(load_settings(data_dir=folder).database_address)
    assert address.file == Path(folder) / "conversations.sqlite3"


# ------------------------------------------------------- for the engine


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("A=1", {"A": "1"}),
        (" A = 1 , B=x=y,", {"A": "1", "B": "x=y"}),
        ("CACHE_DIR=", {"CACHE_DIR": ""}),
        (" ", {}),
    ],
)
def test_device_properties_are_pairs(monkeypatch: pytest.MonkeyPatch, text: str, properties: dict[str, str]) -> None:
    monkeypatch.setenv("DEVICE_PROPERTIES", text)
    assert load_settings().engine_options.properties == properties


def test_the_engine_gets_what_was_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(
        "MODEL_DIR=~/phi\nDEVICE=GPU.0\nENGINE=optimum\nKV_CACHE_GIGABYTES=2.5\nMAX_BATCH=3\nLONGEST_PAUSE_SECONDS=2\n"
        "MAX_CONTEXT_TOKENS=9000\n"
    )
    options = load_settings().engine_options
    assert (options.model_dir, options.device, options.engine) == (tmp_path / "phi", "GPU.0", "optimum")
    assert (options.cache_gigabytes, options.max_batch, options.longest_pause_seconds) == (2.5, 3, 2)
    assert options.max_context_tokens == 9000
    assert not options.trust_remote_code


@pytest.mark.parametrize(
    ("value", "folder", "gigabytes"),
    [("", "kv_cache", None), ("0", None, 0), ("0.5", "kv_cache", 0.5), ("1e3", "kv_cache", 1000)],
)
def test_the_disk_cache_is_below_the_data_folder(
    value: str, folder: str | None, gigabytes: float | None, tmp_path: Path
) -> None:
    write(f"DATA_DIR={tmp_path.as_posix()}\nKV_DISK_GIGABYTES={value}\n")
    options = load_settings().engine_options
    expected = None if folder is None else tmp_path / folder
    assert (options.disk_cache_dir, options.disk_cache_gigabytes) == (expected, gigabytes)


@pytest.mark.parametrize("line", ["ENGINE=genai", "ENGINE=optimum", "DEVICE=GPU"])
def test_other_engines_have_no_disk_cache(line: str) -> None:
    write(f"{line}\nKV_DISK_GIGABYTES=5\n")
    assert load_settings().engine_options.disk_cache_dir is None


@pytest.mark.parametrize("line", ["ENGINE=genai", "ENGINE=optimum", "DEVICE=GPU", "DRAFT_TOKENS=0"])
def test_without_drafts_no_draft_model_is_loaded(line: str, tmp_path: Path) -> None:
    write(f"DRAFT_MODEL_DIR={tmp_path}\n")
    assert load_settings().engine_options.draft_model_dir == tmp_path
    write(f"{line}\nDRAFT_MODEL_DIR={tmp_path}\n")
    assert load_settings().engine_options.draft_model_dir is None


def test_servers_are_separated_by_commas() -> None:
    write(
        "ENGINE=openai\nENGINE_URL= http://one:8000/ ,https://two/v1\nENGINE_KEY=sk-1\nENGINE_MODEL=phi\nMAX_BATCH=3\n"
        "DEVICE=GPU\nKV_CACHE_GIGABYTES=2\nKV_DISK_GIGABYTES=5\nDRAFT_TOKENS=4\n"
    )
    options = load_settings().engine_options
    assert options.server_urls == ("http://one:8000", "https://two/v1")
    assert (options.engine, options.server_key, options.server_model) == ("openai", "sk-1", "phi")
    assert options.max_batch == 3
    assert (options.disk_cache_dir, options.cache_gigabytes, options.draft_model_dir) == (None, None, None)


def test_the_engine_without_a_server_is_refused_with_the_way_out() -> None:
    write("ENGINE=openai\n")
    with pytest.raises(ConfigurationError, match="set ENGINE_URL, such as ENGINE_URL=http://127"):
        _ = load_settings().engine_options


@pytest.mark.parametrize(
    "line",
    [
        "ENGINE_URL=http://me:hunter2@host",
        "ENGINE_URL=http://hunter2@host",
        "ENGINE_URL=http://host?key=hunter2",
        "ENGINE_KEY=hunter2 hunter2",
        "ENGINE_KEY=hünter-hunter2",
        "MEMORY=https://hunter2@host",
    ],
)
def test_a_key_in_the_wrong_place_is_never_shown(line: str) -> None:
    write(f"{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert "is a secret value" in str(caught.value)


def test_the_key_of_a_server_is_in_no_repr() -> None:
    write("ENGINE=openai\nENGINE_URL=http://host\nENGINE_KEY=hunter2\n")
    settings = load_settings()
    assert "hunter2" not in repr(settings) + repr(settings.engine_options)


def test_sampling_settings_override_the_models_defaults() -> None:
    write("TEMPERATURE=0.7\nTOP_P=0.9\nTOP_K=40\nREPETITION_PENALTY=1.1\nSEED=5\n")
    sampling = load_settings().sampling_for(GenerationDefaults(temperature=1.0, top_p=0.5))
    values = (sampling.temperature, sampling.top_p, sampling.top_k, sampling.repetition_penalty, sampling.seed)
    assert values == (0.7, 0.9, 40, 1.1, 5)


# ------------------------------------------------------ the generated pages


@pytest.mark.parametrize(
    ("path", "generate"),
    [
        pytest.param(write_settings_pages.PAGE, write_settings_pages.settings_page, id="docs/settings.md"),
        pytest.param(write_settings_pages.EXAMPLE, write_settings_pages.example_file, id=".env.example"),
    ],
)
def test_a_generated_page_is_fresh(path: Path, generate: Callable[[], str]) -> None:
    current = path.read_text(encoding="utf-8")
    assert current == generate(), "stale: run python scripts/write_settings_pages.py"


def test_the_page_names_every_setting() -> None:
    page = write_settings_pages.settings_page()
    assert re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE) == NAMES


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    text = write_settings_pages.EXAMPLE.read_text(encoding="utf-8")
    assert re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE) == NAMES
    assert re.findall(r"^([A-Z_]+=.*)$", text, re.MULTILINE) == ["DISCORD_TOKEN="]
    write(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))
    assert load_settings() == Settings()
    # An empty value also reads as the default, so only a setting without one may be empty.
    empty = [name for name, value in dotenv_values(".env").items() if not value]
    without_default = [name.upper() for name, field in Settings.model_fields.items() if not field.default]
    assert empty == [name for name in without_default if getattr(Settings(), name.lower()) in (None, {}, frozenset())]


def test_the_example_file_explains_every_setting() -> None:
    text = " ".join(write_settings_pages.EXAMPLE.read_text(encoding="utf-8").replace("\n# ", " ").split())
    for field in Settings.model_fields.values():
        extra: Any = field.json_schema_extra
        assert f"{field.description} Allowed: {extra['allowed']}." in text
