"""Selling packages, and noting what was charged. Each verb locks the booking, checks, writes, and leaves an entry in
the audit log, in one transaction. Neither row is ever edited: what is taken back is a negative one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from bookings import twice
from bookings.accounts import bills, packages
from bookings.models import Booking, Charge, PackageSale
from bookings.prices import LARGEST_PACKAGE_KWH, ZERO, Line, price_of_a_kwh, rounded

LARGEST_PRICE = Decimal(1_000_000)
DEAREST_KWH = Decimal(1000)
"""A charge's price of a kWh is less than that."""


class AccountError(Exception):
    """`code` is for machines, the text is for people."""

    code = "account"


class WrongPackage(AccountError):
    code = "wrong_package"


class NotSold(AccountError):
    code = "not_sold"


class NothingDue(AccountError):
    code = "nothing_due"


class AmountChanged(AccountError):
    code = "amount_changed"


class NoTariff(AccountError):
    code = "no_tariff"


def sell(
    booking: Booking, kwh: Decimal, price: Decimal, by: User, reason: str = "", now: datetime | None = None
) -> PackageSale:
    """Sell so many kWh for this price (incl. VAT) to a booking ahead; negative ones take back what was sold here.

    A notice that they were used up ends with it. Pressed twice, it is one sale. Raises WrongPackage or NotSold.
    """
    _check(kwh, price)
    told = {"energy_kwh": kwh, "price": rounded(price), "reason": reason[:250], "by": by}
    with transaction.atomic():
        _lock(booking)
        if same := twice.made_already(booking.packages.all(), told):
            return same
        if kwh < 0:
            _check_was_sold(booking, kwh, price)
        vat_percent = bills.bill([booking.pk])[booking.pk].vat_percent
        made = PackageSale.objects.create(booking=booking, vat_percent=vat_percent, **told)
        _note(booking, "package", f"{made.energy_kwh} kWh, {made.price}", by)
        packages.watch_packages(now or timezone.now(), [booking.pk])
    return made


def charge(booking: Booking, by: User, expected: Decimal | None = None) -> list[Charge]:
    """Note that what is due was typed into Sirvoy: a row for each mode and price, all together what is due now.

    Called again after the amount has changed it notes the difference. `expected`: what the person saw and typed.
    Raises NothingDue, NoTariff or AmountChanged.
    """
    with transaction.atomic():
        _lock(booking)
        bill = bills.bill([booking.pk])[booking.pk]
        if bill.has_no_tariff:
            raise NoTariff(_("Some of what was used has no price: no tariff fits."))
        if expected is not None and expected != bill.due:
            raise AmountChanged(format_lazy(_("Meanwhile it is {amount}: look again, please."), amount=bill.due))
        owed = _by_price(bill.lines)
        for key, (kwh, amount) in _by_price(booking.charges.all()).items():
            owed[key] = (owed[key][0] - kwh, owed[key][1] - amount)
        made = _charge(booking, owed, by)
        if not made:
            raise NothingDue(_("Nothing is to be charged."))
        _note(booking, "charged", str(sum((each.amount for each in made), ZERO)), by)
    return made


def take_back(booking: Booking, by: User) -> list[Charge]:
    """Note that what was typed into Sirvoy was taken out again: all of it is due once more. Raises NothingDue."""
    with transaction.atomic():
        _lock(booking)
        charged = _by_price(booking.charges.all())
        made = _charge(booking, {key: (-kwh, -amount) for key, (kwh, amount) in charged.items()}, by)
        if not made:
            raise NothingDue(_("Nothing was charged."))
        _note(booking, "charged", str(sum((each.amount for each in made), ZERO)), by)
    return made


# --- inside ----------------------------------------------------------------------------------------------------------

Key = tuple[str, Decimal, Decimal]
"""Mode, price a kWh, VAT in %."""
Owed = dict[Key, tuple[Decimal, Decimal]]
"""kWh and amount."""


def _by_price(lines: Iterable[Line | Charge]) -> Owed:
    found: Owed = defaultdict(lambda: (ZERO, ZERO))
    for line in lines:
        key = (line.mode, line.price, line.vat_percent)
        found[key] = (found[key][0] + line.energy_kwh, found[key][1] + line.amount)
    return found


def _charge(booking: Booking, owed: Owed, by: User) -> list[Charge]:
    return [
        Charge.objects.create(
            booking=booking, mode=mode, energy_kwh=kwh, price=price, vat_percent=vat_percent, amount=amount, by=by
        )
        for (mode, price, vat_percent), (kwh, amount) in owed.items()
        if amount
    ]


def _check(kwh: Decimal, price: Decimal) -> None:
    if not kwh or abs(kwh) > LARGEST_PACKAGE_KWH or abs(price) > LARGEST_PRICE or (price and (price < 0) != (kwh < 0)):
        raise WrongPackage(_("A package has kWh and a price; what is taken back has both negative."))
    if price_of_a_kwh(price, kwh) >= DEAREST_KWH:
        raise WrongPackage(_("Each kWh of it would cost 1000 or more. Look at the kWh and the price again."))


def _check_was_sold(booking: Booking, kwh: Decimal, price: Decimal) -> None:
    sold = PackageSale.objects.filter(booking=booking).aggregate(kwh=Sum("energy_kwh"), price=Sum("price"))
    if -kwh > (sold["kwh"] or ZERO) or -price > (sold["price"] or ZERO):
        raise NotSold(
            format_lazy(_("Only {kwh} kWh were sold here, that much can be taken back."), kwh=sold["kwh"] or ZERO)
        )


def _lock(booking: Booking) -> None:
    Booking.objects.select_for_update().get(pk=booking.pk)


def _note(booking: Booking, what: str, text: str, by: User) -> None:
    LogEntry.objects.log_create(booking, action=LogEntry.Action.UPDATE, changes={what: ["", text]}, actor=by)
