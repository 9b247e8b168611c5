"""The rules of power that each kind of pitch begins with. Beside the admin's forms the only writer of PowerRule.

They are made after each migration, not by one: a database that was emptied has them again.
"""

from __future__ import annotations

from datetime import time
from typing import Any

from django.apps import AppConfig, apps

from meters.models import Pitch

FIRST: dict[str, dict[str, Any]] = {
    Pitch.Kind.TOURING: {},
    Pitch.Kind.SEASONAL: {},
    Pitch.Kind.CABIN: {"cleaning_from": time(10), "cleaning_until": time(15)},
    Pitch.Kind.SERVICE: {"follows_bookings": False},
}
"""What differs from the model's defaults. Pitches without a guest are left as they are until staff say otherwise: on
the day this software is put into use it does not know who is here.
"""


def sync(sender: AppConfig | None = None, apps: Any = apps, **_: Any) -> None:
    """Make the row of each kind that has none; what staff said stays. Idempotent."""
    try:
        rule = apps.get_model("bookings", "PowerRule")
    except LookupError:  # the table was just migrated away
        return
    for kind, values in FIRST.items():
        rule.objects.get_or_create(kind=kind, defaults=values)
