"""What pages of meters tell of the guests whom they serve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django import template

from bookings import ledger
from bookings.ledger import Used
from bookings.models import Stay, StayMeter
from meters.models import Meter

register = template.Library()


@dataclass(frozen=True, slots=True)
class Served:
    """The stay that has a meter, since when, and what it used in all."""

    stay: Stay
    since: datetime
    used: Used


@register.simple_tag
def served_by(meter: Meter) -> Served | None:
    """Who has this meter now, by the ledger; None: nobody."""
    line = StayMeter.objects.filter(meter=meter, period__upper_inf=True).select_related("stay__booking__guest").first()
    return Served(line.stay, line.period.lower, ledger.used_kwh([line.stay])) if line else None
