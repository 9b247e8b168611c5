"""Sirvoy's export of bookings, to close a gap in its events: read, compared, and brought in as events of its own kind.

Source of the columns: Sirvoy's import tool. Nothing here writes a table but through bookings/inbox.py.
"""

from bookings.csv_import.plan import Change, Entry, Plan, What, apply, compare
from bookings.csv_import.rows import BadRow, Export, NotAnExport, Row, read

__all__ = [
    "BadRow",
    "Change",
    "Entry",
    "Export",
    "NotAnExport",
    "Plan",
    "Row",
    "What",
    "apply",
    "compare",
    "read",
]
