"""What a browser is told: first the whole state, then the changes. The only module that uses the channel layer.

Times are milliseconds since 1970. One message a tick, numbered (boot, tick); who misses a number asks for the whole
state again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any

from channels.layers import get_channel_layer
from django.db import connection
from django.utils import timezone

from meters import online
from meters.models import Area, AreaState, Device, Installation, Meter, WorkerState
from meters.zigbee2mqtt import freshness

GROUP = "board"
SEND_TIMEOUT_S = 2.0
NOTIFY_CHANNEL = "meters_changed"


def snapshot() -> dict[str, Any]:
    """The whole state as the database tells it now: worker, areas, meters, other devices."""
    now = timezone.now()
    worker = WorkerState.objects.filter(pk="mqtt").first()
    return {
        "type": "snapshot",
        "boot": worker.boot if worker else "",
        "tick": worker.tick if worker else 0,
        "now": _ms(now),
        "worker": describe_worker(worker, now),
        "areas": describe_areas(Area.objects.select_related("state")),
        "meters": describe_meters(online.meters(), worker, now),
        "devices": describe_devices(),
    }


def changes(
    boot: str, tick: int, meters: Collection[int], areas: Collection[int], worker: WorkerState | None = None
) -> dict[str, Any]:
    """What one tick tells: the worker (its row is read unless given), and the named meters and areas (by id)."""
    now = timezone.now()
    worker = worker or WorkerState.objects.filter(pk="mqtt").first()
    return {
        "type": "tick",
        "boot": boot,
        "tick": tick,
        "now": _ms(now),
        "worker": describe_worker(worker, now),
        "areas": describe_areas(Area.objects.select_related("state").filter(pk__in=areas)) if areas else [],
        "meters": describe_meters(online.meters().filter(pk__in=meters), worker, now) if meters else [],
    }


def everything(boot: str, tick: int) -> dict[str, Any]:
    """The whole state as a tick: things may have come or gone."""
    return snapshot() | {"type": "tick", "boot": boot, "tick": tick, "whole": True}


def send(message: dict[str, Any]) -> None:
    """Hand a message to every open board. Raises what the channel layer raises, TimeoutError after 2 s."""
    layer = get_channel_layer()
    if layer is None:
        raise RuntimeError("CHANNEL_LAYERS has no default")
    sending = layer.group_send(GROUP, {"type": "board.message", "message": message})
    asyncio.run_coroutine_threadsafe(asyncio.wait_for(sending, SEND_TIMEOUT_S), _loop()).result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop for all that is sent: the layer keeps a connection for each loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="channel-layer", daemon=True).start()
    return loop


def touch() -> None:
    """Tell the worker, once this transaction commits, that staff changed something that boards show."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [NOTIFY_CHANNEL])


# --- descriptions ----------------------------------------------------------------------------------------------------


def describe_worker(worker: WorkerState | None, now: datetime) -> dict[str, Any]:
    return {
        "alive": worker is not None and now - worker.heartbeat_at < online.WORKER_SILENCE,
        "connected": online.is_listening(worker, now),
        "storing": worker is not None and worker.lag_s < online.MOST_LAG_S,
        "heartbeat_at": _ms(worker.heartbeat_at) if worker else None,
        "until": _ms(worker.heartbeat_at + online.WORKER_SILENCE) if worker else None,
    }


def describe_areas(areas: Iterable[Area]) -> list[dict[str, Any]]:
    return [_area(area, getattr(area, "state", None) or AreaState(area=area)) for area in areas]


def _area(area: Area, state: AreaState) -> dict[str, Any]:
    return {
        "id": area.pk,
        "name": area.name,
        "slug": area.slug,
        "base_topic": area.base_topic,
        "in_service": area.in_service,
        "bridge": state.bridge,
        "bridge_since": _ms(state.bridge_since),
        "seen_at": _ms(state.seen_at),
        "version": state.version,
        "channel": state.channel,
        "expected_channel": area.expected_channel,
        "pause_on_backoff_gt": state.pause_on_backoff_gt,
        "backoff_safe": state.is_backoff_safe,
        "is_approximate": bool(state.configuration) and not freshness.tells_last_seen(state.configuration),
        "last_seen_format": state.setting("advanced", "last_seen"),
        "permit_join": state.permit_join,
        "restart_required": state.restart_required,
    }


def describe_meters(meters: Iterable[Meter], worker: WorkerState | None, now: datetime) -> list[dict[str, Any]]:
    meters = list(meters)
    link = online.link_of(worker, now)
    pitches: dict[int, list[str]] = {}
    installed = Installation.objects.filter(meter__in=[m.pk for m in meters], period__contains=now)
    for meter, number in installed.values_list("meter_id", "pitch__number"):
        pitches.setdefault(meter, []).append(number)
    return [_meter(meter, online.status(meter, link, now), pitches.get(meter.pk, [])) for meter in meters]


def _meter(meter: Meter, is_online: online.Online, pitches: list[str]) -> dict[str, Any]:
    device, state = meter.device, getattr(meter, "state", None)
    told: dict[str, Any] = {
        "id": meter.pk,
        "ieee": device.ieee_address,
        "name": device.friendly_name,
        "area": device.area_id,
        "pitches": pitches,
        "kind": device.kind,
        "has_relay": device.has_relay,
        "online": is_online.status.value,
        "reason": is_online.reason,
        "online_until": _ms(is_online.until),
        "removed": device.removed_at is not None,
        "heard_at": None,
        "relay": None,
        "relay_at": None,
        "power_w": None,
        "power_at": None,
        "voltage_v": None,
        "voltage_at": None,
        "current_a": None,
        "current_at": None,
        "counter_kwh": None,
        "energy_kwh": None,
        "counter_at": None,
        "linkquality": None,
    }
    if state:
        told |= {
            "heard_at": _ms(state.heard_at),
            "relay": state.relay,
            "relay_at": _ms(state.relay_at),
            "power_w": state.power_w,
            "power_at": _ms(state.power_at),
            "voltage_v": _number(state.voltage_v),
            "voltage_at": _ms(state.voltage_at),
            "current_a": _number(state.current_a),
            "current_at": _ms(state.current_at),
            "counter_kwh": _number(state.counter_kwh),
            "energy_kwh": _number(state.energy_kwh) if state.counter_at else None,
            "counter_at": _ms(state.counter_at),
            "linkquality": state.linkquality,
        }
    return told


def describe_devices() -> list[dict[str, Any]]:
    """Devices that are no meters (repeaters and others) and are still listed."""
    others = Device.objects.filter(removed_at=None).exclude(
        kind__in=[Device.Kind.SINGLE_PHASE, Device.Kind.THREE_PHASE]
    )
    return [
        {
            "ieee": device.ieee_address,
            "name": device.friendly_name,
            "area": device.area_id,
            "kind": device.kind,
            "available": device.available,
            "heard_at": _ms(device.heard_at),
        }
        for device in others
    ]


def _ms(moment: datetime | None) -> int | None:
    return round(moment.timestamp() * 1000) if moment else None


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
