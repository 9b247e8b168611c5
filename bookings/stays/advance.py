"""What changes by the calendar, by a meter that was put up or taken down, or by a room that became a pitch."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bookings import ledger, rooms
from bookings.models import Booking, Stay
from bookings.stays.reconcile import reconcile, times_of
from bookings.stays.status import flags, status_of
from meters import clock

logger = logging.getLogger(__name__)
NEAR = timedelta(days=14)
"""Arrivals that are further away are not yet work for staff."""
PRESENT = [Stay.Status.EXPECTED, Stay.Status.IN_HOUSE]


def advance(now: datetime) -> int:
    """Each minute: reconcile the bookings that are not as they should be now; returns how many. Late or twice does no
    harm.
    """
    rooms.rematch()
    return _reconcile(_due(now) | _of(ledger.unaligned(now)) | _misplaced(), now)


def heal(now: datetime) -> int:
    """Reconcile the bookings of rooms that became another pitch; returns how many."""
    return _reconcile(_misplaced(), now)


def to_sort_out(now: datetime | None = None) -> QuerySet[Stay]:
    """The stays that staff must sort out: who is here, or comes within two weeks, and why stands in `unclear`."""
    today = clock.day_of(now or timezone.now())
    is_soon = Q(arrival=None) | Q(arrival__lte=today + NEAR)
    is_not_over = Q(departure=None) | Q(departure__gte=today) | Q(arrival__gte=today)
    near = Q(status=Stay.Status.IN_HOUSE) | Q(status=Stay.Status.EXPECTED) & is_soon & is_not_over
    unclear = Stay.objects.filter(near, position__isnull=False).exclude(unclear=Stay.Unclear.NONE)
    return unclear.select_related("booking__guest", "room", "pitch").order_by("arrival", "pk")


# --- inside ----------------------------------------------------------------------------------------------------------


def _due(now: datetime) -> set[int]:
    """The bookings (ids) in which somebody's time has come, or is over."""
    here = Stay.objects.select_related("booking").filter(
        position__isnull=False,
        booking__is_checked_in=True,
        booking__is_checked_out=False,
        booking__is_cancelled=False,
    )
    by_booking: dict[int, list[Stay]] = defaultdict(list)
    for stay in here:
        by_booking[stay.booking_id].append(stay)
    return {booking for booking, stays in by_booking.items() if _has_changed(stays, now)}


def _has_changed(stays: list[Stay], now: datetime) -> bool:
    times = [times_of(stay) for stay in stays]
    told = flags(stays[0].booking)
    return any(stay.status != status_of(told, own, times, now) for stay, own in zip(stays, times, strict=True))


def _misplaced() -> set[int]:
    """The bookings (ids) whose room is another pitch by now; of those who have left, only where none was known."""
    is_other = Q(booked_pitch=None) | ~Q(booked_pitch=F("room__pitch"))
    has_other = Q(room__pitch__isnull=False) & is_other | Q(room__pitch=None, booked_pitch__isnull=False)
    concerned = Stay.objects.filter(has_other, Q(status__in=PRESENT) | Q(booked_pitch=None), position__isnull=False)
    return set(concerned.filter(room__isnull=False).values_list("booking_id", flat=True))


def _of(stays: Iterable[int]) -> set[int]:
    return set(Stay.objects.filter(pk__in=stays, position__isnull=False).values_list("booking_id", flat=True))


def _reconcile(bookings: Iterable[int], now: datetime) -> int:
    """Each by itself: one that fails holds up no other."""
    done = 0
    for pk in sorted(bookings):
        try:
            with transaction.atomic():
                reconcile(Booking.objects.select_for_update(no_key=True).get(pk=pk), now)
            done += 1
        except Exception:
            logger.exception("The stays of booking %s could not be set right", pk)
    return done
