"""What an export would change, and changing it: through the inbox, as if Sirvoy had told it when the file was made.

An export knows less than an event: extras, number plates and numbers of adults that are known stay, and its event is
silent of what the file does not say. It never checks anybody out, never takes back a check-in, and never rules over a
newer event. What it says against a guest who is here, or of one who is to have left, is left to staff.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings import inbox
from bookings.csv_import.bodies import FLAGS, Body, changes, known_body, merged, told_flags
from bookings.csv_import.rows import BadRow, Export, NotAnExport, Row
from bookings.models import Booking, Room, Stay, WebhookEvent

CLOCK_SLACK = timedelta(minutes=2)
AT_ONCE = 1000


class What(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    OLDER = "older"
    HELD = "held"

    @property
    def words(self) -> Promise:
        return WORDS[self]


WORDS: dict[What, Promise] = {
    What.NEW: _("new"),
    What.CHANGED: _("changed"),
    What.UNCHANGED: _("unchanged"),
    What.OLDER: _("older than what is known"),
    What.HELD: _("left to you"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """A field of the booking, as Sirvoy's webhook names it, before and after."""

    field: str
    before: str
    after: str

    @property
    def words(self) -> str | Promise:
        return FIELDS.get(self.field, self.field)

    @property
    def is_news(self) -> bool:
        """Not merely that a new booking is not cancelled, and the like."""
        return bool(self.before) or self.after not in ("", "no")


FIELDS: dict[str, Promise] = {
    "arrivalDate": _("arrival"),
    "departureDate": _("departure"),
    "bookingSource": _("booked through"),
    "cancelled": _("cancelled"),
    "bookingIsConfirmed": _("confirmed"),
    "bookingIsCheckedIn": _("checked in"),
    "bookingIsCheckedOut": _("checked out"),
    "totalAdults": _("adults"),
    "rooms": _("pitches"),
    "guest.firstName": _("first name"),
    "guest.lastName": _("last name"),
    "guest.businessName": _("company"),
    "guest.country": _("country"),
    "guest.phone": _("phone"),
    "guest.email": _("e-mail"),
    "guest.language": _("language"),
    "guest.message": _("message"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to happen to one booking. `event` is what came of it."""

    sirvoy_id: int
    lines: tuple[int, ...]
    what: What
    changes: tuple[Change, ...] = ()
    reason: str | Promise = ""
    body: Body | None = None
    event: WebhookEvent | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    entries: tuple[Entry, ...]
    bad: tuple[BadRow, ...]
    ignored: tuple[str, ...]

    def of(self, *what: What) -> list[Entry]:
        return [entry for entry in self.entries if entry.what in what]

    @property
    def failed(self) -> list[Entry]:
        """Stored, but not applied; the events say why."""
        return [each for each in self.entries if each.event and each.event.status == WebhookEvent.Status.FAILED]


def compare(export: Export, exported_at: datetime, now: datetime) -> Plan:
    """What bringing in an export that was made at `exported_at` would change. Changes nothing. Raises NotAnExport."""
    if exported_at > now + CLOCK_SLACK:
        raise NotAnExport(_("The export cannot have been made in the future."))
    by_booking: dict[int, list[Row]] = defaultdict(list)
    for row in export.rows:
        by_booking[row.booking].append(row)
    known = _known(by_booking)
    room_ids = _room_ids()
    spoiled = {row.booking for row in export.bad}
    entries = [
        _entry(rows, known.get(number), exported_at, room_ids, number in spoiled) for number, rows in by_booking.items()
    ]
    return Plan(tuple(entries), export.bad, export.ignored)


def apply(export: Export, exported_at: datetime, by: User | None, now: datetime) -> Plan:
    """Bring in what is new or changed, each booking as an event; the plan tells what came of it. Raises NotAnExport.

    Once more changes nothing.
    """
    plan = compare(export, exported_at, now)
    done = [_bring_in(entry, by, now) if entry.body else entry for entry in plan.entries]
    return replace(plan, entries=tuple(done))


# --- inside ----------------------------------------------------------------------------------------------------------


def _known(numbers: Iterable[int]) -> dict[int, Booking]:
    here = Stay.objects.filter(booking=OuterRef("pk"), status=Stay.Status.IN_HOUSE)
    coming = Stay.objects.filter(booking=OuterRef("pk"), status=Stay.Status.EXPECTED, position__isnull=False)
    found = Booking.objects.annotate(is_here=Exists(here), is_coming=Exists(coming)).select_related("guest")
    wanted = list(numbers)
    known: dict[int, Booking] = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = found.filter(sirvoy_id__in=wanted[start : start + AT_ONCE])
        known |= {booking.sirvoy_id: booking for booking in some}
    return known


def _room_ids() -> dict[str, int]:
    """Sirvoy's number of each room, where only one has the name."""
    once = Room.objects.values("name").annotate(times=Count("pk")).filter(times=1).values("name")
    numbers = Room.objects.filter(name__in=once, sirvoy_id__isnull=False).values_list("name", "sirvoy_id")
    return {name: number for name, number in numbers if number is not None}


def _entry(
    rows: Sequence[Row], booking: Booking | None, exported_at: datetime, room_ids: Mapping[str, int], is_spoiled: bool
) -> Entry:
    number, lines = rows[0].booking, tuple(row.line for row in rows)
    if is_spoiled:
        return Entry(number, lines, What.HELD, reason=_("Another line of this booking cannot be read."))
    if booking and booking.generated_at > exported_at:
        return Entry(number, lines, What.OLDER)
    before = known_body(booking) if booking else None
    after = merged(before, rows, room_ids)
    found = tuple(Change(*each) for each in changes(before or {}, after))
    body = _stamped(after, exported_at, set(FLAGS) - told_flags(rows, is_known=before is not None).keys())
    remark = _left_undone(booking, after, rows)
    if before is None:
        return Entry(number, lines, What.NEW, found, remark, body)
    if booking and (reason := _against(booking, before, after, rows)):
        return Entry(number, lines, What.HELD, found, reason)
    if not found:
        return Entry(number, lines, What.HELD if remark else What.UNCHANGED, reason=remark)
    return Entry(number, lines, What.CHANGED, found, remark, body)


def _against(booking: Booking, before: Body, after: Body, rows: Sequence[Row]) -> Promise | None:
    """Why staff must decide: the export would send away somebody who is here."""
    if not getattr(booking, "is_here", False):
        return None
    if any(row.is_checked_out for row in rows):
        return _("Sirvoy says that this guest has left: check out on the page of reception.")
    if after["cancelled"] and not before["cancelled"]:
        return _("Sirvoy says that this booking is cancelled, and the guest is here.")
    stays_on = {_place(room): room["departureDate"] for room in after["rooms"]}
    for room in before["rooms"]:
        if (stays_on.get(_place(room)) or "") < (room["departureDate"] or ""):
            return _("The guest is here, and a room or a day of it is missing in the file.")
    return None


def _left_undone(booking: Booking | None, after: Body, rows: Sequence[Row]) -> Promise | str:
    """What the file says of a check-out, and is not done; "" where nothing is left to do."""
    is_left_undone = any(row.is_checked_out for row in rows) and not after["bookingIsCheckedOut"]
    if is_left_undone and (booking is None or getattr(booking, "is_coming", False)):
        return _(
            "The file says checked out, and a file checks nobody out. If the guest has left, change something of the "
            "booking in Sirvoy (then it tells us), or check out by hand."
        )
    return ""


def _place(room: Mapping[str, Any]) -> tuple[Any, Any]:
    return room["RoomName"], room["arrivalDate"]


OURS = ("isErased", "additionalItems")
"""What a file never tells: shown here as it is known."""


def _stamped(body: Body, exported_at: datetime, untold: Collection[str]) -> Body:
    """As an event of the export's time; what it does not tell, an event that comes late may still."""
    told = {name: value for name, value in body.items() if name not in OURS and name not in untold}
    return {"version": "import", "generatedAt": exported_at.isoformat(), "event": "modified"} | told


def _bring_in(entry: Entry, by: User | None, now: datetime) -> Entry:
    raw = json.dumps(entry.body, ensure_ascii=False).encode()
    event = inbox.store(None, raw, now, origin=WebhookEvent.Origin.IMPORT)
    changes = {"import": ["", f"booking {entry.sirvoy_id}"]}
    LogEntry.objects.log_create(event, action=LogEntry.Action.CREATE, changes=changes, actor=by)
    inbox.process(event.pk, now)
    event.refresh_from_db()
    return replace(entry, event=event)
