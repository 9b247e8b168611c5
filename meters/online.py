"""Whether a meter is online: computed here and nowhere else. The only module that writes OnlineSpan and Watch.

Online = the worker lives and is connected, AND the area's Zigbee2MQTT is online, AND the device is available, AND it
was heard within its expected interval. What was never heard is unknown, never online. What nobody listened to is
unknown, not offline: a silence counts only from when we listen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Greatest
from django.utils.translation import gettext_lazy as _

from meters import shards
from meters.forgetting import forget
from meters.models import Area, AreaState, Meter, MeterState, OnlineSpan, Watch, WorkerState

EXPECTED_GAPS = 2.5
SHORTEST_EXPECTED = timedelta(minutes=15)
WORKER_SILENCE = timedelta(seconds=20)
"""A worker whose last sign of life is older is taken for dead; it gives one every second."""


MOST_LAG_S = 60.0
"""Messages that have waited longer are not being stored: what the tables say is old, however alive the worker is."""


class Status(StrEnum):
    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


WORDS = {Status.ONLINE: _("online"), Status.OFFLINE: _("offline"), Status.UNKNOWN: _("unknown")}
REASONS = {
    "ok": _("heard as expected"),
    "worker": _("the link to the broker is down, nothing is being heard"),
    "bridge": _("this area's Zigbee2MQTT is not running"),
    "bridge_unknown": _("this area's Zigbee2MQTT has not been heard"),
    "unavailable": _("does not answer Zigbee2MQTT"),
    "silent": _("has not been heard for longer than usual"),
    "never": _("has never been heard"),
    "unheard": _("has not been heard yet since we are listening again"),
    "left": _("has left the Zigbee network"),
    "removed": _("was removed from Zigbee2MQTT"),
    "disabled": _("is disabled in Zigbee2MQTT"),
}


@dataclass(frozen=True, slots=True)
class Online:
    """`until`: when an online meter will count as silent unless it is heard. `reason`: a key of REASONS."""

    status: Status
    reason: str
    until: datetime | None = None

    @property
    def is_online(self) -> bool:
        return self.status is Status.ONLINE


@dataclass(frozen=True, slots=True)
class Link:
    """The parts between a device and us, at a moment: the workers, and each area's bridge as it was told.

    `watched`: by area (id), from when on somebody has listened to it without a break; None where nobody does.
    """

    workers: Sequence[WorkerState]
    states: Mapping[int, AreaState]
    watched: Mapping[int, datetime | None]
    now: datetime

    def worker(self, area_id: int | None) -> WorkerState | None:
        """The one that takes this area."""
        return next((worker for worker in self.workers if worker.takes(area_id)), None)

    def is_heard(self, area_id: int | None) -> bool:
        """Whether its worker lives, is connected, and stores what comes."""
        return is_listening(self.worker(area_id), self.now)

    @property
    def is_any_heard(self) -> bool:
        return any(is_listening(worker, self.now) for worker in self.workers)

    def since(self, area_id: int | None) -> datetime | None:
        """From when on somebody has listened without a break; None where nobody does."""
        worker = self.worker(area_id)
        return self.watched.get(area_id or 0) or (worker.connected_at if worker else None)

    def connected_at(self, area_id: int | None) -> datetime | None:
        """Since when its worker's present connection stands."""
        worker = self.worker(area_id)
        return worker.connected_at if worker else None

    def bridge(self, area_id: int | None) -> str:
        """Whether this area's Zigbee2MQTT runs: unknown, too, while nobody listens."""
        state = self.states.get(area_id or 0)
        if state is None or not self.is_heard(area_id):
            return AreaState.Bridge.UNKNOWN
        return bridge(state, self.worker(area_id))


def expected_interval(gap_s: float | None) -> timedelta:
    """Within which time a meter with this usual gap is expected to be heard."""
    return max(SHORTEST_EXPECTED, timedelta(seconds=EXPECTED_GAPS * (gap_s or 0)))


def link(now: datetime, known: Sequence[WorkerState] | None = None) -> Link:
    """The link as the tables tell it. Two queries, one where the workers' rows are at hand.

    They are read first: whoever finds a tick's number in them finds all that it told in what is read after.
    """
    of = workers() if known is None else known
    watches = Watch.objects.filter(Q(area=None) | Q(area=OuterRef("area")), until__gt=now - WORKER_SILENCE)
    unbroken = Subquery(watches.order_by("since").values("since")[:1])
    states = list(AreaState.objects.only("area_id", "bridge", "confirmed_at").annotate(since=unbroken))
    watched = {state.area_id: state.since for state in states}
    return Link(of, {state.area_id: state for state in states}, watched, now)


def workers() -> list[WorkerState]:
    """The one that takes all areas, or those that take some."""
    return list(WorkerState.objects.order_by("name"))


def bridge(state: AreaState, worker: WorkerState | None) -> str:
    """How this area's Zigbee2MQTT is: that it was not running before our present connection tells nothing of now.

    A broker hands out what it retains at once: an area that is offline still is confirmed within a moment.
    """
    said_at, connected_at = state.confirmed_at, worker.connected_at if worker else None
    is_old = said_at is not None and connected_at is not None and said_at < connected_at
    return AreaState.Bridge.UNKNOWN if is_old and state.bridge == AreaState.Bridge.OFFLINE else state.bridge


def is_listening(worker: WorkerState | None, now: datetime) -> bool:
    """Whether the worker lives, is connected, and stores what comes."""
    return worker is not None and is_connected(worker, now) and worker.lag_s < MOST_LAG_S


def is_connected(worker: WorkerState, now: datetime) -> bool:
    """Whether the worker lives and is connected."""
    return now - worker.heartbeat_at < WORKER_SILENCE and worker.connected_at is not None


def meters() -> QuerySet[Meter]:
    """Meters with all that `status` looks at, in one query."""
    return Meter.objects.select_related("device", "state")


class Facts(NamedTuple):
    """All that a meter's status depends on, beside the link."""

    area_id: int | None
    removed_at: datetime | None
    disabled: bool
    left_at: datetime | None
    available: bool | None
    heard_at: datetime | None
    gap_s: float | None


def fact_fields(prefix: str = "") -> tuple[str, ...]:
    """The columns of Facts, for a query of meters, or of what leads to a meter by `prefix`."""
    device = ("area_id", "removed_at", "disabled", "left_at", "available")
    state = ("heard_at", "gap_s")
    return (*(f"{prefix}device__{name}" for name in device), *(f"{prefix}state__{name}" for name in state))


def status(meter: Meter, link: Link, now: datetime) -> Online:
    """Whether this meter is online, and why or why not. `meter` comes from `meters()`."""
    device, state = meter.device, MeterState.of(meter)
    of_device = (device.area_id, device.removed_at, device.disabled, device.left_at, device.available)
    return judge(Facts(*of_device, state.heard_at, state.gap_s), link, now)


def statuses(
    now: datetime, areas: Sequence[int] | None = None, known: Sequence[WorkerState] | None = None
) -> dict[int, Online]:
    """The status of every meter of these areas (`shards.of`) by its id: small queries, no model instances. `known` as
    in `link`.
    """
    now_link = link(now, known)
    rows = Meter.objects.filter(shards.of("device__area", areas)).values_list("id", *fact_fields())
    return {meter_id: judge(Facts(*facts), now_link, now) for meter_id, *facts in rows}


def judge(facts: Facts, link: Link, now: datetime) -> Online:
    """The rule. What is certain of the device comes first, then the link to it, then the device's own silence."""
    if facts.removed_at:  # of a device that leaves, Zigbee2MQTT first lists it no more and then tells why
        return Online(Status.OFFLINE, "left" if facts.left_at else "removed")
    if facts.disabled:
        return Online(Status.OFFLINE, "disabled")
    if facts.left_at:
        return Online(Status.OFFLINE, "left")
    if not link.is_heard(facts.area_id):
        return Online(Status.UNKNOWN, "worker")
    bridge = link.bridge(facts.area_id)
    if bridge == AreaState.Bridge.OFFLINE:
        return Online(Status.OFFLINE, "bridge")
    if bridge != AreaState.Bridge.ONLINE:
        return Online(Status.UNKNOWN, "bridge_unknown")
    if facts.heard_at is None:
        return Online(Status.UNKNOWN, "never")
    if facts.available is False:
        return Online(Status.OFFLINE, "unavailable")
    expected = expected_interval(facts.gap_s)
    until = facts.heard_at + expected
    if now < until:
        return Online(Status.ONLINE, "ok", until)
    since = link.since(facts.area_id)
    if since is not None and now < since + expected:
        return Online(Status.UNKNOWN, "unheard")
    return Online(Status.OFFLINE, "silent")


# --- history ---------------------------------------------------------------------------------------------------------


def watch(now: datetime, areas: Sequence[int] | None = None) -> None:
    """Note that somebody is listening now, to these areas (ids) or to all: without a break since the last call, unless
    that was long ago. What another worker began is gone on with.
    """
    unbroken = Watch.objects.filter(until__gt=now - WORKER_SILENCE)
    if areas is None:
        if not unbroken.filter(area=None).update(until=now):
            Watch.objects.create(since=_listened_to_each_since(unbroken) or now, until=now)
        return
    mine = unbroken.filter(area__in=areas)
    mine.update(until=now)
    if new := Area.objects.filter(pk__in=areas).exclude(pk__in=mine.values("area")):
        begun = unbroken.filter(area=None).aggregate(since=Min("since"))["since"]
        Watch.objects.bulk_create([Watch(area=area, since=begun or now, until=now) for area in new])


def _listened_to_each_since(unbroken: QuerySet[Watch]) -> datetime | None:
    """Since when there is no area that nobody of several listened to; None: there is one now."""
    since = dict(unbroken.exclude(area=None).values_list("area", "since"))
    every = set(Area.objects.values_list("pk", flat=True))
    return max(since.values()) if every and every <= since.keys() else None


def record(statuses: Mapping[int, Online], now: datetime) -> set[int]:
    """Open a span for each meter (by id) that is online and has none open, close the others' open spans.

    Returns the ids of the meters that turned.
    """
    open_spans = set(OnlineSpan.objects.filter(until=None).values_list("meter_id", flat=True))
    opening = [meter for meter, online in statuses.items() if online.is_online and meter not in open_spans]
    closing = [
        (meter, statuses[meter].reason) for meter in open_spans if meter in statuses and not statuses[meter].is_online
    ]
    turned = {*opening, *(meter for meter, _ in closing)}
    if not turned:
        return turned
    with transaction.atomic():
        OnlineSpan.objects.bulk_create(
            [OnlineSpan(meter_id=meter, since=now) for meter in opening], ignore_conflicts=True
        )
        for meter, reason in closing:
            OnlineSpan.objects.filter(meter=meter, until=None).update(until=now, ended_by=reason)
    return turned


def close_after_outage(last_sign_of_life: datetime | None, areas: Sequence[int] | None = None) -> None:
    """At a worker's start: nobody watched its areas (`shards.of`) since their worker's last sign of life, so no span of
    theirs may reach further.
    """
    if last_sign_of_life is None:
        return
    spans = OnlineSpan.objects.filter(shards.of("meter__device__area", areas), until=None)
    spans.update(until=Greatest(F("since"), last_sign_of_life), ended_by="worker")


def prune(before: datetime) -> int:
    """Forget times online that ended before then, and who listened; returns how many. Each meter's last one stays: it
    tells why the meter is gone.
    """
    later = OnlineSpan.objects.filter(meter=OuterRef("meter"), since__gt=OuterRef("since"))
    spans = forget(OnlineSpan.objects.filter(Exists(later), until__lt=before))
    return spans + forget(Watch.objects.filter(until__lt=before))
