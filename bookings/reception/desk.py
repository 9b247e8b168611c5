"""What reception's first page tells: what guests reported, what must be solved, who comes and who leaves today. Reads
only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import QuerySet

from bookings import accounts, departures, problems, rooms, stays
from bookings.departures import Account, Departure, Sure
from bookings.models import PackageNotice, Stay
from bookings.problems import Kind, Problem
from bookings.reception import reports
from bookings.reception.reports import Reports
from meters import clock
from meters.models import Pitch, Want

URGENT = (Kind.DARK, Kind.NO_METER, Kind.SILENT, Kind.OPEN_LINE, Kind.OVERDUE)
FOR_ALL = (Want.Hold.OBSERVE, Want.Hold.STOPPED)
"""Why nothing is switched, where one act of a person ends that for all meters concerned."""
FEW = 3
"""So many troubles that one act ends stand one by one; more fill one line together."""
VARIANTS = {Kind.DARK: "danger", Kind.NO_METER: "danger", Kind.SILENT: "warning", Kind.OVERDUE: "warning"}
SURE = {Sure.RUNNING: "info", Sure.READ: "success", Sure.ESTIMATED: "warning", Sure.UNKNOWN: ""}
ACCOUNT = {
    Account.NO_TARIFF: "danger",
    Account.NOTHING: "",
    Account.DUE: "warning",
    Account.CHANGED: "danger",
    Account.CHARGED: "success",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem with its colour."""

    problem: Problem
    variant: str

    @property
    def act(self) -> str:
        """What a person does once for all meters concerned, and this ends; "": nothing such."""
        return f"{self.problem.kind}-{self.problem.hold}" if self.problem.hold in FOR_ALL else ""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A stay without a certain pitch. `suggested`: the pitch that its room's name speaks of."""

    stay: Stay
    suggested: Pitch | None

    @property
    def is_of_room(self) -> bool:
        """Whether it is solved by saying once which pitch the room is."""
        return self.stay.unclear == Stay.Unclear.UNKNOWN_ROOM and self.stay.room is not None

    @property
    def is_placed_by_hand(self) -> bool:
        return self.stay.unclear == Stay.Unclear.NO_ROOM


@dataclass(frozen=True, slots=True)
class Leaving:
    """A departure with its colours."""

    departure: Departure
    sure_variant: str
    account_variant: str

    @property
    def may_be_charged(self) -> bool:
        return self.departure.account in (Account.DUE, Account.CHANGED)


@dataclass(frozen=True, slots=True)
class Desk:
    """All of the first page. `alike`: each the troubles that one act of a person ends, where these are many."""

    reports: Reports
    troubles: list[Trouble]
    alike: list[list[Trouble]]
    lit: list[Trouble]
    unclear: list[Unclear]
    notices: list[PackageNotice]
    arrivals: list[Stay]
    departures: list[Leaving]
    pitches: list[Pitch]

    @property
    def trouble_count(self) -> int:
        return len(self.troubles) + sum(map(len, self.alike))

    @property
    def is_all_well(self) -> bool:
        return not (self.reports.shown or self.trouble_count or self.unclear or self.notices)


def desk(now: datetime) -> Desk:
    """Everything that the first page shows, in a constant number of queries."""
    today = clock.day_of(now)
    found = [Trouble(each, VARIANTS.get(each.kind, "")) for each in problems.find(now)]
    urgent = [each for each in found if each.problem.kind in URGENT]
    counts = Counter(each.act for each in urgent)
    pitches = list(Pitch.objects.all())
    return Desk(
        reports=reports.still_open(),
        troubles=[each for each in urgent if not each.act or counts[each.act] <= FEW],
        alike=[[each for each in urgent if each.act == act] for act in counts if act and counts[act] > FEW],
        lit=[each for each in found if each.problem.kind not in URGENT],
        unclear=[Unclear(stay, _suggested(stay, pitches)) for stay in stays.to_sort_out(now)],
        notices=list(accounts.untold(now)),
        arrivals=list(arrivals(today)),
        departures=leaving(today),
        pitches=pitches,
    )


def arrivals(day: date) -> QuerySet[Stay]:
    """Who comes on this day, those who are not here yet first."""
    found = Stay.objects.filter(arrival=day, status__in=Stay.PRESENT, position__isnull=False)
    return found.select_related("booking__guest", "pitch", "room").order_by("status", "pitch__number", "pk")


def leaving(day: date) -> list[Leaving]:
    """Who leaves on this day."""
    return [Leaving(each, SURE[each.sure], ACCOUNT[each.account]) for each in departures.on(day)]


# --- inside ----------------------------------------------------------------------------------------------------------


def _suggested(stay: Stay, pitches: Iterable[Pitch]) -> Pitch | None:
    """The one pitch whose number stands as a word in the name of the room."""
    words = {rooms.plain(word) for word in re.split(r"[^\w,.-]+", stay.room.name if stay.room else "")} - {""}
    found = [pitch for pitch in pitches if rooms.names(pitch) & words]
    return found[0] if len(found) == 1 else None
