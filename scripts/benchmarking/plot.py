"""The figures as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarking.table import ENGINE_TITLES, figure

mpl.use("Agg")  # no window

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_COLORS = {"paged": "#0068b5", "genai": "#4fa36b", "optimum": "#e8833a"}
_STYLE: Any = {
    "font.size": 13,
    "axes.titlesize": 15,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "figure.facecolor": "white",
}

Engines = Mapping[str, Mapping[str, Any]]


def save_plot(report: Mapping[str, Any], path: Path) -> None:
    """Draw throughput, the next turn's first token and the event loop's lag into a PNG of 1600 x 600 pixels."""
    engines = {key: engine for key, engine in report["engines"].items() if "failed" not in engine}
    with plt.rc_context(_STYLE):
        canvas, panels = plt.subplots(1, 3, figsize=(16, 6), dpi=100)
        _draw_throughput(panels[0], engines, report["plan"]["chats"])
        _draw_first_tokens(panels[1], engines, report["plan"]["histories"])
        _draw_lag(panels[2], engines, report["plan"]["chats"][-1])
        canvas.tight_layout(w_pad=3)
        canvas.savefig(path)
        plt.close(canvas)


def _draw_throughput(panel: Axes, engines: Engines, chats: list[int]) -> None:
    for key, engine in engines.items():
        points = _points(engine, {count: ("measures", f"together_{count}", "tokens_per_second") for count in chats})
        panel.plot(*points, marker="o", linewidth=2.5, color=_COLORS[key], label=ENGINE_TITLES[key])
    panel.set_title("Chats together: tokens/s in all")
    panel.set_xlabel("chats at the same moment")
    panel.set_xticks(chats)
    panel.set_ylim(bottom=0)
    panel.legend(loc="upper left")


def _draw_first_tokens(panel: Axes, engines: Engines, histories: list[int]) -> None:
    for key, engine in engines.items():
        for which, style in (("fresh", "--"), ("next", "-")):
            paths = {each: ("measures", f"next_turn_{each}", f"{which}_first_token_seconds") for each in histories}
            label = f"{ENGINE_TITLES[key]}, {'new prompt' if which == 'fresh' else 'next turn'}"
            points = _points(engine, paths)
            if not points[0]:
                continue
            panel.plot(
                *points,
                style,
                marker="o",
                linewidth=2.5 if which == "next" else 1.5,
                color=_COLORS[key],
                label=label,
            )
    panel.set_title("Seconds to the first token")
    panel.set_xlabel("tokens of history")
    panel.set_xticks(histories, [f"{each:,}" for each in histories])
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    low, high = panel.get_ylim()
    panel.set_ylim(low, high * (high / low) ** 0.5)  # room for the legend
    if panel.lines:
        panel.legend(loc="upper left", fontsize=11)


def _draw_lag(panel: Axes, engines: Engines, chats: int) -> None:
    bars = {
        "p99\nwhole run": ("loop_lag", "p99_ms"),
        "worst\nwhole run": ("loop_lag", "worst_ms"),
        f"p99\n{chats} chats": ("measures", f"together_{chats}", "loop_lag", "p99_ms"),
        f"worst\n{chats} chats": ("measures", f"together_{chats}", "loop_lag", "worst_ms"),
    }
    width = 0.8 / max(1, len(engines))
    for number, (key, engine) in enumerate(engines.items()):
        offset = (number - (len(engines) - 1) / 2) * width
        positions, heights = _points(engine, dict(enumerate(bars.values())))
        drawn = panel.bar(
            [position + offset for position in positions],
            heights,
            width * 0.92,
            color=_COLORS[key],
            label=ENGINE_TITLES[key],
        )
        panel.bar_label(drawn, fmt="%.1f", fontsize=9, padding=2)
    panel.set_title("The bot's event loop: lag in ms")
    panel.set_xticks(range(len(bars)), list(bars))
    panel.grid(visible=False, axis="x")
    panel.margins(y=0.4)  # room for the legend
    panel.legend(loc="upper right")


def _points(engine: Mapping[str, Any], paths: Mapping[int, tuple[str, ...]]) -> tuple[list[float], list[float]]:
    """Return positions and values of the figures that exist."""
    found = [
        (position, value) for position, path in paths.items() if not isinstance(value := figure(engine, path), str)
    ]
    return [position for position, _ in found], [value for _, value in found]
