"""The areas in service: their Zigbee2MQTT, and whether their meters are heard. An area being commissioned never alarms.

What nobody listened to is unknown, and no finding: that the worker or the broker is away is one itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Max

from meters import online
from meters.models import Area, AreaState, Meter
from monitoring.findings import Fact, Finding, Severity, key

MANY, SHARE = 5, 0.2
"""So many meters of an area at once, and such a share of them, are one event, not each one's."""
IS_OF_ITSELF = ("silent", "unavailable")
"""Why a meter is offline that should not be; what left, was removed or disabled was meant to go."""
LONGEST_OPEN = timedelta(minutes=15)
HEALTH_MISSED = 3
"""So many reports left out."""
DEFAULT_HEALTH_MIN = 10
"""Zigbee2MQTT's own (docs: configuration, health)."""
RESTART_WAITS = timedelta(hours=1)
"""Whoever changes its configuration restarts it within this time, unless it was forgotten."""


def are_many(count: int, of: int) -> bool:
    """Whether so many of an area's meters are one event."""
    return count >= MANY and count >= SHARE * of


def bridges(now: datetime) -> Iterator[Finding]:
    link = online.link(now)
    for state in _states():
        if link.bridge(state.area_id) == AreaState.Bridge.OFFLINE:
            code = "coordinator_lost" if state.lost_coordinator_at else "bridge_offline"
            yield _of(state, code, Severity.CRITICAL, since=state.bridge_since)


def silent_meters(now: datetime) -> Iterator[Finding]:
    """Many at once are one finding of their area, of which each meter's is a part: a fuse, a coordinator, a mast."""
    link = online.link(now)
    meters: dict[Area, list[Meter]] = defaultdict(list)
    for meter in (
        online.meters().select_related("device__area").filter(device__area__in_service=True, device__removed_at=None)
    ):
        if meter.device.area:
            meters[meter.device.area].append(meter)
    for area, theirs in meters.items():
        silent = [meter for meter in theirs if online.status(meter, link, now).reason in IS_OF_ITSELF]
        is_many = are_many(len(silent), len(theirs))
        if is_many:
            facts: dict[str, Fact] = {"area": area.name, "silent": len(silent), "meters": len(theirs)}
            yield Finding("many_silent", Severity.CRITICAL, area.slug, facts, _last_heard(silent))
        for meter in silent:
            facts = {"meter": meter.device.friendly_name, "area": area.name}
            part_of = key("many_silent", area.slug) if is_many else ""
            heard_at = meter.state.heard_at
            yield Finding("meter_silent", Severity.WARNING, meter.device.ieee_address, facts, heard_at, part_of)


def ping_cascades(now: datetime) -> Iterator[Finding]:
    """A burnt fuse must not grow into a cascade of pings."""
    for state in _states():
        if state.is_backoff_safe is False:
            yield _of(state, "ping_cascade", Severity.WARNING, value=state.pause_on_backoff_gt)


def open_networks(now: datetime) -> Iterator[Finding]:
    """Anybody's device may join."""
    for state in _states():
        if state.permit_join and (state.permit_join_until is None or state.permit_join_until > now + LONGEST_OPEN):
            yield _of(state, "network_open", Severity.WARNING, since=state.info_at)


def retained_commands(now: datetime) -> Iterator[Finding]:
    for state in _states():
        if state.retained_commands:
            topics = ", ".join(state.retained_commands[:3])
            yield _of(state, "retained_commands", Severity.WARNING, count=len(state.retained_commands), topics=topics)


def health_reports(now: datetime) -> Iterator[Finding]:
    """A Zigbee2MQTT that is online and tells nothing of its health any more hangs."""
    last = dict(Area.objects.annotate(last=Max("health__generated_at")).values_list("pk", "last"))
    link = online.link(now)
    for state in _states():
        told_at, minutes = last[state.area_id], state.setting("health", "interval") or DEFAULT_HEALTH_MIN
        if told_at is None or link.bridge(state.area_id) != AreaState.Bridge.ONLINE:
            continue
        if now - max(told_at, link.since or told_at) > timedelta(minutes=HEALTH_MISSED * minutes):
            yield _of(state, "health_silent", Severity.WARNING, since=told_at)


def channels(now: datetime) -> Iterator[Finding]:
    """Six networks share a campsite: a channel that nobody planned disturbs a neighbour, or Wi-Fi."""
    for state in _states():
        planned = state.area.expected_channel
        if planned and state.channel and state.channel != planned:
            yield _of(state, "channel_differs", Severity.NOTICE, channel=state.channel, planned=planned)


def waiting_restarts(now: datetime) -> Iterator[Finding]:
    """What was changed in its configuration is not yet in force."""
    for state in _states():
        if state.restart_required and state.info_at and now - state.info_at > RESTART_WAITS:
            yield _of(state, "restart_waits", Severity.NOTICE, since=state.info_at)


def _states() -> Iterable[AreaState]:
    return AreaState.objects.filter(area__in_service=True).select_related("area")


def _of(
    state: AreaState, code: str, severity: Severity, since: datetime | None = None, **facts: str | int | None
) -> Finding:
    return Finding(code, severity, state.area.slug, {"area": state.area.name, **facts}, since)


def _last_heard(meters: Sequence[Meter]) -> datetime | None:
    """When the first of them fell silent."""
    return min((meter.state.heard_at for meter in meters if meter.state.heard_at), default=None)
