"""The areas in service: their Zigbee2MQTT, and whether their meters are heard. An area being commissioned never alarms.

What nobody listened to is unknown, and no finding: that the worker or the broker is away is one itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Max

from meters import losses, online
from meters.models import Area, AreaState, Meter
from monitoring import silence
from monitoring.findings import Fact, Finding, Severity, key
from monitoring.models import Incident

LONGEST_OPEN = timedelta(minutes=15)
HEALTH_MISSED = 3
"""So many reports left out."""
DEFAULT_HEALTH_MIN = 10
"""Zigbee2MQTT's own (docs: configuration, health)."""
RESTART_WAITS = timedelta(hours=1)
"""Whoever changes its configuration restarts it within this time, unless it was forgotten."""


def bridges(now: datetime) -> Iterator[Finding]:
    link = online.link(now)
    for state in _states():
        if link.bridge(state.area_id) == AreaState.Bridge.OFFLINE:
            code = "coordinator_lost" if state.has_lost_coordinator else "bridge_offline"
            yield _of(state, code, Severity.CRITICAL, since=state.bridge_since)


def silent_meters(now: datetime) -> Iterator[Finding]:
    """Many at once are one finding of their area, of which each meter's is a part: a fuse, a coordinator, a mast.

    Those that fell silent together are told minutes before the silence of each would count.
    """
    link = online.link(now)
    known = _known("many_silent")
    for state, theirs in _with_meters():
        area, many = state.area, silence.needed(len(theirs))
        silent = [meter for meter in theirs if online.status(meter, link, now).reason in silence.IS_OF_ITSELF]
        lost = _lost(state, theirs, silent, link, now, many, known.get(area.slug))
        is_many = bool(lost) or len(silent) >= many
        if is_many:
            facts: dict[str, Fact] = {"area": area.name, "silent": len({*silent, *lost}), "meters": len(theirs)}
            since = max(_heard(lost)) if lost else silence.since(_heard(silent), len(theirs))
            yield Finding("many_silent", Severity.CRITICAL, area.slug, facts, since)
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
    """Anybody's device may join. Zigbee2MQTT opens for minutes at most: to open again and again is to leave open."""
    known = _known("network_open")
    for state in _states():
        until = state.permit_join_until
        if not state.permit_join or (until is not None and until <= now):
            continue
        since = known.get(state.area.slug, now)
        is_left = until is None or until > now + LONGEST_OPEN or now - since > LONGEST_OPEN
        yield _of(state, "network_open", Severity.WARNING if is_left else Severity.NOTICE, since=min(since, now))


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
        if now - max(told_at, link.since(state.area_id) or told_at) > timedelta(minutes=HEALTH_MISSED * minutes):
            yield _of(state, "health_silent", Severity.WARNING, since=told_at)


def channels(now: datetime) -> Iterator[Finding]:
    """Six networks share a campsite: a channel that nobody planned disturbs a neighbour, or Wi-Fi."""
    for state in _states():
        planned = state.area.expected_channel
        if planned and state.channel and state.channel != planned:
            yield _of(state, "channel_differs", Severity.NOTICE, channel=state.channel, planned=planned)


def waiting_restarts(now: datetime) -> Iterator[Finding]:
    """What was changed in its configuration is not yet in force. That it is told again does not begin it anew."""
    known = _known("restart_waits")
    for state in _states():
        if state.restart_required and state.info_at:
            since = min(known.get(state.area.slug, state.info_at), state.info_at)
            if now - since > RESTART_WAITS:
                yield _of(state, "restart_waits", Severity.WARNING, since=since)


def _known(code: str) -> dict[str, datetime]:
    """Since when this stands open, by the area's slug."""
    return dict(Incident.objects.filter(code=code, closed_at=None).values_list("about", "since"))


def _states() -> Iterable[AreaState]:
    return AreaState.objects.filter(area__in_service=True).select_related("area")


def _of(
    state: AreaState, code: str, severity: Severity, since: datetime | None = None, **facts: str | int | None
) -> Finding:
    return Finding(code, severity, state.area.slug, {"area": state.area.name, **facts}, since)


def _lost(
    state: AreaState,
    theirs: Sequence[Meter],
    silent: Sequence[Meter],
    link: online.Link,
    now: datetime,
    many: int,
    known_since: datetime | None,
) -> list[Meter]:
    """Those of an area's meters that fell silent together, where its Zigbee2MQTT runs."""
    if link.bridge(state.area_id) != AreaState.Bridge.ONLINE:
        return []
    meant = [meter for meter in theirs if not (meter.device.disabled or meter.device.left_at)]
    return losses.together(meant, silent, state, link, now, least=many, known_since=known_since)


def _with_meters() -> Iterator[tuple[AreaState, list[Meter]]]:
    meters: dict[int | None, list[Meter]] = defaultdict(list)
    for meter in online.meters().filter(device__area__in_service=True, device__removed_at=None):
        meters[meter.device.area_id].append(meter)
    for state in _states():
        yield state, meters[state.area_id]


def _heard(meters: Sequence[Meter]) -> list[datetime]:
    """When these were last heard."""
    return [meter.state.heard_at for meter in meters if meter.state.heard_at]
