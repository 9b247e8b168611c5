"""What the worker is told through the database, once the present transaction commits."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection

CHANGED = "meters_changed"
COMMANDS = "meters_commands"
NEWS = "meters_news"
MOST_NAMED = 1000
"""A notification holds 8000 bytes; for more meters than this it names none, which means all."""
MOST_PASSED = 700
"""Of one notification, with the words around them; more go in several."""


def touch() -> None:
    """Staff changed something that boards show: areas, pitches, cards."""
    _notify(CHANGED, "")


def wake(meter_ids: Iterable[int] = ()) -> None:
    """Wants or commands of these meters changed, or there is a request to send."""
    named = sorted(set(meter_ids))
    _notify(COMMANDS, ",".join(map(str, named)) if len(named) <= MOST_NAMED else "")


@dataclass
class News:
    """What browsers must hear of: meters and areas (ids), whether anything was switched, or everything."""

    meters: set[int] = field(default_factory=set)
    areas: set[int] = field(default_factory=set)
    switching: bool = False
    everything: bool = False

    def __ior__(self, other: News) -> News:
        self.meters |= other.meters
        self.areas |= other.areas
        self.switching |= other.switching
        self.everything |= other.everything
        return self


def pass_on(news: News) -> None:
    """To the worker that tells the browsers, from one that does not. Who hears nothing of it tells everything soon."""
    for payload in payloads(news):
        _notify(NEWS, payload)


def payloads(news: News) -> list[str]:
    """The notifications that it takes."""
    meters, areas = sorted(news.meters), sorted(news.areas)
    if news.everything or len(areas) > MOST_PASSED:
        return [json.dumps({"everything": True})]
    first = [json.dumps({"areas": areas, "switching": news.switching})] if areas or news.switching else []
    starts = range(0, len(meters), MOST_PASSED)
    return first + [json.dumps({"meters": meters[start : start + MOST_PASSED]}) for start in starts]


def understood(payload: str) -> News:
    """What one of `payloads` says; everything, where it is none of them: anybody may notify in this database."""
    try:
        told = json.loads(payload)
        sets = {name: {int(each) for each in told.get(name, ())} for name in ("meters", "areas")}
        return News(**sets, switching=bool(told.get("switching")), everything=bool(told.get("everything")))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return News(everything=True)


def _notify(channel: str, payload: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])
