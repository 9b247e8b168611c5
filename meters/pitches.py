"""Who is on a pitch, as others tell it. The only module that writes Pitch.occupied_until."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from meters import notify
from meters.models import Pitch


def set_occupied(pitch: Pitch, until: datetime | None) -> bool:
    """Until when somebody may depend on the power of this pitch (None: nobody does); returns whether that is news."""
    with transaction.atomic():
        other = Pitch.objects.filter(pk=pitch.pk).exclude(occupied_until=until)
        is_news = bool(other.update(occupied_until=until))
        if is_news:
            notify.touch()
    return is_news
