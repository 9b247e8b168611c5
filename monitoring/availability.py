"""How much of a month each area and each part of the site did its work, was away, or was not seen.

Away is what incidents say of it, from when it began until it was last found. Well is only what somebody saw meanwhile:
the looks each minute, and the worker that listened; each witnesses for the other. The rest is unknown. What was away in
a maintenance window was planned, and counts neither way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from meters import online
from meters.models import Area, Watch
from monitoring import components, maintenance, periods
from monitoring.components import Component
from monitoring.looks import LONGEST_BREAK
from monitoring.models import Incident, Look, MaintenanceWindow
from monitoring.periods import Period

FULL = 10_000


@dataclass(frozen=True, slots=True)
class Availability:
    """Of one area (else of one part) in a time: each moment of it is one of the four."""

    area: Area | None
    component: Component
    up: timedelta
    down: timedelta
    planned: timedelta
    unknown: timedelta
    outages: int
    longest: timedelta

    @property
    def name(self) -> str:
        return str(self.area or self.component.label)

    @property
    def percent(self) -> float | None:
        """Of the time that is known and was not planned. Never rounded up: 100 is without a second away. None: nothing
        is known.
        """
        known = self.up + self.down
        return (self.up * FULL // known) / (FULL / 100) if known else None


def between(since: datetime, until: datetime, now: datetime) -> list[Availability]:
    """Of all areas that were or are in service, and of all parts. Five queries."""
    until = min(until, now)
    looks, listened = _looks(since, until, now), _listened(since, until, now)
    codes = set().union(*components.DOWN.values())
    of_it = Incident.objects.filter(opened_at__isnull=False, since__lt=until, found_at__gt=since, code__in=codes)
    incidents = list(of_it)
    windows = list(MaintenanceWindow.objects.filter(from_at__lt=until, to_at__gt=since))

    def of(area: Area | None, component: Component) -> Availability:
        area_id = area.pk if area else None
        seen, away = looks.get(area_id, []), _away(incidents, area_id, component)
        if area:  # what was wrong before the area was in service is nobody's
            away = periods.common(away, [(seen[0][0], until)] if seen else [])
        elif component == Component.WORKER:
            seen = periods.joined([*seen, *listened])
        elif component == Component.BROKER:
            seen = listened
        elif component == Component.JOBS:  # the worker went on, and nobody looked
            away += [each for each in periods.without(listened, seen) if each[1] - each[0] > LONGEST_BREAK]
        planned = [(each.from_at, each.to_at) for each in windows if maintenance.covers(each, area_id, component)]
        return _counted(area, component, (since, until), seen, away, planned)

    areas = [area for area in Area.objects.all() if area.in_service or area.pk in looks]
    parts = [component for component in components.DOWN if component != Component.NETWORKS]
    return [*(of(area, Component.NETWORKS) for area in areas), *(of(None, component) for component in parts)]


def _counted(
    area: Area | None,
    component: Component,
    whole: Period,
    seen: Iterable[Period],
    away: Iterable[Period],
    planned: Iterable[Period],
) -> Availability:
    away = periods.common(away, [whole])
    expected = periods.common(away, planned)
    down, up = periods.without(away, expected), periods.without(seen, away)
    known = periods.length(down) + periods.length(up) + periods.length(expected)
    return Availability(
        area=area,
        component=component,
        up=periods.length(up),
        down=periods.length(down),
        planned=periods.length(expected),
        unknown=whole[1] - whole[0] - known,
        outages=len(down),
        longest=max((until - since for since, until in down), default=timedelta()),
    )


def _away(incidents: Iterable[Incident], area_id: int | None, component: Component) -> list[Period]:
    codes = components.DOWN[component]
    theirs = (each for each in incidents if each.code in codes and (each.area_id == area_id or not area_id))
    return [(each.since, each.found_at) for each in theirs]


def _looks(since: datetime, until: datetime, now: datetime) -> dict[int | None, list[Period]]:
    """When the site (None) was looked at, and when an area (by id) was seen. The last look still counts."""
    told: dict[int | None, list[Period]] = {}
    for area, begin, end in Look.objects.filter(until__gt=since, since__lt=until).values_list("area", "since", "until"):
        told.setdefault(area, []).append((begin, now if now - end < LONGEST_BREAK else end))
    return {area: periods.common(found, [(since, until)]) for area, found in told.items()}


def _listened(since: datetime, until: datetime, now: datetime) -> list[Period]:
    found = Watch.objects.filter(until__gt=since, since__lt=until).values_list("since", "until")
    reached = ((begin, now if now - end < online.WORKER_SILENCE else end) for begin, end in found)
    return periods.common(reached, [(since, until)])
