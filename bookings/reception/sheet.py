"""What a booking's page tells: its stays, their meters as they are now, the account and the ledger. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings import accounts, ledger, links
from bookings.accounts import Bill
from bookings.ledger import Measured, Used
from bookings.models import Booking, Correction, Guest, PackageSale, Stay, StayMeter
from bookings.power import follow
from bookings.power.policy import Decision
from bookings.reception import reports
from bookings.reception.reports import Shown
from meters import commands, online, overview
from meters.models import Installation, Meter, MeterState, Source, Want

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter of a stay, as it is now. `line`: its open line; None: it hangs on the pitch, but does not count for this
    stay. `decision`: what the bookings want of it, and why.
    """

    meter: Meter
    line: StayMeter | None
    online: online.Online
    state: MeterState
    decision: Decision | None
    want: Want | None
    waits_until: datetime | None = None
    """So long what is ordered now waits for it; None where it is online."""

    @property
    def relay(self) -> bool | None:
        return self.state.relay

    @property
    def is_switchable(self) -> bool:
        return commands.unswitchable(self.meter) is None

    @property
    def is_by_hand(self) -> bool:
        return self.want is not None and self.want.source == Source.STAFF

    @property
    def is_otherwise(self) -> bool:
        """Whether the relay is not as it is wanted."""
        return self.want is not None and self.relay is not self.want.state

    @property
    def silence(self) -> Text:
        """Why it is not online; empty where it is."""
        return "" if self.online.is_online else online.REASONS[self.online.reason]

    @property
    def obstacle(self) -> Text:
        """Why the relay is not as wanted, as far as it is known."""
        if self.want is None or not self.is_otherwise:
            return ""
        if self.want.hold:
            return Want.Hold(self.want.hold).label
        return _("it is being switched") if self.online.is_online else self.silence

    @property
    def why(self) -> Text:
        """Why the power is as it is wanted: a person's reason, or the policy's."""
        if self.want and self.want.source == Source.STAFF:
            who = self.want.by.get_username() if self.want.by else ""
            told = " · ".join(filter(None, (self.want.reason, who)))
            return format_lazy(_("by hand: {told}"), told=told) if told else _("by hand")
        if self.want and self.want.source == Source.GUEST:
            return _("the guest switched it off")
        return self.decision.words if self.decision else ""

    @property
    def until(self) -> datetime | None:
        """When that ends, as far as it is known."""
        if self.is_by_hand and self.want:
            return self.want.until
        return self.decision.until if self.decision else None


@dataclass(frozen=True, slots=True)
class Party:
    """A stay with all that belongs to it."""

    stay: Stay
    used: Used
    outlets: list[Outlet]
    lines: list[Measured]
    corrections: list[Correction]
    guest: str
    comment: str

    @property
    def is_here(self) -> bool:
        return self.stay.status == Stay.Status.IN_HOUSE

    @property
    def has_page(self) -> bool:
        """Whether the guest's page is open, or will be."""
        return self.is_present or links.is_open(self.stay, timezone.now())

    @property
    def is_present(self) -> bool:
        return self.stay.status in Stay.PRESENT

    @property
    def may_be_reopened(self) -> bool:
        return self.stay.left_by_hand_at is not None and not self.stay.booking.is_checked_out

    @property
    def is_moved_by_hand(self) -> bool:
        return self.stay.pitch_id != self.stay.booked_pitch_id and self.stay.booked_pitch_id is not None


@dataclass(frozen=True, slots=True)
class Extra:
    """What was bought in Sirvoy besides; `kwh` of them all, None where it is no package of electricity that we know."""

    text: str
    kwh: Decimal | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of a booking's page."""

    booking: Booking
    guest: Guest | None
    bill: Bill
    parties: list[Party]
    packages: list[PackageSale] = field(default_factory=list)
    extras: list[Extra] = field(default_factory=list)
    reports: list[Shown] = field(default_factory=list)


def sheet(booking: Booking, now: datetime) -> Sheet:
    """What the page of this booking shows, in a constant number of queries."""
    stays = list(booking.stays.select_related("pitch", "booked_pitch", "room", "link_mail").order_by("position", "pk"))
    for stay in stays:
        stay.booking = booking
    lines = StayMeter.objects.filter(stay__in=stays)
    lines = lines.select_related("start", "end", "booked_pitch", "meter__device", "pitch")
    measured = ledger.measure(lines.order_by("pk"))
    bill, used = accounts.bill_of(booking, stays, measured)
    outlets = _outlets(stays, measured, now)
    corrections = list(Correction.objects.filter(stay__in=stays).select_related("by"))
    guest = getattr(booking, "guest", None)
    parties = [_party(s, used, outlets, measured, corrections, guest) for s in stays if _is_shown(s, measured)]
    packages = list(booking.packages.select_related("by"))
    extras = [Extra(text, kwh) for text, kwh in accounts.extras(booking)]
    return Sheet(booking, guest, bill, parties, packages, extras, reports.of_booking(booking))


# --- inside ----------------------------------------------------------------------------------------------------------


def _is_shown(stay: Stay, measured: Iterable[Measured]) -> bool:
    """One that is no part of its booking any more only where something was used."""
    return stay.position is not None or any(each.line.stay_id == stay.pk for each in measured)


def _party(
    stay: Stay,
    used: Mapping[int, Used],
    outlets: Mapping[int, list[Outlet]],
    measured: Iterable[Measured],
    corrections: Iterable[Correction],
    guest: Guest | None,
) -> Party:
    told = guest.room_guests if guest and stay.position is not None else []
    of_room = told[stay.position] if stay.position is not None and stay.position < len(told) else {}
    return Party(
        stay=stay,
        used=used[stay.pk],
        outlets=outlets.get(stay.pk, []),
        lines=[each for each in measured if each.line.stay_id == stay.pk],
        corrections=[each for each in corrections if each.stay_id == stay.pk],
        guest=str(of_room.get("name") or ""),
        comment=str(of_room.get("comment") or ""),
    )


def _outlets(stays: Iterable[Stay], measured: Iterable[Measured], now: datetime) -> dict[int, list[Outlet]]:
    """By stay: the meters that count for it, then those of its pitch that do not."""
    open_lines = {(m.line.stay_id, m.line.meter_id): m.line for m in measured if m.line.end_id is None}
    places = {s.pitch_id for s in stays if s.status in Stay.PRESENT} - {None}
    hung = Installation.objects.filter(pitch__in=places, period__contains=now).values_list("pitch_id", "meter_id")
    by_pitch: dict[int, list[int]] = {}
    for pitch, meter in hung:
        by_pitch.setdefault(pitch, []).append(meter)
    pairs = list(open_lines)
    pairs += [(s.pk, m) for s in stays for m in by_pitch.get(s.pitch_id or 0, []) if (s.pk, m) not in open_lines]
    meters = _meters({meter for _stay, meter in pairs}, now)
    found: dict[int, list[Outlet]] = {}
    for stay, meter in pairs:
        found.setdefault(stay, []).append(replace(meters[meter], line=open_lines.get((stay, meter))))
    return found


def _meters(ids: set[int], now: datetime) -> dict[int, Outlet]:
    """The meters as they are now, without a line."""
    if not ids:
        return {}
    link, decisions, wants = online.link(now), follow.decisions(ids, now), commands.in_force(ids, now)
    prefetch_related_objects(list(wants.values()), "by")
    statuses = {meter: online.status(meter, link, now) for meter in overview.meters(now).filter(pk__in=ids)}
    return {
        meter.pk: Outlet(
            meter=meter,
            line=None,
            online=status,
            state=MeterState.of(meter),
            decision=decisions.get(meter.pk),
            want=wants.get(meter.pk),
            waits_until=None if status.is_online else commands.waits_until(now),
        )
        for meter, status in statuses.items()
    }
