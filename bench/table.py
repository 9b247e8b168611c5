"""What was measured, beside its reference of the same run, and whether that is good enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

GOAL = re.compile(r"(≥|≤|=) (\d+(?:\.\d+)?)(×?)")
COLUMNS = ("", "measured", "", "reference", "", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal`: "≥ 0.6×" of the ratio to the baseline, "≤ 1010" of the value itself, empty where there is none.

    `value` None: it was not measured here, and `note` tells why.
    """

    name: str
    value: float | None
    unit: str = ""
    baseline_name: str = ""
    baseline_value: float | None = None
    goal: str = ""
    note: str = ""
    bench: str = ""

    def __post_init__(self) -> None:
        if self.goal and not GOAL.fullmatch(self.goal):
            raise ValueError(f"{self.goal!r} is no goal: ≥, ≤ or =, a number, × where the ratio is meant")

    @property
    def ratio(self) -> float | None:
        return None if self.value is None or not self.baseline_value else self.value / self.baseline_value

    @property
    def verdict(self) -> str:
        """met, missed, not measured; empty where there is no goal."""
        if self.value is None:
            return "not measured"
        found = GOAL.fullmatch(self.goal)
        if not found:
            return ""
        sign, limit, is_ratio = found[1], float(found[2]), bool(found[3])
        told = self.ratio if is_ratio else self.value
        if told is None:
            return "not measured"
        is_met = {"≥": told >= limit, "≤": told <= limit, "=": told == limit}[sign]
        return "met" if is_met else "missed"


def number(value: float | None) -> str:
    """Three figures that count; whole where it is large."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def cells(figure: Figure) -> list[str]:
    ratio = "" if figure.ratio is None else f"{number(figure.ratio)}×"
    baseline = "" if figure.baseline_value is None else number(figure.baseline_value)
    verdict = " – ".join(filter(None, [figure.verdict, figure.note]))
    return [figure.name, number(figure.value), figure.unit, baseline, figure.baseline_name, ratio, figure.goal, verdict]


def shown(figures: Iterable[Figure]) -> str:
    """For a terminal."""
    rows = [list(COLUMNS), *map(cells, figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    right = (1, 3, 5)
    lines = []
    for row in rows:
        padded = [
            cell.rjust(w) if place in right else cell.ljust(w)
            for place, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def as_json(facts: dict[str, Any], figures: Sequence[Figure]) -> str:
    """`of`: the figure that a name with `…` goes on from."""
    told, of = [], ""
    for each in figures:
        of = each.name if not each.name.startswith("…") else of
        told.append(asdict(each) | {"of": of, "ratio": each.ratio, "verdict": each.verdict})
    return json.dumps({"machine": facts, "figures": told}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[dict[str, Any], list[Figure]]:
    told = json.loads(text)
    derived = ("of", "ratio", "verdict")
    figures = [Figure(**{k: v for k, v in each.items() if k not in derived}) for each in told["figures"]]
    return told["machine"], figures


# --- Markdown --------------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- figures: written by script/bench --markdown -->", "<!-- figures end -->"


def as_markdown(facts: dict[str, Any], figures: Iterable[Figure]) -> str:
    told = "; ".join(f"{name} {value}" for name, value in facts.items())
    rows = ["| what | measured | reference | ratio | goal | |", "|---|---:|---:|---:|---|---|"]
    for name, value, unit, baseline, baseline_name, ratio, goal, verdict in map(cells, figures):
        reference = f"{baseline} {baseline_name}".strip()
        line = " | ".join(
            each.replace("|", "/") for each in (name, f"{value} {unit}".strip(), reference, ratio, goal, verdict)
        )
        rows.append(f"| {line} |")
    return "\n".join([f"{told}.", "", *rows])


def write_markdown(path: Path, facts: dict[str, Any], figures: Iterable[Figure]) -> None:
    """Between the two marks of the file. Raises ValueError where they are not."""
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise ValueError(f"{path} has no place for figures: the lines {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{as_markdown(facts, figures)}\n\n{END}{rest.partition(END)[2]}")
