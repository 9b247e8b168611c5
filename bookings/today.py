"""How many come and leave on a day of the campsite. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Q

from bookings.models import Stay
from meters import clock


@dataclass(frozen=True, slots=True)
class Today:
    """Parties: of `arrivals` so many have `come`, of `departures` so many have `left`."""

    arrivals: int
    come: int
    departures: int
    left: int


def on(day: date) -> Today:
    """One query."""
    start, end = clock.moment(day), clock.moment(day + timedelta(days=1))
    comes = Q(arrival=day, position__isnull=False, status__in=Stay.PRESENT)
    here = Q(status=Stay.Status.IN_HOUSE)
    left = Q(status=Stay.Status.LEFT, ended_at__gte=start, ended_at__lt=end)
    return Today(
        **Stay.objects.aggregate(
            arrivals=Count("pk", filter=comes),
            come=Count("pk", filter=comes & here),
            departures=Count("pk", filter=here & Q(departure=day) | left),
            left=Count("pk", filter=left),
        )
    )
