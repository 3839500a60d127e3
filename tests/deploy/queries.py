"""The PromQL of the dashboard and of the alerts, and what it names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "phi-bot.json"

_OF_PROMETHEUS = {"job", "instance"}  # these labels come with the scrape
_GRAFANA = {"$__rate_interval": "5m", "$instance": "a", "$job": "phi-bot"}


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric that a query names, with the values of labels that it demands: `None` for a pattern."""

    metric: str
    labels: dict[str, str | None]


def alerts() -> list[dict[str, Any]]:
    """Return the rules of all groups."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Return the dashboard's panels without its rows."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[str]:
    """Return every query, with values in place of Grafana's variables."""
    written = [rule["expr"] for rule in alerts()]
    written += [target["expr"] for panel in panels() for target in panel["targets"]]
    return [_without_variables(query) for query in written]


def selectors(query: str) -> list[Selector]:
    """Return what a query selects.

    Raises:
        ValueError: it is no PromQL.
    """
    return list(_selectors(promql_parser.parse(query)))


def _without_variables(query: str) -> str:
    for variable, value in _GRAFANA.items():
        query = query.replace(variable, value)
    return query


def _selectors(node: Any) -> Iterator[Selector]:
    if isinstance(node, promql_parser.VectorSelector):
        labels = {
            matcher.name: matcher.value if matcher.op == promql_parser.MatchOp.Equal else None
            for matcher in node.matchers.matchers
            if matcher.name not in _OF_PROMETHEUS
        }
        assert node.name is not None  # every query names its metrics
        yield Selector(node.name, labels)
    children = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for child in (*children, *(getattr(node, "args", None) or ())):
        if child is not None:
            yield from _selectors(child)
