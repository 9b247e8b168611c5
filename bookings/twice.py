"""Who presses a button twice, or whose browser sends a form twice, means it once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from bookings.models import Correction, PackageSale

SAME = timedelta(seconds=10)
"""Nobody types the same once more within this time."""
Row = TypeVar("Row", PackageSale, Correction)


def made_already(rows: QuerySet[Row], told: Mapping[str, object]) -> Row | None:
    """The newest of these rows where it was made just now and tells the same. Ask under a lock."""
    newest = rows.order_by("-pk").first()
    if newest is None or newest.at < timezone.now() - SAME:
        return None
    return newest if all(getattr(newest, name) == value for name, value in told.items()) else None
