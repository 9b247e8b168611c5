"""The tables of the app, by subject. Each docstring names the one module that writes the table."""

from bookings.models.accounts import Charge, Mode, PackageNotice, PackagePattern, PackageSale, Tariff
from bookings.models.bookings import Booking, Guest, Room
from bookings.models.reports import ProblemReport
from bookings.models.stays import Correction, LinkMail, PortalLink, PowerRule, Stay, StayMeter
from bookings.models.webhook import WebhookEvent, WebhookToken

__all__ = [
    "Booking",
    "Charge",
    "Correction",
    "Guest",
    "LinkMail",
    "Mode",
    "PackageNotice",
    "PackagePattern",
    "PackageSale",
    "PortalLink",
    "PowerRule",
    "ProblemReport",
    "Room",
    "Stay",
    "StayMeter",
    "Tariff",
    "WebhookEvent",
    "WebhookToken",
]
