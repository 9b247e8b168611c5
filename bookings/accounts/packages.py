"""Packages that run low: noticing it, telling the guest, and what the power policy asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from bookings.accounts import bills
from bookings.models import PackageNotice, Stay
from bookings.power.policy import Package

Level = PackageNotice.Level


def power_facts(booking_ids: Iterable[int], now: datetime) -> dict[int, Package]:
    """The state of each booking that has a package, or needs one; by the booking's id, in constant queries."""
    found = {pk: bill for pk, bill in bills.bill(booking_ids).items() if bill.left_kwh is not None}
    notices = PackageNotice.objects.filter(booking__in=found, level=Level.EMPTY, ended_at=None, told_at__lte=now)
    told_at = dict(notices.values_list("booking_id", "told_at"))
    return {pk: Package(bill.is_empty, told_at.get(pk), bill.grace, bill.may_cut) for pk, bill in found.items()}


def watch_packages(now: datetime, booking_ids: Iterable[int] | None = None) -> int:
    """Note which bookings in house (of these, or all) run low or have none left, and end the notices that are over.

    Returns how many were made or ended. Idempotent.
    """
    notices = PackageNotice.objects.filter(ended_at=None)
    in_house = Stay.objects.filter(status=Stay.Status.IN_HOUSE)
    if booking_ids is not None:
        ids = list(booking_ids)
        notices, in_house = notices.filter(booking__in=ids), in_house.filter(booking__in=ids)
    here = set(in_house.values_list("booking_id", flat=True))
    wanted = {(pk, level) for pk, each in bills.bill(here).items() if (level := _level(each))}
    with transaction.atomic():
        known = {(each.booking_id, each.level): each.pk for each in notices}
        over = [pk for key, pk in known.items() if key not in wanted]
        ended = PackageNotice.objects.filter(pk__in=over, ended_at=None).update(ended_at=now)
        new = [PackageNotice(booking_id=pk, level=level, found_at=now) for pk, level in sorted(wanted - set(known))]
        PackageNotice.objects.bulk_create(new, ignore_conflicts=True)
    return ended + len(new)


def untold(now: datetime) -> QuerySet[PackageNotice]:
    """What guests do not know yet, the oldest first."""
    open_ones = PackageNotice.objects.filter(ended_at=None, told_at=None, found_at__lte=now)
    return open_ones.select_related("booking__guest").order_by("pk")


def told(notice: PackageNotice, by: User | None, now: datetime) -> bool:
    """The guest was told: by this person, or by mail. False where that was known before, or nothing is to be told."""
    how = PackageNotice.How.STAFF if by else PackageNotice.How.MAIL
    with transaction.atomic():
        unknown = PackageNotice.objects.filter(pk=notice.pk, told_at=None, ended_at=None)
        if not unknown.update(told_at=now, how=how, by=by, error=""):
            return False
        changes = {"told of package": ["", f"{notice.level}, {how}"]}
        LogEntry.objects.log_create(notice.booking, action=LogEntry.Action.UPDATE, changes=changes, actor=by)
    return True


def mail_failed(notice: PackageNotice, error: str, now: datetime) -> None:
    """The mail could not be sent; staff see why."""
    PackageNotice.objects.filter(pk=notice.pk).update(tried_at=now, error=error[:200])


def _level(bill: bills.Bill) -> str | None:
    if bill.is_empty:
        return Level.EMPTY
    return Level.LOW if bill.is_low else None
