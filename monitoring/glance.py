"""Staff's first page, the campsite at a glance: what is wrong, how the areas are, who comes, what is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import today
from bookings.today import Today
from meters import clock, commands, online, site, usage
from meters.models import Area, AreaState, Meter
from meters.site import Compared, Load
from meters.usage import Use
from monitoring import incidents, looks, maintenance, untold, words
from monitoring.checks import ourselves
from monitoring.findings import Finding, Severity
from monitoring.models import Incident

MOST_SHOWN = 5
BAR_STEP, BAR_WIDTH, BAR_ROOM = 10, 8, 40


class Colour(StrEnum):
    """Of an area's light."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


SIGNS = {Colour.GREEN: "check_circle", Colour.AMBER: "error", Colour.RED: "cancel", Colour.GREY: "help"}
"""Not by the colour alone."""


@dataclass(frozen=True, slots=True)
class Light:
    area: Area
    colour: Colour
    says: str | Promise
    online: int
    meters: int

    @property
    def sign(self) -> str:
        return SIGNS[self.colour]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something open. `incident`: None where nobody has written it down yet, as those who would are away themselves."""

    code: str
    severity: Severity
    what: str
    todo: str
    since: datetime | None
    incident: Incident | None = None
    untold: Sequence[str] = ()
    """Why nobody is told of it just now."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Mean load of an hour; `height` None: nothing is known of it."""

    use: Use
    x: int
    height: int | None

    @property
    def y(self) -> int:
        return BAR_ROOM - (self.height or 0)


@dataclass(frozen=True, slots=True)
class Glance:
    """`troubles`, `today`: None for those who may not see them. `looked_at`: when somebody last looked whether all is
    well; None: never. `is_known`: no trouble means that all is well.
    """

    troubles: list[Trouble] | None
    looked_at: datetime | None
    is_looked_at: bool
    is_known: bool
    lights: list[Light]
    stop: Any
    otherwise: int
    load: Load
    compared: Compared | None
    bars: list[Bar]
    today: Today | None

    @property
    def shown(self) -> list[Trouble]:
        return (self.troubles or [])[:MOST_SHOWN]

    @property
    def more(self) -> int:
        return len(self.troubles or []) - len(self.shown)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the theme asks for at the first page (settings.UNFOLD)."""
    now = timezone.now()
    return context | {"now": now, "glance": glance(request.user, now)}  # type: ignore[arg-type]  # staff are logged in


def glance(user: User, now: datetime) -> Glance:
    """In a constant number of queries."""
    link, found = online.link(now), list(site.meters())
    statuses = {meter.pk: online.status(meter, link, now) for meter in found}
    troubles, ids = _troubles(now), [meter.pk for meter in found]
    until, looked_at = site.counted_until(found, statuses, now), looks.last_at()
    is_known = looks.is_known(now)
    return Glance(
        troubles=troubles if user.has_perm("monitoring.view_incident") else None,
        looked_at=looked_at,
        is_looked_at=looked_at is not None and now - looked_at < looks.LONGEST_BREAK,
        is_known=is_known,
        lights=_lights(found, statuses, link, troubles, is_known),
        stop=commands.stop.current(),
        otherwise=site.otherwise(found, statuses, now),
        load=site.load(found, statuses, now),
        compared=site.compared(ids, until) if until else None,
        bars=_bars(ids, until) if until else [],
        today=today.on(clock.day_of(now)) if user.has_perm("bookings.view_stay") else None,
    )


# --- inside ----------------------------------------------------------------------------------------------------------


def _troubles(now: datetime) -> list[Trouble]:
    """What is open; and of the two that all else hangs on, what is seen just now: nobody else might write it down."""
    opened = incidents.open_now()
    known = {incident.key for incident in opened}
    seen = [*ourselves.worker(now), *ourselves.background_jobs(now)]
    windows = maintenance.ongoing(now) if opened else []
    unwritten = (_seen(each) for each in seen if each.key not in known)
    return [*unwritten, *(_open(each, untold.reasons(each, windows, now)) for each in opened)]


def _seen(finding: Finding) -> Trouble:
    what, todo = (say(finding.code, finding.facts) for say in (words.what, words.todo))
    return Trouble(finding.code, finding.severity, what, todo, finding.since)


def _open(incident: Incident, reasons: Sequence[str]) -> Trouble:
    severity = Severity(incident.severity)
    return Trouble(incident.code, severity, incident.what, incident.todo, incident.since, incident, reasons)


def _lights(
    found: Iterable[Meter],
    statuses: Mapping[int, online.Online],
    link: online.Link,
    troubles: Iterable[Trouble],
    is_known: bool,
) -> list[Light]:
    counts: dict[int, Counter[online.Status]] = {}
    for meter in found:
        counts.setdefault(meter.device.area_id or 0, Counter())[statuses[meter.pk].status] += 1
    worst = {each.incident.area_id: each.severity for each in reversed(list(troubles)) if each.incident}
    areas = Area.objects.all()
    return [_light(area, counts.get(area.pk, Counter()), link, worst.get(area.pk), is_known) for area in areas]


def _light(
    area: Area, count: Counter[online.Status], link: online.Link, worst: Severity | None, is_known: bool
) -> Light:
    colour, says = _judge(area, count, link.bridge(area.pk), worst)
    if colour is Colour.GREEN and not is_known:
        colour, says = Colour.GREY, _("nobody has looked just now whether all is well")
    return Light(area, colour, says, count[online.Status.ONLINE], count.total())


def _judge(
    area: Area, count: Counter[online.Status], bridge: str, worst: Severity | None
) -> tuple[Colour, str | Promise]:
    if not area.in_service:
        return Colour.GREY, _("not in service")
    if bridge == AreaState.Bridge.OFFLINE:
        return Colour.RED, _("Zigbee2MQTT is not running")
    if bridge != AreaState.Bridge.ONLINE:
        return Colour.GREY, _("nothing is known: nobody hears it")
    if worst is Severity.CRITICAL:
        return Colour.RED, _("an incident is open")
    if worst is Severity.WARNING:
        return Colour.AMBER, _("an incident is open")
    if count[online.Status.OFFLINE]:
        return Colour.AMBER, _("some meters are not heard")
    if count[online.Status.UNKNOWN]:
        return Colour.GREY, _("some meters have not been heard yet")
    return Colour.GREEN, _("an incident is open") if worst else _("all is well")


def _bars(meter_ids: Collection[int], until: datetime) -> list[Bar]:
    hours = usage.by_hour(meter_ids, until - 24 * usage.HOUR, until)
    top = max((each.energy_kwh for each in hours if each.energy_kwh is not None), default=Decimal(0)) or Decimal(1)
    return [Bar(each, index * BAR_STEP, _height(each.energy_kwh, top)) for index, each in enumerate(hours)]


def _height(kwh: Decimal | None, top: Decimal) -> int | None:
    """A little use is seen, too."""
    return None if kwh is None else max(1, round(kwh / top * BAR_ROOM))
