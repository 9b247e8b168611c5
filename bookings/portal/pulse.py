"""What an open page is told while it stands: short enough to be told each second. Reads only.

The page itself is made anew by the server; a pulse tells whether that is due (`key`), and what changes all the time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from bookings import links, reports
from bookings.models import Stay, StayMeter
from bookings.reports import Count
from meters import closeup, live
from meters.closeup import Asked, Closeup

Pulse = dict[str, Any]


def key(stay: Stay, outlets: Iterable[Closeup], reported: Count) -> str:
    """Another one as soon as the outlets, or where the stay is, would read otherwise, but for watts and ages. What else
    the page tells, and seldom changes, it asks for now and then by itself.
    """
    told = sorted(map(_solid, outlets))
    return f"{stay.pk}/{stay.pitch_id or ''}/{stay.status}/{reported.all}.{reported.solved}/{';'.join(told)}"


def of_marks(marks: Collection[str], now: datetime) -> dict[str, Pulse | None]:
    """What each page is told that came by the link so marked, in four queries; None: it is not open any more.

    Times are milliseconds since 1970, watts whole; of each outlet `until`: until when it counts as heard, null: it does
    not.
    """
    stays = links.stays_of(marks, now)
    lines = StayMeter.objects.filter(stay__in={stay.pk for stay in stays.values()}, period__upper_inf=True)
    meters: dict[int, dict[int, Asked]] = {}
    for stay_id, meter, period in lines.order_by("meter").values_list("stay_id", "meter_id", "period"):
        meters.setdefault(stay_id, {})[meter] = Asked(since=period.lower)
    near = closeup.of({meter: asked for own in meters.values() for meter, asked in own.items()}, now)
    reported = reports.counts({stay.pk for stay in stays.values()})
    told: dict[str, Pulse | None] = dict.fromkeys(marks)
    for mark, stay in stays.items():
        outlets = [near[meter] for meter in meters.get(stay.pk, {})]
        told[mark] = {
            "now": live.ms(now),
            "key": key(stay, outlets, reported.get(stay.pk, reports.NONE)),
            "outlets": [_outlet(outlet) for outlet in outlets],
        }
    return told


def meters_of(pulse: Pulse | None) -> set[int]:
    """The meters (ids) that a pulse tells of."""
    return {outlet["id"] for outlet in pulse["outlets"]} if pulse else set()


# --- inside ----------------------------------------------------------------------------------------------------------


def _solid(outlet: Closeup) -> str:
    wish, last = outlet.wish, outlet.attempt
    told = (
        outlet.meter_id,
        outlet.online.is_online,
        outlet.relay,
        outlet.energy.kwh,
        outlet.energy.known_at and live.ms(outlet.energy.known_at),
        outlet.lease,
        outlet.is_switched,
        wish and f"{wish.source}:{wish.state}:{wish.hold}",
        last and f"{last.id}:{last.status}",
    )
    return ",".join("" if each is None else str(each) for each in told)


def _outlet(outlet: Closeup) -> dict[str, Any]:
    return {
        "id": outlet.meter_id,
        "power_w": outlet.power_w,
        "power_at": live.ms(outlet.power_at),
        "relay_at": live.ms(outlet.relay_at),
        "heard_at": live.ms(outlet.heard_at),
        "until": live.ms(outlet.online.until),
    }
