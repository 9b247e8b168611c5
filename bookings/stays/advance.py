"""What changes by the calendar, by a meter that was put up or taken down, or by a room that became a pitch; and what
slipped through all the same.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bookings import ledger, rooms
from bookings.models import Booking, Room, Stay
from bookings.power import follow
from bookings.stays.arrange import times_of
from bookings.stays.reconcile import ENDED, reconcile
from bookings.stays.status import flags, status_of
from meters import clock, installations
from meters.models import Pitch

logger = logging.getLogger(__name__)
NEAR = timedelta(days=14)
"""Arrivals that are further away are not yet work for staff."""


def advance(now: datetime) -> int:
    """Each minute: reconcile the bookings that are not as they should be now, and end the lines of who is not here;
    returns of how many bookings. Late or twice does no harm.
    """
    rooms.rematch()
    done = _reconcile(_due(now) | _of(ledger.unaligned(now)) | _misplaced(), now)
    done += _each(ledger.taken_down().values_list("stay__booking", flat=True), lambda each: _exchange(each, now))
    return done + _each(ledger.forgotten().values_list("stay__booking", flat=True), lambda each: _end_lines(each, now))


def compare(now: datetime) -> int:
    """Each night: compare every booking that is here or expected anew with what Sirvoy told; returns how many."""
    present = Stay.objects.filter(status__in=Stay.PRESENT, position__isnull=False)
    return _reconcile(present.values_list("booking_id", flat=True), now)


def assign_room(room: Room, pitch: Pitch | None, by: User | None, now: datetime) -> None:
    """Staff say which pitch the room is; when that is committed, the bookings that have it are set right."""
    with transaction.atomic():
        rooms.assign(room, pitch, by, now)
        transaction.on_commit(lambda: _reconcile(_misplaced(), now))


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
    concerned = Q(status__in=Stay.PRESENT) | Q(booked_pitch=None)
    found = Stay.objects.filter(has_other, concerned, position__isnull=False, room__isnull=False)
    return set(found.values_list("booking_id", flat=True))


def _of(stays: Iterable[int]) -> set[int]:
    return set(Stay.objects.filter(pk__in=stays, position__isnull=False).values_list("booking_id", flat=True))


def _reconcile(bookings: Iterable[int], now: datetime) -> int:
    return _each(bookings, lambda booking: reconcile(booking, now))


def _end_lines(booking: Booking, now: datetime) -> None:
    """Of who is not here; whoever was checked in meanwhile keeps his."""
    for stay in {line.stay for line in ledger.forgotten().filter(stay__booking=booking).select_related("stay")}:
        ended = ledger.end_all(stay, now, ENDED[Stay.Status(stay.status)])
        follow.soon(line.meter_id for line in ended)


def _exchange(booking: Booking, now: datetime) -> None:
    """A chosen outlet's meter was exchanged by a technician: the stay goes on with the one that took its place."""
    for line in ledger.taken_down().filter(stay__booking=booking).select_related("stay", "meter"):
        if took := installations.successor(line.meter, line.period.lower):
            ledger.exchange(line, took.meter, took.period.lower, now)
            follow.soon([line.meter_id, took.meter_id])


def _each(bookings: Iterable[int], act: Callable[[Booking], None]) -> int:
    """Each of these bookings (ids) by itself, which nobody else changes meanwhile: one that fails holds up no other."""
    done = 0
    for pk in sorted(set(bookings)):
        try:
            with transaction.atomic():
                act(Booking.objects.select_for_update(no_key=True).get(pk=pk))
            done += 1
        except Exception:
            logger.exception("The stays of booking %s could not be set right", pk)
    return done
