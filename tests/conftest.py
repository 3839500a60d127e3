"""Fixtures for every package, and the option that makes property tests long."""

from __future__ import annotations

import logging
import os
import re
import signal
from typing import Any

import pytest
from hypothesis import settings

from tests.inference_precision import apply_to_settings
from tests.phi3_tokenizer import builder, phi3
from tests.small_model import small_model_dir
from tests.tiny_chat_model import tiny_chat_model_dir

__all__ = ["builder", "phi3", "small_model_dir", "tiny_chat_model_dir"]


apply_to_settings()
# A shell has what it runs in the background ignore Ctrl-C, nohup the end of the terminal, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Most tests have no data folder of their own, and the disk cache would fill ./data. End-to-end tests turn it on.
os.environ.setdefault("KV_DISK_GIGABYTES", "0")
# A bot that several tests share stands still between them. discord.py says so from a thread, in any test's log.
logging.getLogger("discord.gateway").addFilter(
    lambda record: not re.match("Shard ID %s heartbeat blocked|Can't keep up", str(record.msg))
)
# A busy machine is slow; no property is about time.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--examples-times",
        type=int,
        default=1,
        metavar="N",
        help="try N times as many examples of each property; make test-long does",
    )


@pytest.hookimpl(trylast=True)  # after Hypothesis, which marks its tests in this hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    times = config.getoption("--examples-times")
    if times > 1:
        owners = {_owner_of_settings(item) for item in items if item.get_closest_marker("hypothesis")}
        for owner, name in owners:
            few = getattr(owner, name)
            setattr(owner, name, settings(few, max_examples=times * few.max_examples))


def _owner_of_settings(item: Any) -> tuple[Any, str]:
    """Return what holds a property's settings, and under which name.

    Hypothesis offers no way to change the settings of a decorated function, so this uses the attribute that it reads.
    """
    if hasattr(item.obj, "_hypothesis_state_machine_class"):
        return item.cls, "settings"
    return item.obj, "_hypothesis_internal_use_settings"
