"""What an order, and letting go, would do, and how far an order has come. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db.models import Count, F, Q

from meters import online
from meters.commands import allowed, wants
from meters.commands.errors import SwitchingError
from meters.models import Command, Meter, Order, Source, Want

SHOWN_FOR = timedelta(minutes=2)
"""Boards show an order that is through for a little longer."""
LOOKED_BACK = timedelta(hours=1)
MOST_SHOWN = 10
GROUPS = ("waiting", "offline", "under_way", "confirmed", "failed", "cancelled")
Status = Command.Status


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen. `seconds`: how long until the last command is sent; meters that are offline wait longer.

    `skipped`: (meter, why); `depending`: meters whose pitch is occupied or protected; `needs_reason`:
    whether the order is refused without a reason; `is_heard`: whether anything can be sent at all, now.
    """

    state: bool
    meters: int
    is_heard: bool
    seconds: int
    offline: list[Meter]
    already: int
    skipped: list[tuple[Meter, type[SwitchingError]]]
    depending: list[Meter]
    needs_reason: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """`counts`: waiting, offline (waiting for the meter), under_way, confirmed, failed, cancelled; in all `total`."""

    pk: int
    state: bool
    by: str
    created_at: datetime
    total: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Left:
    """What staff want of a meter, and what will be wanted once they want nothing any more."""

    meter: Meter
    staff: Want | None
    then: Want | None


def preview(meters: Iterable[Meter], state: bool, now: datetime) -> Preview:
    """What an order for these meters (from `online.meters()`) would do."""
    skipped, chosen = [], []
    for meter in meters:
        if why := allowed.unswitchable(meter):
            skipped.append((meter, why))
        else:
            chosen.append(meter)
    link = online.link(now)
    here: list[Meter] = []
    offline: list[Meter] = []
    for meter in chosen:
        (here if online.status(meter, link, now).is_online else offline).append(meter)
    pitches = allowed.serving([meter.pk for meter in chosen], now)
    depending = [meter for meter in chosen if allowed.depends(pitches.get(meter.pk, []), now)]
    return Preview(
        state=state,
        meters=len(chosen),
        is_heard=link.is_any_heard,
        seconds=_seconds({meter.pk for meter in here}),
        offline=offline,
        already=sum(meter.relay is state for meter in here),
        skipped=skipped,
        depending=depending,
        needs_reason=not state and bool(depending),
    )


def letting_go(meters: Iterable[Meter], now: datetime) -> list[Left]:
    """What letting go of these meters would lead to; those of which staff want nothing come last."""
    chosen = list(meters)
    found = wants.of_all_sources([meter.pk for meter in chosen], now).select_related("by")
    staff = {want.meter_id: want for want in found if want.source == Source.STAFF}
    then = {want.meter_id: want for want in found if want.source != Source.STAFF}  # the highest is the last
    rows = [Left(meter, staff.get(meter.pk), then.get(meter.pk)) for meter in chosen]
    return sorted(rows, key=lambda row: row.staff is None)


def recent(now: datetime) -> list[Progress]:
    """Orders that are not through, or were a moment ago; the newest first."""
    moving = Q(commands__status__in=Command.OPEN) | Q(commands__finished_at__gt=now - SHOWN_FOR)
    found = Order.objects.filter(moving, created_at__gt=now - LOOKED_BACK).distinct().order_by("-pk")
    return _progress(list(found.select_related("by")[:MOST_SHOWN]), now)


def progress(order: Order, now: datetime) -> Progress:
    """How far this order has come."""
    return _progress([order], now)[0]


# --- inside ----------------------------------------------------------------------------------------------------------


def _progress(orders: Sequence[Order], now: datetime) -> list[Progress]:
    """Three queries, however many orders and commands."""
    if not orders:
        return []
    link = online.link(now)
    totals = dict(Want.objects.filter(order__in=orders).values_list("order").annotate(Count("pk")).order_by())
    counts: dict[int, Counter[str]] = {order.pk: Counter() for order in orders}
    found = Command.objects.filter(order__in=orders).values_list(
        "order_id", "status", "claimed_at", *online.fact_fields("meter__")
    )
    for order_id, status, claimed_at, *facts in found:
        group = _group(status, claimed_at is not None)
        if group == "waiting" and not online.judge(online.Facts(*facts), link, now).is_online:
            group = "offline"
        counts[order_id][group] += 1
    return [_told(order, totals.get(order.pk, 0), counts[order.pk]) for order in orders]


def _told(order: Order, total: int, counts: Counter[str]) -> Progress:
    counts["cancelled"] += max(0, total - sum(counts.values()))  # a later click has taken their command over
    by = order.by.get_username() if order.by else ""
    return Progress(order.pk, order.state, by, order.created_at, total, {name: counts[name] for name in GROUPS})


def _group(status: str, is_under_way: bool) -> str:
    match status:
        case Status.QUEUED:
            return "under_way" if is_under_way else "waiting"
        case Status.SENT | Status.ACKNOWLEDGED:
            return "under_way"
        case Status.CANCELLED | Status.SUPERSEDED:
            return "cancelled"
        case Status.CONFIRMED:
            return "confirmed"
    return "failed"


def _seconds(meter_ids: Iterable[int]) -> int:
    """Areas work side by side; each sends so many a second."""
    areas = Meter.objects.filter(pk__in=list(meter_ids), device__area__isnull=False).values("device__area")
    counts = areas.annotate(count=Count("pk"), per_s=F("device__area__commands_per_s")).order_by()
    return max((ceil(area["count"] / area["per_s"]) for area in counts), default=0)
