"""What a browser is told: first the whole state, then the changes. The only module that uses the channel layer.

Times are milliseconds since 1970. One message a tick, numbered (boot, tick); who misses a number asks for the whole
state again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import orjson
from channels.layers import get_channel_layer
from django.db import connection
from django.utils import timezone

from meters import commands, online
from meters.models import Area, AreaState, Device, WorkerState
from meters.zigbee2mqtt import freshness

GROUP = "board"
SEND_TIMEOUT_S = 2.0


def snapshot() -> dict[str, Any]:
    """The whole state as the database tells it now: worker, areas, meters, other devices."""
    now = timezone.now()
    link = online.link(now)
    areas = list(Area.objects.select_related("state"))
    teller = next((worker for worker in link.workers if worker.tells), next(iter(link.workers), None))
    return {
        "type": "snapshot",
        "boot": teller.boot if teller else "",
        "tick": teller.tick if teller else 0,
        "now": ms(now),
        "worker": describe_worker(link, (area.pk for area in areas)),
        "areas": describe_areas(areas, link),
        "meters": describe_meters(link),
        "devices": describe_devices(),
        "switching": describe_switching(now),
    }


def changes(
    boot: str,
    tick: int,
    meters: Collection[int],
    areas: Collection[int],
    known: Sequence[WorkerState] | None = None,
    *,
    switching: bool = False,
) -> dict[str, Any]:
    """What one tick tells: the worker, and the named meters and areas (by id).

    `known`: the workers' rows, where they are at hand: then a quiet second costs no query. `switching`: whether
    anything was switched or stopped; else the boards keep what they know of that.
    """
    now = timezone.now()
    workers = online.workers() if known is None else known
    link = online.link(now, workers) if meters else online.Link(workers, {}, {}, now)  # the worker alone is told
    told = Area.objects.select_related("state").filter(pk__in=areas) if areas else ()
    return {
        "type": "tick",
        "boot": boot,
        "tick": tick,
        "now": ms(now),
        "worker": describe_worker(link),
        "areas": describe_areas(told, link),
        "meters": describe_meters(link, meters) if meters else [],
        "switching": describe_switching(now) if switching else None,
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


async def ticks() -> AsyncIterator[dict[str, Any]]:
    """Each message that the boards get, for who tells others of it."""
    layer = get_channel_layer()
    if layer is None:
        raise RuntimeError("CHANNEL_LAYERS has no default")
    channel = await layer.new_channel()
    await layer.group_add(GROUP, channel)
    try:
        while True:
            yield (await layer.receive(channel))["message"]
    finally:
        await layer.group_discard(GROUP, channel)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop for all that is sent: the layer keeps a connection for each loop."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="channel-layer", daemon=True).start()
    return loop


def ms(moment: datetime | None) -> int | None:
    """Milliseconds since 1970, as browsers count."""
    return round(moment.timestamp() * 1000) if moment else None


# --- descriptions ----------------------------------------------------------------------------------------------------


def describe_worker(link: online.Link, areas: Iterable[int] | None = None) -> dict[str, Any]:
    """The best that is known of any worker; `unheard`: the areas (ids) that theirs does not hear, where others hear
    something. `areas`: all there are; they are read unless given.
    """
    heard = [worker for worker in link.workers if online.is_listening(worker, link.now)]
    last = max(heard or link.workers, key=lambda worker: worker.heartbeat_at, default=None)
    unheard = []
    if heard and not all(worker.areas is None for worker in heard):
        every = Area.objects.values_list("pk", flat=True) if areas is None else areas
        unheard = [area for area in every if not link.is_heard(area)]
    return {
        "alive": last is not None and link.now - last.heartbeat_at < online.WORKER_SILENCE,
        "connected": bool(heard),
        "storing": last is not None and last.lag_s < online.MOST_LAG_S,
        "heartbeat_at": ms(last.heartbeat_at) if last else None,
        "until": ms(last.heartbeat_at + online.WORKER_SILENCE) if last else None,
        "unheard": unheard,
    }


def describe_areas(areas: Iterable[Area], link: online.Link) -> list[dict[str, Any]]:
    return [_area(area, AreaState.of(area), link.worker(area.pk)) for area in areas]


def _area(area: Area, state: AreaState, worker: WorkerState | None) -> dict[str, Any]:
    return {
        "id": area.pk,
        "name": area.name,
        "slug": area.slug,
        "base_topic": area.base_topic,
        "in_service": area.in_service,
        "bridge": online.bridge(state, worker),
        "bridge_since": ms(state.bridge_since),
        "seen_at": ms(state.seen_at),
        "version": state.version,
        "channel": state.channel,
        "expected_channel": area.expected_channel,
        "pause_on_backoff_gt": state.pause_on_backoff_gt,
        "backoff_safe": state.is_backoff_safe,
        "is_approximate": bool(state.configuration) and not freshness.tells_last_seen(state.configuration),
        "last_seen_format": state.setting("advanced", "last_seen"),
        "permit_join": state.permit_join,
        "restart_required": state.restart_required,
        "acts": area.control == Area.Control.ACT,
        "commands_per_s": area.commands_per_s,
        "retained_commands": state.retained_commands,
    }


def describe_switching(now: datetime) -> dict[str, Any]:
    """The stop in force and how far people's orders have come."""
    stop = commands.stop.current()
    return {
        "stop": stop
        and {
            "since": ms(stop.since),
            "cause": stop.cause,
            "reason": stop.reason,
            "by": stop.by.get_username() if stop.by else "",
        },
        "orders": [
            {
                "id": order.pk,
                "state": order.state,
                "by": order.by,
                "created_at": ms(order.created_at),
                "total": order.total,
                **order.counts,
            }
            for order in commands.orders.recent(now)
        ],
    }


def describe_meters(link: online.Link, meters: Collection[int] | None = None) -> list[dict[str, Any]]:
    """All meters, or those named (by id), in one statement: this runs every second."""
    with connection.cursor() as cursor:
        cursor.execute(METERS, {"now": link.now, "meters": None if meters is None else list(meters)})
        names = [column.name for column in cursor.description or ()]
        return [_meter(dict(zip(names, row, strict=True)), link, link.now) for row in cursor.fetchall()]


def _meter(told: dict[str, Any], link: online.Link, now: datetime) -> dict[str, Any]:
    facts = online.Facts(*(told.pop(f"fact_{name}") for name in online.Facts._fields))
    status = online.judge(facts, link, now)
    return told | {
        "want": told["want"] and orjson.loads(told["want"]),
        "command": told["command"] and orjson.loads(told["command"]),
        "removed": facts.removed_at is not None,
        "online": status.status.value,
        "reason": status.reason,
        "online_until": ms(status.until),
    }


TIMES = (
    *("heard_at", "relay_at", "power_at", "voltage_at", "current_at", "phases_at"),
    *("counter_at", "linkquality_at"),
)
WANT_TIMES = ("since", "until", "fulfilled_at")
COMMAND_TIMES = (
    *("created_at", "expires_at", "not_before", "sent_at", "acknowledged_at", "confirmed_at", "load_at"),
    "finished_at",
)


def _ms_pairs(table: str, times: Iterable[str]) -> str:
    """Arguments of jsonb_build_object: each time in ms."""
    return ", ".join(f"'{time}', (extract(epoch FROM {table}.{time}) * 1000)::bigint" for time in times)


# Numbers and milliseconds come ready from the database: turning them in Python costs more than the query.
METERS = f"""
SELECT m.id, d.ieee_address AS ieee, d.friendly_name AS name, d.area_id AS area, d.kind, d.has_relay, s.relay,
    s.power_w, s.voltage_v::float AS voltage_v, s.current_a::float AS current_a, s.counter_kwh::float AS counter_kwh,
    CASE WHEN s.counter_at IS NOT NULL THEN s.energy_kwh::float END AS energy_kwh, s.linkquality,
    {", ".join(f"(extract(epoch FROM s.{time}) * 1000)::bigint AS {time}" for time in TIMES)},
    ARRAY(
        SELECT p.number::text FROM meters_installation i JOIN meters_pitch p ON p.id = i.pitch_id
        WHERE i.meter_id = m.id AND i.period @> %(now)s ORDER BY 1
    ) AS pitches,
    w.state AS wanted, CASE WHEN w.id IS NOT NULL THEN jsonb_build_object(
        'source', w.source, 'by', wanter.username, 'reason', w.reason, 'hold', w.hold, {_ms_pairs("w", WANT_TIMES)}
    ) END AS want,
    CASE WHEN c.id IS NOT NULL THEN jsonb_build_object(
        'id', c.id, 'order', c.order_id, 'state', c.state, 'status', c.status, 'automatic', c.automatic,
        'attempts', c.attempts, 'failure', c.failure, 'detail', c.detail, 'load', c.load,
        {_ms_pairs("c", COMMAND_TIMES)}
    ) END AS command,
    d.area_id AS fact_area_id, d.removed_at AS fact_removed_at, d.disabled AS fact_disabled, d.left_at AS fact_left_at,
    d.available AS fact_available, s.heard_at AS fact_heard_at, s.gap_s AS fact_gap_s
FROM meters_meter m
JOIN meters_device d ON d.id = m.device_id
LEFT JOIN meters_meterstate s ON s.meter_id = m.id
LEFT JOIN LATERAL ({commands.IN_FORCE}) w ON true
LEFT JOIN auth_user wanter ON wanter.id = w.by_id
LEFT JOIN LATERAL ({commands.NEWEST}) c ON true
WHERE m.id = ANY(COALESCE(%(meters)s::bigint[], ARRAY(SELECT id FROM meters_meter)))
ORDER BY d.friendly_name
"""  # noqa: S608  (only our own column names)


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
            "heard_at": ms(device.heard_at),
        }
        for device in others
    ]
