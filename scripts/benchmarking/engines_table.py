"""The engines' figures side by side as a Markdown table: spread over the rounds, ratios within them, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarking.statistics import FEWEST_ROUNDS, Spread, gain, verdict
from benchmarking.table import NOT_MEASURED, Row, figure, rows

Rounds = Sequence[Mapping[str, dict[str, Any]]]


def engine_names(report: Mapping[str, Any]) -> list[str]:
    """Return the engines that a report has turns of; the others are compared with the first."""
    return list(dict.fromkeys(name for turns in report["rounds"] for name in turns))


def engines_table(report: Mapping[str, Any]) -> str:
    """Return the table of a report; footnotes give the reasons for missing figures.

    Rows that no engine attempted are left out; rows that failed are not.
    """
    rounds: Rounds = report["rounds"]
    titles = {name: _title(rounds, name) for name in engine_names(report)}
    ours, *others = titles
    notes: list[str] = []
    columns = [*titles.values(), *(f"against {name}" for name in others)]
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    shown = [row for row in rows(report["plan"]) if any(_attempted(rounds, name, row) for name in titles)]
    for row in shown:
        cells = [_cell(row, rounds, name, notes) for name in titles]
        cells += [_ratio_cell(ratios(row, rounds, ours, name)) for name in others]
        lines.append(f"| {' | '.join([row.label, *cells])} |")
    lines += ["", *_agreements(report.get("agreement", {}), titles), _caption(len(rounds), titles[ours], bool(others))]
    if any(row.path[1] == "crowd" for row in shown):
        lines.append(_crowd_caption(report["plan"]))
    for number, note in enumerate(notes, 1):
        lines += ["", f"<sup>{number}</sup> {note}"]
    return "\n".join(lines) + "\n"


def ratios(row: Row, rounds: Rounds, ours: str, theirs: str) -> list[float]:
    """Return how many times better ours is than theirs, in each round that has the figures of both."""
    return list(_ratios(row, rounds, ours, theirs))


def _ratios(row: Row, rounds: Rounds, ours: str, theirs: str) -> Iterator[float]:
    if row.lower_is_better is None:
        return
    for turns in rounds:
        if ours not in turns or theirs not in turns:
            continue
        values = [figure(turns[name], row.path) for name in (ours, theirs)]
        if isinstance(values[0], str) or isinstance(values[1], str):
            continue
        if times := gain(values[0], values[1], lower_is_better=row.lower_is_better):
            yield times


def _title(rounds: Rounds, name: str) -> str:
    return next((turns[name]["name"] for turns in rounds if "name" in turns.get(name, {})), name)


def _attempted(rounds: Rounds, name: str, row: Row) -> bool:
    """Whether an engine has the figure, or a reason of its own why not: one that did not load tried nothing else."""
    turns_of_engine = [turns[name] | {"failed": ""} for turns in rounds if name in turns]
    return any(figure(turn, row.path) != NOT_MEASURED for turn in turns_of_engine)


def _cell(row: Row, rounds: Rounds, name: str, notes: list[str]) -> str:
    found = [figure(turns[name], row.path) for turns in rounds if name in turns]
    values = [each * row.factor for each in found if not isinstance(each, str)]
    reasons = [each for each in found if isinstance(each, str) and each != NOT_MEASURED]
    if not values:
        return f"–{_mark(reasons[0] if reasons else NOT_MEASURED, notes)}"  # noqa: RUF001 - a dash for no figure
    mark = _mark(f"without {len(reasons)} of {len(found)} rounds: {reasons[0]}", notes) if reasons else ""
    return _spread(values, row.decimals) + mark


def _mark(note: str, notes: list[str]) -> str:
    if note not in notes:
        notes.append(note)
    return f"<sup>{notes.index(note) + 1}</sup>"


def _spread(values: Sequence[float], decimals: int, unit: str = "") -> str:
    """Return median and, of several values, least and most."""
    spread = Spread.of(values)
    if len(values) == 1:
        return f"{spread.median:,.{decimals}f}{unit}"
    return f"{spread.median:,.{decimals}f}{unit} ({spread.least:,.{decimals}f} to {spread.most:,.{decimals}f})"


def _ratio_cell(found: Sequence[float]) -> str:
    if not found:
        return ""
    claim = verdict(found)
    text = _spread(found, 2 if max(found) < 10 else 1, "×")  # noqa: RUF001 - the sign for times
    return f"{text}, {claim}" if claim else text


def _agreements(agreements: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> Iterator[str]:
    ours = next(iter(titles.values()))
    for name, agreement in agreements.items():
        if "equal_share" in agreement:
            yield (
                f"The greedy answers of {ours} and {titles[name]}: {agreement['equal_share']:.0%} of the tokens are "
                f"equal, {agreement['identical']} of {agreement['questions']} answers are the same to the last token."
            )
            yield ""


def _caption(rounds: int, ours: str, compared: bool) -> str:
    if rounds == 1:
        spread = "One round."
    else:
        spread = f"Median (least to most) of {rounds} rounds, or of the first alone where there is no spread."
    if not compared:
        return spread
    return (
        f"{spread} The engines took turns, in every other round in the reversed order. The columns on the right: how "
        f"many times better {ours} is in the same round. It is called ahead or behind only if it is so in every round, "
        f"in the closest one by more than half of the median's lead, and never with fewer than {FEWEST_ROUNDS} rounds."
    )


def _crowd_caption(plan: Mapping[str, Any]) -> str:
    return (
        f"Crowd: {plan['crowd_conversations']} conversations of {plan['crowd_turns']} turns that arrive at random, "
        f"at most {plan['crowd_running']} at once, and one member who asks ten questions at once."
    )
