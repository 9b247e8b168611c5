"""The database: how long its disk lasts, and whether the clocks of all who tell times agree."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import mean

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from meters import partitions
from meters.models import Area, RejectedMessage
from monitoring.findings import Fact, Finding, Severity

DAYS_LEFT = 30
"""A month is time to order a disk."""
LOOKED_BACK = 7
"""Closed days whose readings tell how fast it grows."""
MOST_SKEW = timedelta(seconds=5)
"""Times of the database and of our processes are compared with each other: the worker is silent after 20 s."""
AHEAD = timedelta(seconds=10)
"""Of what Zigbee2MQTT says that a meter was heard; what is two minutes ahead is refused."""
REFUSED = timedelta(minutes=15)


def growth(now: datetime) -> Iterator[Finding]:
    """Days until the fullest disk of WATCHED_DISKS is full, if the readings go on as in the last week."""
    today = now.astimezone(UTC).date()
    sizes = partitions.sizes(today - timedelta(days=n) for n in range(1, LOOKED_BACK + 1))
    if len(sizes) < LOOKED_BACK:
        return
    a_day = mean(sizes.values())
    free = min((shutil.disk_usage(folder).free for folder in settings.WATCHED_DISKS), default=0)
    days = int(free / a_day) if a_day else DAYS_LEFT
    if settings.WATCHED_DISKS and days < DAYS_LEFT:
        facts: dict[str, Fact] = {"days": days, "mb_a_day": round(a_day / 1e6), "size_gb": round(_size() / 1e9, 1)}
        yield Finding("database_fills", Severity.WARNING, facts=facts)


def clock(now: datetime) -> Iterator[Finding]:
    """PostgreSQL's clock against ours, asked between two looks at ours. (A broker tells no time.)"""
    with connection.cursor() as cursor:
        before = timezone.now()
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
        after = timezone.now()
    skew = max(theirs - after, before - theirs)
    if skew > MOST_SKEW:
        yield Finding("clock_differs", Severity.WARNING, facts={"seconds": round(skew.total_seconds())})


def clocks_of_areas(now: datetime) -> Iterator[Finding]:
    """Zigbee2MQTTs whose meters were heard in the future: their clock is ahead of ours.

    By `last_seen`, each message's time: how old a health report is when it comes is told by nobody.
    """
    refused = RejectedMessage.objects.filter(code="from_the_future", last_at__gt=now - REFUSED)
    topics = list(refused.values_list("topic", flat=True))
    areas = Area.objects.filter(in_service=True).annotate(heard=Max("devices__meter__state__heard_at"))
    now = max(now, timezone.now())  # other checks may have taken their time
    for area in areas:
        is_refused = any(topic.startswith(f"{area.base_topic}/") for topic in topics)
        if is_refused or (area.heard and area.heard > now + AHEAD):
            facts: dict[str, Fact] = {"area": area.name}
            yield Finding("area_clock_ahead", Severity.WARNING, area.slug, facts)


def _size() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])
