"""What is told of the areas: their Zigbee2MQTTs, their meters, their power and energy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import OuterRef, Subquery

from meters import online
from meters.models import Area, AreaHealth, AreaState, Meter
from monitoring.metrics.families import Metric, counter, gauge

AREA = ["area"]
JOULES_A_KWH = 3_600_000


def collect(now: datetime) -> Iterator[Metric]:
    link = online.link(now)
    areas = list(Area.objects.select_related("state").order_by("slug"))
    yield from _bridges(areas, link)
    yield from _meters(areas, link, now)
    yield from _health()


def _bridges(areas: Sequence[Area], link: online.Link) -> Iterator[Metric]:
    states = [(area, AreaState.of(area)) for area in areas]
    text = "Always 1; the name that staff gave, the version of its Zigbee2MQTT."
    rows = [(area.slug, area.name, state.version, 1) for area, state in states]
    yield gauge("campsite_area_info", text, rows, ["area", "name", "version"])
    text = "Whether the area is in service; 0: being commissioned, and never alarms."
    yield gauge("campsite_area_in_service", text, [(area.slug, area.in_service) for area in areas], AREA)
    text = "Whether the area switches by itself; 0: it observes only."
    acts = [(area.slug, area.control == Area.Control.ACT) for area in areas]
    yield gauge("campsite_area_acts", text, acts, AREA)
    text = "Whether the area's Zigbee2MQTT runs. Left out while nobody knows."
    yield gauge("campsite_area_bridge_up", text, [(area.slug, _is_up(link.bridge(area.pk))) for area in areas], AREA)
    text = "The Zigbee channel that it reports."
    yield gauge("campsite_area_zigbee_channel", text, [(area.slug, state.channel) for area, state in states], AREA)
    text = "Whether it is open for new devices, as it last reported."
    yield gauge("campsite_area_permit_join", text, [(area.slug, state.permit_join) for area, state in states], AREA)


def _is_up(bridge: str) -> bool | None:
    return None if bridge == AreaState.Bridge.UNKNOWN else bridge == AreaState.Bridge.ONLINE


class _Told(NamedTuple):
    """What is read of a meter, before the facts of whether it is online."""

    area: str
    power_w: int | None
    counter_at: datetime | None
    energy_kwh: Decimal | None


COLUMNS = ("device__area__slug", "state__power_w", "state__counter_at", "state__energy_kwh")


@dataclass(slots=True)
class _Sums:
    """Of an area's meters."""

    statuses: Counter[online.Status] = field(default_factory=Counter)
    powers_w: list[int] = field(default_factory=list)
    energies_kwh: list[Decimal] = field(default_factory=list)

    def add(self, told: _Told, status: online.Status) -> None:
        self.statuses[status] += 1
        if status is online.Status.ONLINE and told.power_w is not None:
            self.powers_w.append(told.power_w)
        if told.counter_at and told.energy_kwh is not None:
            self.energies_kwh.append(told.energy_kwh)

    @property
    def power_w(self) -> int | None:
        return sum(self.powers_w) if self.powers_w else None

    @property
    def energy_j(self) -> Decimal | None:
        return sum(self.energies_kwh, Decimal(0)) * JOULES_A_KWH if self.energies_kwh else None


def _sums(areas: Sequence[Area], link: online.Link, now: datetime) -> dict[str, _Sums]:
    """By area. One that belongs to no area yet was never heard."""
    found = {area.slug: _Sums() for area in areas}
    listed = Meter.objects.filter(device__removed_at=None, device__area__isnull=False)
    for row in listed.values_list(*COLUMNS, *online.fact_fields()):
        told, facts = _Told(*row[: len(COLUMNS)]), online.Facts(*row[len(COLUMNS) :])
        if told.area in found:  # one that was made a moment ago is told next time
            found[told.area].add(told, online.judge(facts, link, now).status)
    return found


def _meters(areas: Sequence[Area], link: online.Link, now: datetime) -> Iterator[Metric]:
    sums = _sums(areas, link, now)
    text = "Meters that the area's Zigbee2MQTT lists, by whether they are online; the sum is how many there should be."
    rows = [(slug, status.value, each.statuses[status]) for slug, each in sums.items() for status in online.Status]
    yield gauge("campsite_area_meters", text, rows, ["area", "status"])
    text = "The sum of what the meters use that are online and tell it. Left out where none does."
    yield gauge("campsite_area_power_watts", text, [(slug, each.power_w) for slug, each in sums.items()], AREA)
    text = "How many meters campsite_area_power_watts is the sum of."
    yield gauge("campsite_area_power_meters", text, [(slug, len(each.powers_w)) for slug, each in sums.items()], AREA)
    text = "What the area's present meters have used since they are known. A meter that moves takes its energy along."
    yield gauge("campsite_area_energy_joules", text, [(slug, each.energy_j) for slug, each in sums.items()], AREA)


def _health() -> Iterator[Metric]:
    """From each Zigbee2MQTT's last report of its health, by default one in ten minutes."""
    newest = AreaHealth.objects.filter(area=OuterRef("pk")).order_by("-generated_at").values("pk")[:1]
    last = AreaHealth.objects.filter(pk__in=Area.objects.annotate(last=Subquery(newest)).values("last"))
    told = [(health.area.slug, health) for health in last.select_related("area").order_by("area__slug")]
    text = "When its Zigbee2MQTT last reported its health."
    yield gauge(
        "campsite_area_health_timestamp_seconds", text, [(slug, each.generated_at) for slug, each in told], AREA
    )
    text = "How long its Zigbee2MQTT had been running then."
    yield gauge("campsite_area_bridge_uptime_seconds", text, [(slug, each.uptime_s) for slug, each in told], AREA)
    text = "Messages that waited in its Zigbee2MQTT for the broker."
    yield gauge("campsite_area_mqtt_queue_messages", text, [(slug, each.mqtt_queued) for slug, each in told], AREA)
    text = "Messages that its Zigbee2MQTT sent to the broker since it started."
    yield counter(
        "campsite_area_mqtt_published_messages", text, [(slug, each.mqtt_published) for slug, each in told], AREA
    )
    text = "Zigbee messages of its devices since its Zigbee2MQTT started."
    yield counter("campsite_area_zigbee_messages", text, [(slug, _messages(each)) for slug, each in told], AREA)


def _messages(health: AreaHealth) -> int:
    """What was reported is a stranger's: only what is a number counts."""
    told = health.devices.values() if isinstance(health.devices, dict) else ()
    counts = (each.get("messages") for each in told if isinstance(each, dict))
    return sum(count for count in counts if isinstance(count, int) and 0 <= count < 2**53)
