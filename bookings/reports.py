"""What guests report to be wrong with their power, until staff have solved it. The only module that writes
ProblemReport.

With each is kept what was known of the guest's outlets at that moment: whoever looks later sees what was, not what is.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count as Counted
from django.db.models import F, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import links
from bookings.models import Booking, ProblemReport, Stay
from meters import commands, online, overview
from meters.models import Command, Meter, MeterState, Want

Kind = ProblemReport.Kind
LONGEST = 1000
LONGEST_NOTE = 250
SAME = timedelta(minutes=10)
"""Within this time the same words once more are a second press of the button."""
OPEN_FIRST = (F("solved_at").desc(nulls_first=True), "-made_at", "-pk")


class ReportError(Exception):
    """`code` is for machines, the text is for staff; guests have words of their own."""

    code = "report"

    def __init__(self, message: str | Promise = "") -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


class NotOpen(ReportError):
    """The guest's page is not open (any more)."""

    code = "not_open"


class UnknownKind(ReportError):
    code = "unknown_kind"


class NeedsText(ReportError):
    """Something else was said to be wrong, and not what."""

    code = "needs_text"


class TooLong(ReportError):
    code = "too_long"


class NotItsOutlet(ReportError):
    """The stay does not have this meter now."""

    code = "not_its_outlet"


class AlreadySolved(ReportError):
    code = "already_solved"


class Count(NamedTuple):
    """How many reports there are, and how many of them are solved."""

    all: int
    solved: int


NONE = Count(0, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """An outlet as it was known when its guest reported, in plain values: times in ISO 8601, kWh as text. `online` and
    `reason`: of meters.online; `wanted`, `source`, `why` and `hold`: of the want in force; `command…`: of the newest.
    """

    outlet: str
    serial: str
    relay: bool | None
    relay_at: str | None
    power_w: int | None
    power_at: str | None
    counter_kwh: str | None
    counter_at: str | None
    heard_at: str | None
    online: str
    reason: str
    wanted: bool | None
    source: str
    why: str
    hold: str
    command: bool | None
    command_at: str | None
    command_status: str
    command_failure: str


def report(
    stay: Stay, kind: str, text: str, meter_id: int | None, now: datetime, language: str = "en"
) -> ProblemReport:
    """The guests of this stay say that something is wrong, with this outlet of theirs (None: they do not say which; of
    a single one it is that). Pressed twice, it is the report of the first time.

    Raises NotOpen, UnknownKind, NeedsText, TooLong or NotItsOutlet.
    """
    text = _read(kind, text)
    with transaction.atomic():
        stay = Stay.objects.select_for_update(no_key=True).get(pk=stay.pk)
        if not links.is_open(stay, now):
            raise NotOpen
        meters = outlets(stay, now)
        meter = _of(meters, meter_id)
        told = ProblemReport.objects.filter(stay=stay, kind=kind, text=text, meter=meter, solved_at=None)
        if same := told.filter(made_at__gt=now - SAME).first():
            return same
        state = [asdict(each) for each in known(meters, now)]
        made = ProblemReport.objects.create(
            stay=stay, meter=meter, kind=kind, text=text, language=language, made_at=now, state=state
        )
        _note(stay, {"problem": ["None", f"{made.pk} {kind}"]}, None)
    return made


def solve(report: ProblemReport, by: User | None, note: str, now: datetime) -> None:
    """It is solved; `note` is for staff alone. Raises AlreadySolved where somebody was faster."""
    said = {"solved_at": now, "solved_by": by, "note": " ".join(note.split())[:LONGEST_NOTE]}
    with transaction.atomic():
        if not ProblemReport.objects.filter(pk=report.pk, solved_at=None).update(**said):
            raise AlreadySolved(_("Somebody has noted this as solved already."))
        _note(report.stay, {"problem solved": ["None", f"{report.pk} {report.kind}"]}, by)


def erase(bookings: Collection[Booking] | QuerySet[Booking]) -> None:
    """Forget what the guests of these bookings wrote, and what staff noted; what was known of the outlets stays."""
    written = ProblemReport.objects.filter(stay__booking__in=bookings).filter(~Q(text="") | ~Q(note=""))
    written.update(text="", note="")


# --- what is read ----------------------------------------------------------------------------------------------------


def open_reports() -> QuerySet[ProblemReport]:
    """What is still to be solved, who has waited longest first; with guests, pitches and outlets."""
    return _with_guests().filter(solved_at=None).order_by("made_at", "pk")


def of_booking(booking: Booking) -> QuerySet[ProblemReport]:
    """All of a booking, the open ones first, the newest before the older."""
    found = _with_guests().filter(stay__booking=booking).select_related("solved_by")
    return found.order_by(*OPEN_FIRST)


def of_stay(stay: Stay) -> QuerySet[ProblemReport]:
    """All of a stay, in the same order; one query."""
    return ProblemReport.objects.filter(stay=stay).order_by(*OPEN_FIRST)


def counts(stay_ids: Collection[int]) -> dict[int, Count]:
    """Of these stays (by id) that have any; one query."""
    found = ProblemReport.objects.filter(stay__in=stay_ids).order_by().values_list("stay")
    return {
        stay: Count(all_of_it, solved)
        for stay, all_of_it, solved in found.annotate(Counted("pk"), Counted("solved_at"))
    }


def outlets(stay: Stay, now: datetime) -> list[Meter]:
    """The meters that serve this stay now."""
    return list(overview.meters(now).filter(pk__in=stay.lines.filter(period__upper_inf=True).values("meter")))


def known(meters: Collection[Meter], now: datetime) -> list[Known]:
    """What is known of these meters now."""
    ids = [meter.pk for meter in meters]
    if not ids:
        return []
    link, wants = online.link(now), commands.in_force(ids, now)
    last = Command.objects.filter(meter__in=ids).order_by("meter_id", "-pk").distinct("meter_id")
    newest = {command.meter_id: command for command in last}
    return [_known(m, online.status(m, link, now), wants.get(m.pk), newest.get(m.pk)) for m in meters]


# --- inside ----------------------------------------------------------------------------------------------------------


def _read(kind: str, text: str) -> str:
    """The text without what cannot be seen; emoji and angle brackets are text."""
    if kind not in Kind.values:
        raise UnknownKind
    lines = text.replace("\r\n", "\n")
    clean = "".join(sign for sign in lines if sign == "\n" or unicodedata.category(sign) not in ("Cc", "Cs")).strip()
    if len(clean) > LONGEST:
        raise TooLong
    if kind == Kind.OTHER and not clean:
        raise NeedsText
    return clean


def _of(meters: Collection[Meter], meter_id: int | None) -> Meter | None:
    if meter_id is None:
        return next(iter(meters)) if len(meters) == 1 else None
    for meter in meters:
        if meter.pk == meter_id:
            return meter
    raise NotItsOutlet


def _known(meter: Meter, is_online: online.Online, want: Want | None, last: Command | None) -> Known:
    state = MeterState.of(meter)
    return Known(
        outlet=str(meter),
        serial=meter.device.ieee_address,
        relay=state.relay,
        relay_at=_iso(state.relay_at),
        power_w=state.power_w,
        power_at=_iso(state.power_at),
        counter_kwh=None if state.counter_kwh is None else str(state.counter_kwh),
        counter_at=_iso(state.counter_at),
        heard_at=_iso(state.heard_at),
        online=is_online.status.value,
        reason=is_online.reason,
        wanted=want.state if want else None,
        source=want.source if want else "",
        why=want.reason if want else "",
        hold=want.hold if want else "",
        command=last.state if last else None,
        command_at=_iso(last.created_at if last else None),
        command_status=last.status if last else "",
        command_failure=last.failure if last else "",
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _with_guests() -> QuerySet[ProblemReport]:
    return ProblemReport.objects.select_related("stay__booking__guest", "stay__pitch", "meter__device")


def _note(stay: Stay, changes: dict[str, list[str]], by: User | None) -> None:
    """Never the guest's words, nor staff's: they are to be forgotten."""
    LogEntry.objects.log_create(stay, action=LogEntry.Action.UPDATE, changes=changes, actor=by)
