"""The admin of bookings: forms for staff's own tables, read-only pages for what was told."""

from bookings.admin import accounts, bookings, power, reports, rooms, webhook

__all__ = ["accounts", "bookings", "power", "reports", "rooms", "webhook"]
