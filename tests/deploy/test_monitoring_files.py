"""The dashboard and the alerts by themselves; `tests/end_to_end/test_monitoring.py` holds them against a bot."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.queries import ALERTS, DASHBOARD, alerts, panels, queries, selectors

UNITS = {"short", "s", "bytes", "percentunit", "reqps"}


def test_every_query_is_promql_of_this_job() -> None:
    for query in queries():
        assert selectors(query), query
        assert query.count('job="phi-bot"') == len(selectors(query)), query


def test_a_mistake_in_a_query_is_found() -> None:
    with pytest.raises(ValueError, match="parenthesis"):
        selectors("sum(rate(up[5m])")


def test_every_alert_waits_and_says_what_to_do() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)
    for alert in alerts():
        assert alert["for"].rstrip("m").isdecimal(), alert["alert"]
        assert alert["labels"]["severity"] in {"critical", "warning"}
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["annotations"]["description"].count(". ") >= 1, f"{alert['alert']} has no way out"


def test_the_alerts_are_on_for_the_scraped_job() -> None:
    config = yaml.safe_load((ALERTS.parent / "prometheus.yml").read_text(encoding="utf-8"))
    assert [job["job_name"] for job in config["scrape_configs"]] == ["phi-bot"]
    assert config["rule_files"] == [ALERTS.name]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian's package prometheus)")
def test_promtool_evaluates_the_alerts() -> None:
    for command in (
        ["check", "rules", str(ALERTS)],
        ["test", "rules", str(Path(__file__).with_name("alerts_test.yaml"))],
    ):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_can_show_the_dashboard() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert dashboard["uid"] == "phi-bot"
    assert "id" not in dashboard, "an import would overwrite another dashboard"
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "job", "instance"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert [target["refId"] for target in panel["targets"]] == list("ABC"[: len(panel["targets"])])


def test_no_panel_covers_another() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    places = [(panel["title"], panel["gridPos"]) for panel in dashboard["panels"]]
    for (title, one), (other_title, other) in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (title, other_title)
    assert all(place["x"] + place["w"] <= 24 for _, place in places)
