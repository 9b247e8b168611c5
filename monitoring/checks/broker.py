"""The broker itself: does a message come back, how fast, does it drop any; beside what the worker says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings

from meters import mqtt
from meters.models import AreaState
from monitoring.findings import Finding, Severity, key

TIMEOUT_S = 10.0
SLOW_S = 2.0
"""A round trip takes a millisecond or two. Switching shows its proof after two of them, and a person waits for it."""
HEARD = timedelta(minutes=2)
DROPPED_A_MIN = 1.0
"""Mosquitto drops a message at QoS 1 when a client's queue is full; it counts none at QoS 0 for who is away."""


def round_trip(now: datetime) -> Iterator[Finding]:
    """A message goes to the broker and comes back; what the broker tells of itself comes with it."""
    if not settings.MQTT_URL:
        return
    try:
        trip = mqtt.round_trip(settings.MQTT_URL, TIMEOUT_S)
    except mqtt.NoRoundTrip as failure:
        yield _failed(failure, now)
        return
    if trip.seconds >= SLOW_S:
        yield Finding("broker_slow", Severity.WARNING, facts={"seconds": round(trip.seconds, 1)})
    dropped = _number(trip.broker, "load/publish/dropped/5min")
    if dropped >= DROPPED_A_MIN:
        yield Finding("broker_drops", Severity.WARNING, facts={"messages": round(dropped)})


def _failed(failure: mqtt.NoRoundTrip, now: datetime) -> Finding:
    """Where areas are heard all the same, the broker works, and only this does not: an access list, mostly."""
    is_heard = AreaState.objects.filter(seen_at__gt=now - HEARD).exists()
    severity = Severity.WARNING if is_heard else Severity.CRITICAL
    facts = {"how": failure.how, "detail": failure.detail[:200]}
    return Finding("broker_no_round_trip", severity, facts=facts, part_of=key("broker_away"))


def _number(told: Mapping[str, str], name: str) -> float:
    """0 where the broker does not tell it."""
    try:
        return float(told.get(name, 0))
    except ValueError:
        return 0.0
