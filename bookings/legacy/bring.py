"""What the files say of guests becomes bookings, outlets, kWh used before, and packages: all by their own modules.

What is known here already rules: a booking that Sirvoy told of is never changed by what the former system thought.
Money stays where it was earned: a package costs nothing here, what was paid for it stands in its note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from bookings import accounts, csv_import, ledger, rooms, stays
from bookings.csv_import import What
from bookings.legacy import customers
from bookings.legacy.customers import ZERO, Customer, Guests, Outlet, Package
from bookings.models import Booking, Stay, StayMeter, WebhookEvent
from meters import clock
from meters.legacy.found import Tally
from meters.legacy.metering import Brought
from meters.legacy.report import Report
from meters.models import Meter

NOTE = "Former system"
"""Begins the note of what was brought over: by it the next run knows it again."""
BY_HAND = "correct the stay's kWh by hand, or leave it"
COUNTED_APART = timedelta(hours=1)
"""The former system and ours noted one check-in so far apart at most."""


def bookings(guests: Guests, exported_at: datetime, now: datetime, by: User, report: Report) -> None:
    """Who is here or still comes and is not known, as an import of bookings that were exported then."""
    known = set(Booking.objects.filter(sirvoy_id__in=guests.customers).values_list("sirvoy_id", flat=True))
    today, wanted = clock.day_of(exported_at), []
    for customer in guests.customers.values():
        name = str(customer.booking)
        if not customers.is_present(customer, today):
            report.kept("booking", name, "has left: no guest is brought over who is not needed", customer.where)
        elif customer.booking in known:
            report.kept("booking", name, "is known here", customer.where)
        else:
            wanted.append(customer)
    rows = tuple(row for customer in wanted for row in customer.rows())
    plan = csv_import.apply(csv_import.Export(rows, (), ()), exported_at, by, now)
    stays.advance(now)  # who is known already gets the meters that hang on his pitch now
    for entry in plan.entries:
        _tell(entry, guests.customers[entry.sirvoy_id], report)


def outlets(
    guests: Guests,
    brought: Brought,
    tallies: Mapping[str, Tally],
    exported_at: datetime,
    by: User,
    report: Report,
) -> None:
    """The meters that guests who are here had, from the export on; and what they had used on them until then."""
    packages = _by_booking(guests.packages)
    for customer in guests.customers.values():
        if not (stay := _stay(customer)):
            continue
        for outlet in guests.outlets(customer):
            name = rooms.plain(outlet.meter)
            meter = brought.by_name.get(name)
            if meter is None:
                why, do = "its meter is not known by that name", "add it to the stay at reception"
                report.ask("outlet", f"{customer.booking} {outlet.meter}", why, do, outlet.where)
            elif line := _give(stay, meter, exported_at, by, outlet, report):
                is_exchanged = name in brought.exchanged
                measured = _measured(outlet, tallies.get(name), exported_at, is_exchanged=is_exchanged)
                _used_before(stay, outlet, measured, line.period.lower, exported_at, by, report)
        if before := sum((each.before_kwh for each in packages.get(customer.booking, ())), ZERO):
            _used_on_others(stay, before, exported_at, by, report)


def packages(guests: Guests, by: User, report: Report) -> None:
    """The packages that are not used up, and those of season guests."""
    of_season = [customer.package for customer in guests.customers.values() if customer.package]
    for package in [*guests.packages, *of_season]:
        booking = Booking.objects.filter(sirvoy_id=package.booking).first()
        mark = f"{NOTE}, {package.id}:"
        name = f"{package.booking} {package.name}"
        if booking is None:
            report.kept("package", name, "of a booking that is not brought over", package.where)
        elif booking.packages.filter(reason__startswith=mark).exists():
            report.kept("package", name, "is here", package.where)
        else:
            _sell(booking, package, f"{mark} {package.name}, {package.price} paid there", name, by, report)
    if guests.used_up:
        report.kept("package", f"{guests.used_up} more", "are used up, or over")


# --- inside ----------------------------------------------------------------------------------------------------------


def _tell(entry: csv_import.Entry, customer: Customer, report: Report) -> None:
    name = str(entry.sirvoy_id)
    if entry.event and entry.event.status == WebhookEvent.Status.FAILED:
        do = "see it among Sirvoy's events in the administration"
        report.ask("booking", name, f"could not be made: {entry.event.reason}", do, customer.where)
    elif entry.what is What.NEW:
        until = f"{customer.arrival} – {customer.departure}, {', '.join(customer.pitches) or 'no pitch'}"
        report.made("booking", name, until, customer.where)
    else:
        report.ask("booking", name, str(entry.reason or entry.what), "look at it at reception", customer.where)


def _stay(customer: Customer) -> Stay | None:
    """The party that is here; where a booking has several, that on the first pitch that the former system names."""
    here = list(
        Stay.objects.filter(booking__sirvoy_id=customer.booking, status=Stay.Status.IN_HOUSE)
        .select_related("pitch", "booking")
        .order_by("pk")
    )
    first = rooms.plain(customer.pitches[0]) if customer.pitches else ""
    named = [stay for stay in here if stay.pitch and first in rooms.names(stay.pitch)]
    return next(iter([*named, *here]), None)


def _give(stay: Stay, meter: Meter, at: datetime, by: User, outlet: Outlet, report: Report) -> StayMeter | None:
    """The stay's line of this meter, made if it never had it here; None: it cannot have it."""
    name = f"{stay.booking} {meter}"
    if line := StayMeter.objects.filter(stay=stay, meter=meter).order_by("period").first():
        report.kept("outlet", name, "has it here", outlet.where)
        return line
    try:
        line = stays.add_meter(stay, meter, by, at)
    except stays.StayError as why:
        report.ask("outlet", name, str(why), "say at reception whose outlet it is", outlet.where)
        return None
    report.made("outlet", name, "from the export on", outlet.where)
    return line


def _used_before(
    stay: Stay,
    outlet: Outlet,
    measured: tuple[Decimal | None, str],
    since: datetime,
    exported_at: datetime,
    by: User,
    report: Report,
) -> None:
    """What the former system measured up to the export. Where the ledger has counted since before that, it is asked:
    the same kWh must not be counted twice.
    """
    name, (used, text) = f"{stay.booking} {outlet.meter}", measured
    if _is_noted(stay, outlet.meter):
        report.kept("used before", name, "is here", outlet.where)
    elif since < exported_at:
        if outlet.start_at and outlet.start_at >= since - COUNTED_APART:
            report.kept("used before", name, "all of it is counted here", outlet.where)
        else:
            came = "the guest came before" if outlet.start_at else "since when the guest had it is not told"
            why = f"the ledger counts since {since:%Y-%m-%d %H:%M} UTC, and {came}"
            report.ask("used before", name, why, BY_HAND, outlet.where)
    elif used is None:
        report.ask("used before", name, text, BY_HAND, outlet.where)
    elif used:
        _correct(stay, outlet.meter, used, text, by, report)


def _measured(
    outlet: Outlet, tally: Tally | None, exported_at: datetime, *, is_exchanged: bool
) -> tuple[Decimal | None, str]:
    """The kWh that the former system measured from check-in to export, and between which values. None: nobody can
    tell, and why.
    """
    if outlet.start_kwh is None or tally is None or tally.last is None:
        return None, "how much was used before is not told: a counter is missing at check-in, or now"
    at, last = tally.last
    if is_exchanged:
        return None, "two meters have had its name, and the files do not say whose the counter was at check-in"
    if at > exported_at:
        return None, "its last value is newer than the export: what came after that is counted here"
    if tally.fell_at and (outlet.start_at is None or tally.fell_at > outlet.start_at):
        return None, f"its counter fell on {tally.fell_at:%Y-%m-%d}, and not certainly before the check-in"
    if last < outlet.start_kwh:
        return None, f"its counter stood at {outlet.start_kwh} at check-in, and last at {last} kWh"
    return last - outlet.start_kwh, f"from {outlet.start_kwh} to {last} kWh"


def _used_on_others(stay: Stay, kwh: Decimal, exported_at: datetime, by: User, report: Report) -> None:
    """What the former system measured on meters that the guest had before. Where the ledger has counted since before
    the export nobody can tell whether it is in there.
    """
    name = "meters before"
    if stay.lines.filter(period__startswith__lt=exported_at).exists() and not _is_noted(stay, name):
        why = f"{kwh} kWh were used on other meters, and the ledger counts since before the export"
        report.ask("used before", f"{stay.booking} {name}", why, BY_HAND)
    else:
        _correct(stay, name, kwh, f"{kwh} kWh", by, report)


def _is_noted(stay: Stay, name: str) -> bool:
    """Whether an earlier run noted what was used on this meter."""
    return bool(stay.corrections.filter(reason__startswith=f"{NOTE}, {name}:").exists())


def _correct(stay: Stay, name: str, kwh: Decimal, text: str, by: User, report: Report) -> None:
    subject = f"{stay.booking} {name}"
    if _is_noted(stay, name):
        report.kept("used before", subject, "is here")
        return
    try:
        ledger.correct(stay, kwh, f"{NOTE}, {name}: {text}", by)
    except ledger.LedgerError as why:
        report.ask("used before", subject, str(why), "correct the stay's kWh by hand")
    else:
        report.made("used before", subject, f"{kwh} kWh")


def _sell(booking: Booking, package: Package, reason: str, name: str, by: User, report: Report) -> None:
    try:
        accounts.sell(booking, package.kwh, ZERO, by, reason)
    except accounts.AccountError as why:
        report.ask("package", name, str(why), "sell it at reception for 0", package.where)
    else:
        report.made("package", name, f"{package.kwh} kWh", package.where)


def _by_booking(packages: Iterable[Package]) -> dict[int, list[Package]]:
    found: dict[int, list[Package]] = {}
    for each in packages:
        found.setdefault(each.booking, []).append(each)
    return found
