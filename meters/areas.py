"""What each Zigbee2MQTT says of itself, and whether its area acts.

The only module that writes AreaState, AreaHealth and FoundInstance.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from meters import notify, shards
from meters.forgetting import forget
from meters.models import Area, AreaHealth, AreaState, FoundInstance
from meters.zigbee2mqtt import BridgeInfo, Groups, Health

logger = logging.getLogger(__name__)

MOST_FOUND = 50
"""So many of the unknown instances are kept, those seen last."""
LONGEST_TOPIC = 200
LONGEST_COMMAND = 400


def set_control(areas: Sequence[Area], control: str) -> list[Area]:
    """Let these areas act, or only observe; returns those that did otherwise before. Noted by the audit log."""
    changed = [area for area in areas if area.control != control]
    with transaction.atomic():
        for area in changed:
            area.control = control
            area.save(update_fields=["control"])
        notify.touch()
        notify.wake()
    return changed


def apply_bridge_state(area_id: int, online: bool, at: datetime, *, is_live: bool = True) -> bool:
    """Note online or offline (offline also is the last will); returns whether that was news.

    A retained online confirms nothing: a broker that began anew from an older memory hands out that of one that died.
    """
    bridge = AreaState.Bridge.ONLINE if online else AreaState.Bridge.OFFLINE
    _make(area_id)
    state = AreaState.objects.filter(area=area_id)
    if is_live or not online:
        state.update(confirmed_at=at, seen_at=at)
    if online:
        state.update(coordinator_lost_at=None)
    return bool(AreaState.objects.filter(area=area_id).exclude(bridge=bridge).update(bridge=bridge, bridge_since=at))


def note_live(area_ids: Iterable[int], at: datetime) -> list[int]:
    """Live messages came from these areas: their Zigbee2MQTT runs. Returns the ids of those where that is news."""
    states = AreaState.objects.filter(area__in=list(area_ids))
    states.update(confirmed_at=at, seen_at=at)
    unknown = states.filter(bridge=AreaState.Bridge.UNKNOWN)
    areas = list(unknown.values_list("area_id", flat=True))
    unknown.update(bridge=AreaState.Bridge.ONLINE, bridge_since=at)
    return areas


def doubt(connected_at: datetime, areas: Sequence[int] | None = None) -> list[int]:
    """Bridges of these areas (`shards.of`) silent since this connection came up are unknown: a broker that lost its
    memory tells no wills.

    Returns the ids of the areas whose state changed.
    """
    silent = AreaState.objects.filter(shards.of("area", areas), bridge=AreaState.Bridge.ONLINE).filter(
        Q(confirmed_at=None) | Q(confirmed_at__lt=connected_at)
    )
    doubted = list(silent.values_list("area_id", flat=True))
    silent.update(bridge=AreaState.Bridge.UNKNOWN, bridge_since=connected_at)
    return doubted


def apply_info(area_id: int, info: BridgeInfo, at: datetime) -> None:
    _make(area_id)
    AreaState.objects.filter(area=area_id).update(
        version=info.version,
        coordinator=info.coordinator,
        channel=info.channel,
        permit_join=info.permit_join,
        permit_join_until=info.permit_join_until,
        restart_required=info.restart_required,
        configuration=info.configuration,
        network=info.network,
        info_at=at,
    )


def note_lost_coordinator(area_id: int, at: datetime) -> None:
    """It said that it lost its antenna, and ends: told of it until it runs again."""
    AreaState.objects.filter(area=area_id).update(coordinator_lost_at=at)


def apply_groups(area_id: int, groups: Groups) -> None:
    _make(area_id)
    AreaState.objects.filter(area=area_id).update(groups=list(groups.sizes), group_sizes=dict(groups.sizes))


def note_retained_command(area_id: int, rest: str, *, lies: bool) -> list[int]:
    """Somebody left a command on the broker (or it was cleared): Zigbee2MQTT runs it at each reconnect.

    Returns the ids of the areas whose state changed. Bounded.
    """
    if lies:
        _make(area_id)  # what is retained comes in any order
    state = AreaState.objects.filter(area=area_id).first()
    if state is None or lies is (rest[:LONGEST_COMMAND] in state.retained_commands):
        return []
    others = [topic for topic in state.retained_commands if topic != rest[:LONGEST_COMMAND]]
    told = [*others, rest[:LONGEST_COMMAND]][-MOST_FOUND:] if lies else others
    AreaState.objects.filter(area=area_id).update(retained_commands=told)
    if lies:
        logger.warning("A retained command lies on the broker: %r in area %d", rest[:LONGEST_COMMAND], area_id)
    return [area_id]


def forget_retained_commands(areas: Sequence[int] | None = None) -> None:
    """A new connection to these areas (`shards.of`): the broker tells anew what lies there."""
    AreaState.objects.filter(shards.of("area", areas)).exclude(retained_commands=[]).update(retained_commands=[])


def note_inventory(area_id: int, at: datetime) -> None:
    _make(area_id)
    AreaState.objects.filter(area=area_id).update(inventory_at=at)


def add_health(area_id: int, health: Health) -> None:
    """Keep a health report; the retained one comes again at each connection and is kept once."""
    row = AreaHealth(
        area_id=area_id,
        generated_at=health.generated_at,
        uptime_s=health.uptime_s,
        mqtt_queued=health.mqtt_queued,
        mqtt_published=health.mqtt_published,
        mqtt_received=health.mqtt_received,
        memory_percent=health.memory_percent,
        load_1min=health.load_1min,
        devices=health.devices,
    )
    AreaHealth.objects.bulk_create([row], ignore_conflicts=True)


def prune_health(before: datetime) -> int:
    """Forget health reports from before then; returns how many."""
    return forget(AreaHealth.objects.filter(generated_at__lt=before))


def note_found(base_topic: str, at: datetime, info: BridgeInfo | None = None) -> None:
    """A Zigbee2MQTT that is no area was seen on the broker."""
    if len(base_topic) > LONGEST_TOPIC:
        return
    told = {"version": info.version, "channel": info.channel} if info else {}
    if FoundInstance.objects.filter(base_topic=base_topic).update(seen_at=at, **told):
        return
    FoundInstance.objects.create(base_topic=base_topic, first_seen_at=at, seen_at=at, **told)
    newest = FoundInstance.objects.order_by("-seen_at", "-pk").values("pk")[:MOST_FOUND]
    FoundInstance.objects.exclude(pk__in=list(newest.values_list("pk", flat=True))).delete()


def forget_found(base_topics: Iterable[str]) -> None:
    """These have become areas."""
    FoundInstance.objects.filter(base_topic__in=list(base_topics)).delete()


def _make(area_id: int) -> None:
    AreaState.objects.bulk_create([AreaState(area_id=area_id)], ignore_conflicts=True)
