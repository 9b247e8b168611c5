"""What bookings owe for power. The only package that writes PackageSale, Charge and PackageNotice."""

from bookings.accounts.bills import Bill, bill, bill_of
from bookings.accounts.items import extras, kwh_of
from bookings.accounts.packages import mail_failed, power_facts, told, untold, watch_packages
from bookings.accounts.sales import (
    AccountError,
    AmountChanged,
    NoTariff,
    NothingDue,
    NotSold,
    WrongPackage,
    charge,
    sell,
    take_back,
)

__all__ = [
    "AccountError",
    "AmountChanged",
    "Bill",
    "NoTariff",
    "NotSold",
    "NothingDue",
    "WrongPackage",
    "bill",
    "bill_of",
    "charge",
    "extras",
    "kwh_of",
    "mail_failed",
    "power_facts",
    "sell",
    "take_back",
    "told",
    "untold",
    "watch_packages",
]
