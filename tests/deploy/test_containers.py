"""The Dockerfile and the compose files against the bot's own numbers and names."""

from __future__ import annotations

import re
from typing import Any

import yaml

from bot.settings import Settings
from tests.deploy.queries import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
EXTRA_SECONDS = 15
"""How long the bot may take to close after its drain."""


def service(file: str, name: str = "bot") -> dict[str, Any]:
    services = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["services"]
    return dict(services[name])


def test_a_container_gets_longer_than_the_drain() -> None:
    grace = service("compose.yaml")["stop_grace_period"]
    parts = re.fullmatch(r"(\d)m\$\{DRAIN_SECONDS:-(\d+)\}s", grace)
    assert parts, grace
    assert int(parts[1]) * 60 >= EXTRA_SECONDS
    assert float(parts[2]) == Settings.model_fields["drain_seconds"].default


def test_a_container_may_do_little() -> None:
    bot = service("compose.yaml")
    assert bot["read_only"] is True
    assert bot["cap_drop"] == ["ALL"]
    assert bot["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in bot
    assert not {"ports", "environment"} & bot.keys(), "settings are in .env, and nothing is open to the network"


def test_both_files_name_one_service_and_one_database() -> None:
    address = service("compose.postgresql.yaml")["environment"]["DATABASE_URL"]
    database = service("compose.postgresql.yaml", "database")["environment"]
    password = database["POSTGRES_PASSWORD"]
    assert address == f"postgresql://{database['POSTGRES_USER']}:{password}@database/{database['POSTGRES_DB']}"


def test_the_image_has_what_compose_relies_on() -> None:
    assert "USER 10001:10001" in DOCKERFILE
    assert "VOLUME /data\nWORKDIR /data" in DOCKERFILE, "data/ and model/ of the settings are in the volume"
    assert 'ENTRYPOINT ["phi-bot"]' in DOCKERFILE, "a shell as process 1 would keep SIGTERM to itself"
    assert "-c constraints.txt" in DOCKERFILE
    assert len(set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE))) == 1, (
        "the virtual environment fits one Python"
    )


def test_the_build_sees_only_what_it_copies() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert ignored[1] == "*"
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    assert allowed == {name for names in copied for name in names.split()}
