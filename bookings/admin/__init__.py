"""The admin of bookings: forms for staff's own tables, read-only pages for what was told."""

from bookings.admin import accounts, audit, bookings, power, reports, rooms, webhook

__all__ = ["accounts", "audit", "bookings", "power", "reports", "rooms", "webhook"]
