"""Children get the variables that they need, and no secret."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bot.child_environment import child_environment, secrets_hidden_from_children

SECRETS = {
    "DISCORD_TOKEN": "a.b.c",
    "discord_token": "a.b.c",  # settings are found in any case
    "DATABASE_URL": "sqlite:///private.sqlite3",
    "PGPASSWORD": "hunter2",
    "PGPASSFILE": "/root/.pgpass",
    "HF_TOKEN": "hf_x",
    "HUGGING_FACE_HUB_TOKEN": "hf_x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "OPENAI_API_KEY": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "/root/key.json",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "SENTRY_DSN": "https://x@sentry.example",
    "GITHUB_PAT": "ghp_x",
    "MYSQL_PWD": "hunter2",
    "DB_PW": "hunter2",
    "SMTP_CREDS": "me:hunter2",
    "SESSION_COOKIE": "x",
    "SLACK_WEBHOOK": "https://hooks.slack.example/x",
    "AUTHORIZATION": "Basic x",
    "GIT_REMOTE": "https://ghp_x@github.example/me/phi",
    "OLD_BOT": "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "MY_POSTGRES": "postgresql://me:hunter2@host/db",
}
ADDRESSES = {"HTTPS_PROXY": "http://me:hunter2@proxy:3128", "PIP_INDEX_URL": "https://me:hunter2@index/simple"}
NEEDED = {
    "PATH": os.environ["PATH"],
    "LD_LIBRARY_PATH": "/opt/intel/lib",
    "OMP_NUM_THREADS": "2",
    "TOKENIZERS_PARALLELISM": "false",
    "ONEAPI_DEVICE_SELECTOR": "level_zero:0",
    "HF_ENDPOINT": "http://127.0.0.1:8000",
    "PYTHONPATH": "/somewhere",
    "MONKEY": "banana",
    "PWD": "/somewhere",
    "OLDPWD": "/elsewhere",
    "AUTHOR": "Ada",
    "COMPATIBILITY": "1",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**SECRETS, **ADDRESSES, **NEEDED}.items():
        monkeypatch.setenv(name, value)


def inherited() -> set[str]:
    """The names that a child gets with this process's environment."""
    code = "import os; print('\\n'.join(os.environ))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_a_child_with_an_environment_of_its_own_gets_what_it_needs() -> None:
    given = child_environment()
    assert {name: given[name] for name in NEEDED} == NEEDED
    assert not given.keys() & {**SECRETS, **ADDRESSES}.keys()


def test_a_child_that_downloads_gets_the_addresses_too() -> None:
    given = child_environment(with_network=True)
    assert {name: given[name] for name in ADDRESSES} == ADDRESSES
    assert not given.keys() & SECRETS.keys()


def test_a_child_with_the_inherited_environment_gets_no_secret_and_this_process_keeps_them() -> None:
    assert inherited() >= SECRETS.keys()
    with secrets_hidden_from_children():
        names = inherited()
        assert names >= NEEDED.keys()
        assert not names & {**SECRETS, **ADDRESSES}.keys()
    assert {name: os.environ[name] for name in SECRETS} == SECRETS
