"""What a receipt tells, gathered for one stay. Reads only; of the booking's other stays it knows a sum alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bookings import accounts, ledger
from bookings.accounts import Bill
from bookings.ledger import Measured, Used
from bookings.models import Correction, Stay, StayMeter
from meters.models import Snapshot

Status = Stay.Status


@dataclass(frozen=True, slots=True)
class Receipt:
    """The lines in the order of time, each with its values. `others_kwh`: of the booking's other stays together, None
    where there are none; `others_go_on`: one of them is here, or still to come.
    """

    stay: Stay
    now: datetime
    lines: tuple[Measured, ...]
    corrections: tuple[Correction, ...]
    used: Used
    others_kwh: Decimal | None
    others_go_on: bool
    bill: Bill

    @property
    def is_running(self) -> bool:
        return self.stay.status == Status.IN_HOUSE or any(each.line.end is None for each in self.lines)

    @property
    def is_interim(self) -> bool:
        """Whether more will be used, or a value is still asked for."""
        goes_on = self.is_running or self.others_go_on or self.stay.status == Status.EXPECTED
        return goes_on or self.has(Snapshot.Quality.WAITING)

    def has(self, quality: Snapshot.Quality) -> bool:
        """Whether one of its values is of this quality."""
        edges = [edge for each in self.lines for edge in (each.line.start, each.line.end)]
        return any(edge is not None and edge.quality == quality for edge in edges)


def gather(stay: Stay, now: datetime) -> Receipt:
    """In a constant number of queries. The stay comes with its booking, guest and pitch."""
    stays = list(Stay.objects.filter(booking=stay.booking_id).select_related("pitch", "booked_pitch"))
    for each in stays:
        each.booking = stay.booking
    lines = StayMeter.objects.filter(stay__in=stays)
    lines = lines.select_related("start", "end", "booked_pitch", "meter__device", "pitch")
    measured = ledger.measure(lines.order_by("period", "pk"))
    bill, used = accounts.bill_of(stay.booking, stays, measured)
    others = [each for each in stays if each.pk != stay.pk and (each.status != Status.CANCELLED or used[each.pk].kwh)]
    return Receipt(
        stay=stay,
        now=now,
        lines=tuple(each for each in measured if each.line.stay_id == stay.pk),
        corrections=tuple(Correction.objects.filter(stay=stay).order_by("at", "pk")),
        used=used[stay.pk],
        others_kwh=sum((used[each.pk].kwh for each in others), Decimal(0)) if others else None,
        others_go_on=any(each.status in Stay.PRESENT for each in others),
        bill=bill,
    )
