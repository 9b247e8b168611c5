"""What an area's Zigbee network goes through: who talks too much, who leaves, who is hardly heard.

By the readings of the last minutes, and by Zigbee2MQTT's health reports (one in ten minutes); both only as far as they
are of now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connection

from meters.models import Area, AreaHealth, AreaState, Device, Watch
from monitoring import silence
from monitoring.findings import Fact, Finding, Severity, key

MINUTES = 2
AHEAD = timedelta(minutes=2)
"""Readings may be so far ahead (meters/ingest.py)."""
MOST_A_MINUTE = 45
"""A meter may report three quantities each five seconds: 36 a minute, while a load changes. Those that spam do so at
least each second (Zigbee2MQTT's issues 29241, 16845)."""
SETTLED = timedelta(minutes=MINUTES + 1)
"""What waited on the broker comes all at once when somebody listens again; where it tells no time of its own, it looks
like a storm."""
OF_NOW = timedelta(minutes=25)
"""A health report that is older, two and a half intervals, tells nothing of now."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUEUED = 3
"""So many reports in a row with messages waiting: half an hour in which it did not get rid of them."""
RESTARTS_A_DAY = 3
SAME_START = timedelta(seconds=30)
"""The uptime is told in whole seconds, and its clock is set right now and then."""
STORM_TIMES, STORM_A_SECOND, STORM_REPORTS = 4, 5, 12
"""So many times its usual rate, and no less than so many messages a second, which a hundred meters may well send;
usual is the median of the week, of at least two hours' reports."""
LEFT_A_DAY, MOVED_A_DAY = 3, 5
"""A meter whose power goes and comes rejoins under the same address and leaves nothing."""
WEAK_LINK, WEAK_FOR, WEAK_READINGS = 30, timedelta(hours=6), 20
"""Of 255. It is the last hop's. Below, commands need several attempts; a passing car is gone within the hours."""


class Rate(NamedTuple):
    """How often a meter is heard."""

    ieee_address: str
    name: str
    a_minute: float


class Loud(NamedTuple):
    """An area in which some of so many meters chatter, the loudest first."""

    name: str
    slug: str
    meters: int
    loud: list[Rate]

    @property
    def is_many(self) -> bool:
        return len(self.loud) >= silence.needed(self.meters)

    @property
    def cause(self) -> str:
        """The finding (by its key) that explains why the whole area is loud."""
        return key("many_chatter", self.slug) if self.is_many else key("chatters", self.loud[0].ieee_address)


class Report(NamedTuple):
    """A health report, without what it tells of devices."""

    at: datetime
    uptime_s: int | None
    queued: int | None
    published: int | None

    @property
    def began(self) -> datetime | None:
        """When its process started, by its own clock."""
        return None if self.uptime_s is None else self.at - timedelta(seconds=self.uptime_s)


# The unique index serves each meter: nothing looks through a day's readings, nor through the days that are made ahead.
READINGS = """
SELECT a.name, a.slug, d.ieee_address, d.friendly_name, heard.readings / %(minutes)s::float
FROM meters_meter m JOIN meters_device d ON d.id = m.device_id JOIN meters_area a ON a.id = d.area_id
CROSS JOIN LATERAL (
    SELECT count(*) AS readings FROM meters_reading r
    WHERE r.meter_id = m.id AND r.measured_at BETWEEN %(since)s AND %(until)s
) heard
WHERE a.in_service AND d.removed_at IS NULL ORDER BY heard.readings DESC, d.ieee_address
"""
# What it published between two reports; the first report after a restart counts from nothing.
PUBLISHED = """
WITH rates AS (
    SELECT area_id, generated_at, (mqtt_published - lag(mqtt_published) OVER reports)
        / nullif(extract(epoch FROM generated_at - lag(generated_at) OVER reports), 0) AS a_second
    FROM meters_areahealth h WHERE generated_at > %(since)s
    WINDOW reports AS (PARTITION BY area_id ORDER BY generated_at)
)
SELECT a.name, a.slug, (array_agg(a_second ORDER BY generated_at DESC))[1]::float, max(generated_at), count(*),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY a_second)::float
FROM rates JOIN meters_area a ON a.id = area_id WHERE a.in_service AND a_second >= 0 GROUP BY a.id
"""
WEAK = """
SELECT d.ieee_address, d.friendly_name, a.name, heard.linkquality
FROM meters_meterstate s JOIN meters_meter m ON m.id = s.meter_id JOIN meters_device d ON d.id = m.device_id
JOIN meters_area a ON a.id = d.area_id
CROSS JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY r.linkquality) AS linkquality, count(*) AS readings
    FROM meters_reading r
    WHERE r.meter_id = m.id AND r.measured_at BETWEEN %(since)s AND %(until)s AND r.linkquality IS NOT NULL
) heard
WHERE a.in_service AND d.removed_at IS NULL AND s.linkquality < %(weak)s
    AND heard.linkquality < %(weak)s AND heard.readings >= %(readings)s
"""


def chattering(now: datetime) -> Iterator[Finding]:
    """Meters that fill the air, within two minutes; many at once are one storm of their area."""
    for area in _loud(now):
        if area.is_many:
            facts: dict[str, Fact] = {"area": area.name, "meters": len(area.loud), "of": area.meters}
            yield Finding("many_chatter", Severity.CRITICAL, area.slug, facts)
        for rate in area.loud:
            part_of = key("many_chatter", area.slug) if area.is_many else ""
            yield _chatters(rate.ieee_address, rate.name, area.name, rate.a_minute, part_of)


def chattering_others(now: datetime) -> Iterator[Finding]:
    """Repeaters and the like have no readings: Zigbee2MQTT counts what it hears of them."""
    others = dict(Device.objects.filter(meter=None).values_list("ieee_address", "friendly_name"))
    for area, before, last in _two_reports(now, 2 * OF_NOW):
        minutes = (last.generated_at - before.generated_at).total_seconds() / 60
        for address, messages in _risen(before, last, "messages").items():
            if address in others and messages >= MOST_A_MINUTE * minutes:
                yield _chatters(address, others[address], area.name, messages / minutes)


def storms(now: datetime) -> Iterator[Finding]:
    """A whole area tells far more than it usually does: a storm of broadcasts, of pings, of somebody's automation."""
    loud = {area.slug: area for area in _loud(now)}
    for name, slug, a_second, at, reports, usual in _rows(PUBLISHED, since=now - 7 * DAY):
        is_of_now = now - at < OF_NOW and reports >= STORM_REPORTS
        if is_of_now and a_second >= max(STORM_A_SECOND, STORM_TIMES * usual):
            facts: dict[str, Fact] = {"area": name, "per_s": round(a_second, 1), "usual_per_s": round(usual, 1)}
            part_of = loud[slug].cause if slug in loud else ""
            yield Finding("storm", Severity.WARNING, slug, facts, part_of=part_of)


def queues(now: datetime) -> Iterator[Finding]:
    """It has messages for the broker and does not get rid of them.

    Zigbee2MQTT 2.14.1 never says so: what it counts waits only while it is not connected, and then it reports nothing
    (lib/mqtt.ts). The number is looked at for others that count otherwise.
    """
    for (name, slug), reports in _reports(now, HOUR).items():
        last = reports[-QUEUED:]
        if len(last) == QUEUED and now - last[-1].at < OF_NOW and all(each.queued for each in last):
            facts: dict[str, Fact] = {"area": name, "queued": last[-1].queued}
            yield Finding("queue_waits", Severity.WARNING, slug, facts, last[0].at)


def restarts(now: datetime) -> Iterator[Finding]:
    """A Zigbee2MQTT that starts again and again. One that does so each few minutes reports no health at all."""
    states = AreaState.objects.filter(area__in_service=True).select_related("area")
    forgetful = {state.area.slug for state in states if state.setting("health", "reset_on_check")}
    for (name, slug), reports in _reports(now, DAY).items():
        if slug in forgetful:  # its counts begin anew with each report
            reports = [report._replace(published=None) for report in reports]
        times = sum(_is_restarted(before, after) for before, after in pairwise(reports))
        if times > RESTARTS_A_DAY:
            yield Finding("restarts_often", Severity.WARNING, slug, {"area": name, "times": times})


def rejoining(now: datetime) -> Iterator[Finding]:
    """Devices that leave their network, or change their address in it, again and again within a day."""
    found: dict[str, dict[str, Fact]] = {}
    for area, before, last in _two_reports(now, DAY):
        left, moved = _risen(before, last, "leave_count"), _risen(before, last, "network_address_changes")
        for address in left | moved:
            times = left.get(address, 0), moved.get(address, 0)
            if times[0] >= LEFT_A_DAY or times[1] >= MOVED_A_DAY:
                found[address] = {"area": area.name, "left": times[0], "moved": times[1]}
    names = Device.objects.filter(ieee_address__in=found).values_list("ieee_address", "friendly_name")
    for address, name in names:
        yield Finding("rejoins", Severity.NOTICE, address, {"meter": name, **found[address]})


def weak_links(now: datetime) -> Iterator[Finding]:
    """Meters that have been hardly heard for hours. Only those that are weak now are looked at."""
    told = {"since": now - WEAK_FOR, "until": now + AHEAD, "weak": WEAK_LINK, "readings": WEAK_READINGS}
    for address, name, area, linkquality in _rows(WEAK, **told):
        facts: dict[str, Fact] = {"meter": name, "area": area, "linkquality": round(linkquality)}
        yield Finding("weak_link", Severity.NOTICE, address, facts)


def reporting(now: datetime) -> set[int]:
    """The areas (by id) whose Zigbee2MQTT's last report is of now."""
    return set(AreaHealth.objects.filter(generated_at__gt=now - OF_NOW).values_list("area", flat=True))


# --- inside ----------------------------------------------------------------------------------------------------------


def _loud(now: datetime) -> list[Loud]:
    by_area: dict[tuple[str, str], list[Rate]] = defaultdict(list)
    for name, slug, *rate in _rows(
        READINGS, minutes=MINUTES, since=now - timedelta(minutes=MINUTES), until=now + AHEAD
    ):
        by_area[name, slug].append(Rate(*rate))
    areas = (Loud(*area, len(all_), [r for r in all_ if r.a_minute >= MOST_A_MINUTE]) for area, all_ in by_area.items())
    loud = [area for area in areas if area.loud]
    if not loud:
        return []
    unsettled = set(Watch.objects.filter(since__gt=now - SETTLED).values_list("area__slug", flat=True))
    return [area for area in loud if unsettled.isdisjoint({area.slug, None})]


def _chatters(address: str, name: str, area: str, a_minute: float, part_of: str = "") -> Finding:
    facts: dict[str, Fact] = {"meter": name, "area": area, "per_min": round(a_minute)}
    return Finding("chatters", Severity.WARNING, address, facts, part_of=part_of)


def _reports(now: datetime, within: timedelta) -> dict[tuple[str, str], list[Report]]:
    """The reports of each area in service (its name, its short name) within this time, the oldest first."""
    found: dict[tuple[str, str], list[Report]] = defaultdict(list)
    reports = AreaHealth.objects.filter(area__in_service=True, generated_at__gt=now - within).order_by("generated_at")
    counts = ("generated_at", "uptime_s", "mqtt_queued", "mqtt_published")
    for name, slug, *told in reports.values_list("area__name", "area__slug", *counts):
        found[name, slug].append(Report(*told))
    return found


def _two_reports(now: datetime, within: timedelta) -> Iterator[tuple[Area, AreaHealth, AreaHealth]]:
    """The first and the last report of each area within this time, where there are two and the last is of now."""
    of_now = AreaHealth.objects.filter(area__in_service=True, generated_at__gt=now - within).select_related("area")
    firsts = {each.area_id: each for each in of_now.order_by("area_id", "generated_at").distinct("area_id")}
    for last in of_now.order_by("area_id", "-generated_at").distinct("area_id"):
        first = firsts[last.area_id]
        if now - last.generated_at < OF_NOW and first.generated_at < last.generated_at:
            yield last.area, first, last


def _is_restarted(before: Report, after: Report) -> bool:
    """Its process, or only its counters: it restarts itself without ending, too.

    The first report comes a whole interval after the start: those of one that lives for a quarter of an hour each time
    all tell the same uptime.
    """
    if before.began and after.began and after.began - before.began > SAME_START:
        return True
    return before.published is not None and after.published is not None and after.published < before.published


def _risen(before: AreaHealth, after: AreaHealth, what: str) -> dict[str, int]:
    """By how much this count of each device rose; counts that fell have begun anew."""
    risen = {}
    for address, told in after.devices.items():
        was, is_now = _count(before.devices.get(address), what), _count(told, what)
        risen[address] = is_now - was if is_now >= was else is_now
    return {address: by for address, by in risen.items() if by}


def _count(told: Any, what: str) -> int:
    """What a health report says of a device is whatever its Zigbee2MQTT sends."""
    value = told.get(what) if isinstance(told, Mapping) else None
    return value if isinstance(value, int) else 0


def _rows(query: str, **told: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, told)
        return list(cursor.fetchall())
