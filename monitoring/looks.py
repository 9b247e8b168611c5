"""When the site was looked at, and its areas were seen; of other times nobody knows.

The only module that writes Look.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Max, Q
from django.utils import timezone

from meters import online
from meters.forgetting import forget
from meters.models import Area, AreaState
from monitoring.models import Look

LONGEST_BREAK = timedelta(minutes=3)
"""Looks come each minute; after a longer break a new time begins."""
TOO_SOON = timedelta(seconds=10)
"""A look that comes so soon after the last one is the same: a job that was handed out twice."""


def note(now: datetime) -> bool:
    """The site is looked at. False where this look counts for nothing: it is the last one's double, or began before
    that one and took longer. A clock that was set back is no such look.
    """
    last = last_at()
    if last and last <= timezone.now() and now < last + TOO_SOON:
        return False
    link = online.link(now)
    in_service = Area.objects.filter(in_service=True).values_list("pk", flat=True)
    areas = [area for area in in_service if link.bridge(area) != AreaState.Bridge.UNKNOWN]
    going_on = Look.objects.filter(Q(area=None) | Q(area__in=areas), since__lte=now, until__gt=now - LONGEST_BREAK)
    known = set(going_on.values_list("area", flat=True))
    going_on.update(until=now)
    Look.objects.bulk_create(Look(area_id=area, since=now, until=now) for area in {None, *areas} - known)
    return True


def last_at() -> datetime | None:
    """When the site was looked at last; None: never. One query."""
    found: datetime | None = Look.objects.filter(area=None).aggregate(last=Max("until"))["last"]
    return found


def is_known(now: datetime) -> bool:
    """Whether what is wrong would be an incident by now: the site is looked at, and was twice at least."""
    going_on = Look.objects.filter(area=None, since__lte=now, until__gt=now - LONGEST_BREAK)
    return going_on.filter(until__gt=F("since")).exists()


def prune(before: datetime) -> int:
    """Forget when somebody looked before then; returns how many such times."""
    return forget(Look.objects.filter(until__lt=before))
