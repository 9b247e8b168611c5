"""A few meters from near: what they tell, what is wanted of them and was proven, all in one statement. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from meters import commands, online, snapshots
from meters.models import AreaState, Command, Source, WorkerState
from meters.snapshots import Energy

LEASES = (Source.CLEANING, Source.POLICY)
"""What machines want of a meter, the highest first."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of the meter, whoever wants it."""

    source: str
    state: bool
    reason: str
    hold: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest command."""

    id: int
    state: bool
    status: str
    failure: str
    claimed_at: datetime | None
    created_at: datetime
    expires_at: datetime

    @property
    def is_open(self) -> bool:
        return self.status in Command.OPEN


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a meter. `since`: from when on it is the asker's, what it told or did before is nobody else's
    business; `hours_since`: from when on its hours, and what its watts amount to since its counter was heard, are to be
    told. None: always; neither is.
    """

    since: datetime | None = None
    hours_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Closeup:
    """A meter. `relay`, `power_w` and the counter as they were told at `…_at`, None: never. `wish`: what is in force;
    `lease`: whether machines want it on, None: they want nothing. `is_switched`: its area acts and nothing is stopped.
    `proved_at`: when a command to the present position was confirmed, if that was the newest confirmed one.
    `since_counter_wh`: what its watts amount to since its counter was heard. `hours`: hour, Wh, highest watts.
    """

    meter_id: int
    name: str
    serial: str
    online: online.Online
    heard_at: datetime | None
    relay: bool | None
    relay_at: datetime | None
    power_w: int | None
    power_at: datetime | None
    counter_kwh: Decimal | None
    counter_at: datetime | None
    wish: Wish | None
    lease: bool | None
    attempt: Attempt | None
    proved_at: datetime | None
    is_switched: bool
    energy: Energy
    since_counter_wh: Decimal
    hours: tuple[tuple[datetime, int, int | None], ...]


def of(meters: Mapping[int, Asked], now: datetime) -> dict[int, Closeup]:
    """Each of these meters by its id."""
    if not meters:
        return {}
    told: dict[str, Any] = {
        "meters": list(meters),
        "since": [asked.since for asked in meters.values()],
        "hours_since": [asked.hours_since for asked in meters.values()],
        "now": now,
        "listening": now - online.WORKER_SILENCE,
        "leases": [source.value for source in LEASES],
    }
    with connection.cursor() as cursor:
        cursor.execute(METERS, told)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {row["meter_id"]: _closeup(_own(row, meters[row["meter_id"]].since), now) for row in rows}


# --- inside ----------------------------------------------------------------------------------------------------------


METERS = f"""
SELECT m.id AS meter_id, d.friendly_name, d.ieee_address AS serial,
    s.heard_at, s.relay, s.relay_at, s.power_w, s.power_at, s.counter_kwh, s.counter_at,
    w.source, w.state AS wanted, w.reason, w.hold, l.state AS lease,
    c.id AS command_id, c.state AS command_state, c.status, c.failure, c.claimed_at, c.created_at, c.expires_at,
    p.state AS proved_state, p.confirmed_at AS proved_at,
    a.control = 'act' AND NOT EXISTS (SELECT FROM meters_automaticstop WHERE ended_at IS NULL) AS is_switched,
    e.wh, e.told_at, told.wh AS since_counter_wh, u.hours, u.whs, u.most,
    d.area_id, d.removed_at, d.disabled, d.left_at, d.available, s.gap_s, b.bridge, b.confirmed_at AS bridge_at,
    k.heartbeat_at, k.connected_at, k.lag_s, (
        SELECT min(h.since) FROM meters_watch h
        WHERE h.until > %(listening)s AND (h.area_id IS NULL OR h.area_id = d.area_id)
    ) AS watched_since
FROM unnest(%(meters)s::bigint[], %(since)s::timestamptz[], %(hours_since)s::timestamptz[])
    AS asked (meter_id, since, hours_since)
JOIN meters_meter m ON m.id = asked.meter_id
JOIN meters_device d ON d.id = m.device_id
LEFT JOIN meters_area a ON a.id = d.area_id
LEFT JOIN meters_areastate b ON b.area_id = d.area_id
LEFT JOIN meters_workerstate k ON k.areas IS NULL OR d.area_id = ANY(k.areas) OR (d.area_id IS NULL AND k.tells)
LEFT JOIN meters_meterstate s ON s.meter_id = m.id
LEFT JOIN ({snapshots.ENERGY_NOW}) e ON e.meter_id = m.id
LEFT JOIN LATERAL ({commands.IN_FORCE}) w ON true
LEFT JOIN LATERAL (
    SELECT * FROM meters_want o WHERE o.meter_id = m.id AND o.ended_at IS NULL AND o.until > %(now)s
    AND o.source = ANY(%(leases)s) ORDER BY o.priority DESC LIMIT 1
) l ON true
LEFT JOIN LATERAL ({commands.NEWEST}) c ON true
LEFT JOIN LATERAL (
    SELECT * FROM meters_command o WHERE o.meter_id = m.id AND o.status = 'confirmed' ORDER BY o.id DESC LIMIT 1
) p ON true
LEFT JOIN LATERAL (
    {snapshots.POWER_TOLD.format(meter="m.id", start="GREATEST(s.counter_at, asked.since)", end="%(now)s")}
) told ON asked.hours_since IS NOT NULL AND s.counter_at IS NOT NULL
LEFT JOIN LATERAL (
    SELECT array_agg(o.hour) AS hours, array_agg(o.energy_wh) AS whs, array_agg(o.power_max_w) AS most
    FROM meters_hourlyusage o WHERE o.meter_id = m.id AND o.hour > asked.hours_since - interval '1 hour'
) u ON asked.hours_since IS NOT NULL
"""  # noqa: S608  (only our own words)


def _link(row: Mapping[str, Any], now: datetime) -> online.Link:
    """From this meter to us."""
    worker = WorkerState(**{name: row[name] for name in ("heartbeat_at", "connected_at", "lag_s")})
    state = AreaState(area_id=row["area_id"], bridge=row["bridge"], confirmed_at=row["bridge_at"])
    return online.Link(
        [worker] if row["heartbeat_at"] else [],
        {row["area_id"]: state} if row["bridge"] is not None else {},
        {row["area_id"]: row["watched_since"]},
        now,
    )


def _own(row: dict[str, Any], since: datetime | None) -> dict[str, Any]:
    """Without watts and commands from before the meter was the asker's."""
    if since is None:
        return row
    old = {name for time, names in OF_ITS_TIME.items() for name in names if row[time] is None or row[time] < since}
    return {name: None if name in old else value for name, value in row.items()}


def _closeup(row: Mapping[str, Any], now: datetime) -> Closeup:
    facts = online.Facts(*(row[name] for name in online.Facts._fields))
    hours = zip(row["hours"] or (), row["whs"] or (), row["most"] or (), strict=True)
    return Closeup(
        name=row["friendly_name"].strip() or row["serial"],
        online=online.judge(facts, _link(row, now), now),
        wish=Wish(row["source"], row["wanted"], row["reason"], row["hold"]) if row["source"] else None,
        attempt=_attempt(row),
        proved_at=row["proved_at"] if row["relay_at"] and row["proved_state"] == row["relay"] else None,
        is_switched=bool(row["is_switched"]),
        energy=snapshots.energy(row["wh"], row["told_at"]),
        since_counter_wh=Decimal(round(row["since_counter_wh"] or 0)),
        hours=tuple(hours),
        **{name: row[name] for name in AS_IT_IS},
    )


OF_ITS_TIME = {
    "power_at": ("power_w", "power_at"),
    "proved_at": ("proved_at",),
    "created_at": ("command_id",),
}
AS_IT_IS = (
    *("meter_id", "serial", "heard_at", "relay", "relay_at", "power_w", "power_at", "counter_kwh", "counter_at"),
    "lease",
)


def _attempt(row: Mapping[str, Any]) -> Attempt | None:
    if row["command_id"] is None:
        return None
    names = ("command_id", "command_state", "status", "failure", "claimed_at", "created_at", "expires_at")
    return Attempt(*(row[name] for name in names))
