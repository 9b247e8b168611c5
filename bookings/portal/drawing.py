"""A chart as the template draws it: places as SVG has them, words as the language has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext

from bookings.portal import local
from bookings.portal.charts import Bar, Chart

BARS_HIGH = 84
"""In parts of a hundred of the drawing; below stand the words."""
WORDS_OF_DAYS = 7
"""So many words fit below the days."""


@dataclass(frozen=True, slots=True)
class Column:
    """A bar, and what stands in the table; `x` is its left edge."""

    x: str
    width: str
    y: str
    height: str
    name: str
    kwh: str


@dataclass(frozen=True, slots=True)
class Word:
    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """`sum_up`: what the chart shows, in a sentence; `top`: the kWh of its upper edge."""

    columns: tuple[Column, ...]
    words: tuple[Word, ...]
    top: str
    sum_up: str
    is_used: bool


def hours(chart: Chart) -> Drawing:
    """Words at midnight (the day) and at noon."""
    at = [(bar, local.at_campsite(bar.start)) for bar in chart.bars]
    words = [(bar, local.day(when) if when.hour == 0 else local.clock(when)) for bar, when in at if when.hour % 12 == 0]
    return _drawing(chart, words, _names([when for _bar, when in at]))


def days(chart: Chart) -> Drawing:
    """Words below each so many days, the last among them."""
    step = -(-len(chart.bars) // WORDS_OF_DAYS)
    words = [(bar, local.day(bar.start)) for bar in chart.bars[::-step]]
    return _drawing(chart, words, [local.day(bar.start, weekday=True) for bar in chart.bars])


# --- inside ----------------------------------------------------------------------------------------------------------


def _names(hours: Sequence[datetime]) -> list[str]:
    """Day and time of day; where summer time ends, the two hours of one name tell which they are."""
    names = [f"{local.day(when, weekday=True)} {local.clock(when)}" for when in hours]
    return [
        f"{name} ({when.tzname()})" if names.count(name) > 1 else name for name, when in zip(names, hours, strict=True)
    ]


def _drawing(chart: Chart, words: Sequence[tuple[Bar, str]], names: Sequence[str]) -> Drawing:
    columns = tuple(
        Column(
            x=_percent(bar.left),
            width=_percent(bar.width),
            y=_percent(bar.top * BARS_HIGH / 100),
            height=_percent(bar.height * BARS_HIGH / 100),
            name=name,
            kwh="" if bar.kwh is None else local.number(bar.kwh, 2),
        )
        for bar, name in zip(chart.bars, names, strict=True)
    )
    placed = tuple(Word(_percent(min(max(bar.left + bar.width / 2, 6), 94)), text) for bar, text in words)
    return Drawing(columns, placed, _top(chart), _sum_up(chart, names), chart.most is not None)


def _top(chart: Chart) -> str:
    return local.number(chart.top_kwh, 0 if chart.top_kwh >= 1 else 1)


def _sum_up(chart: Chart, names: Sequence[str]) -> str:
    most = chart.most
    if not chart.is_known:
        return gettext("Not known yet")
    if most is None:
        return gettext("Nothing was used in this time.")
    return gettext("Together %(total)s kWh; the most, %(most)s kWh: %(when)s.") % {
        "total": local.number(chart.total_kwh, 1),
        "most": local.number(most.kwh or 0, 2),
        "when": names[chart.bars.index(most)].removesuffix("."),
    }


def _percent(value: float) -> str:
    return f"{value:.2f}%"
