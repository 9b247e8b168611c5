"""Asks meters for the position of their relay where nobody has told it yet, or since we or their Zigbee2MQTT were away,
or where it moved without us, and for their counter where a snapshot waits for it: a read, which switches nothing.

A Zigbee2MQTT tells a relay's position only when it moves, and after a start without a cache not at all. One question a
second and area, so that the network stays free; who does not answer is asked again after a while.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.utils import timezone

from meters import snapshots
from meters.models import Meter
from meters.mqtt import NotConnected
from meters.online import Online

ASK_AGAIN = timedelta(minutes=10)
COUNTER = json.dumps({"read": {"cluster": "seMetering", "attributes": ["currentSummDelivered"]}})
"""To the topic `set`: Zigbee2MQTT has no converter for a `get` of the energy."""

Ask = Callable[[int, str, datetime], None]
"""(meter, topic, now)"""


class Asker:
    """Keeps in memory who was asked when; forgetting it only costs a few more questions."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asked: dict[int, datetime] = {}
        self._waiting: dict[str, deque[tuple[int, str]]] = {}
        self._doubted: set[int] = set()

    def doubt(self, moved: Collection[int]) -> None:
        """Somebody moved these meters' relays, or only said so: they are to be asked as well."""
        self._doubted |= set(moved)

    def consider(self, statuses: Mapping[int, Online], connected_at: datetime | None) -> None:
        """Queue every online meter that was not asked of late and whose relay is unknown, or was told before we were
        connected or its Zigbee2MQTT ran; and those in doubt.
        """
        online = {meter for meter, status in statuses.items() if status.is_online}
        unknown = Q(state__relay=None) | Q(state__relay_at__lt=F("device__area__state__bridge_since"))
        if connected_at:
            unknown |= Q(state__relay_at__lt=connected_at)
        due = Q(unknown) | Q(pk__in=self._doubted)
        self._waiting.clear()
        place = ("device__area__base_topic", "device__area__state__bridge_since", "device__ieee_address")
        for meter, base_topic, bridge_since, ieee_address in Meter.objects.filter(
            due, pk__in=online, device__has_relay=True, device__relay_readable=True
        ).values_list("pk", *place):
            if meter in self._doubted or not self._was_asked_of_late(meter, bridge_since, connected_at):
                self._waiting.setdefault(base_topic, deque()).append((meter, ieee_address))

    def _was_asked_of_late(self, meter: int, *absences: datetime | None) -> bool:
        """And since the absences ended."""
        asked_at = self._asked.get(meter)
        if asked_at is None or timezone.now() - asked_at > ASK_AGAIN:
            return False
        return all(ended_at is None or ended_at < asked_at for ended_at in absences)

    def ask(self) -> None:
        """Ask one meter of each area. Without a connection nobody is asked, and nobody counts as asked."""
        for base_topic, meters in self._waiting.items():
            if not meters:
                continue
            meter, ieee_address = meters.popleft()
            now = timezone.now()
            try:
                self._ask(meter, f"{base_topic}/{ieee_address}/get", now)
            except NotConnected:
                return
            self._asked[meter] = now
            self._doubted.discard(meter)


class CounterAsker:
    """Settles snapshots, and asks the meters that they wait for. Who was asked when stands in their rows."""

    def __init__(self, publish: Callable[[str, str], None]) -> None:
        self._publish = publish
        self._waiting: dict[str, deque[snapshots.Question]] = {}

    def consider(self, statuses: Mapping[int, Online], now: datetime) -> None:
        """Settle what can be; queue the online meters of which a snapshot still waits."""
        snapshots.settle_due(now)
        self._waiting.clear()
        for question in snapshots.waiting(now):
            status = statuses.get(question.meter_id)
            if status and status.is_online:
                self._waiting.setdefault(question.base_topic, deque()).append(question)

    def ask(self) -> None:
        """Ask one meter of each area. Without a connection nobody is asked, and nobody counts as asked."""
        for meters in self._waiting.values():
            if not meters:
                continue
            question, now = meters.popleft(), timezone.now()
            try:
                self._publish(f"{question.base_topic}/{question.ieee_address}/set", COUNTER)
            except NotConnected:
                return
            snapshots.note_asked(question.meter_id, now)
