"""The SQL of the readings: whole batches in one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from django.db import connection

from meters.readings.counters import Counter, Point
from meters.readings.latest import Latest, Row

READ_STATES = """
SELECT s.meter_id, s.heard_at, s.gap_s, s.relay, s.relay_at, s.power_w, s.power_at, s.voltage_v, s.voltage_at,
       s.current_a, s.current_at, s.phase_power_w, s.phase_voltage_v, s.phase_current_a, s.phases_at,
       s.counter_kwh, s.counter_at, s.epoch, s.energy_kwh, s.pending, s.linkquality, s.linkquality_at,
       e.last_wh, e.last_at
FROM meters_meterstate s LEFT JOIN meters_counterepoch e ON e.meter_id = s.meter_id AND e.number = s.epoch
WHERE s.meter_id = ANY(%s) FOR UPDATE OF s
"""
STATE_COLUMNS = (
    *("heard_at", "gap_s", "relay", "relay_at", "power_w", "power_at", "voltage_v", "voltage_at"),
    *("current_a", "current_at", "phase_power_w", "phase_voltage_v", "phase_current_a", "phases_at", "counter_kwh"),
    *("counter_at", "epoch", "energy_kwh", "pending", "linkquality", "linkquality_at"),
)
# One document for all rows: the database casts each column, so that no value can wrap.
WRITE_STATES = f"""
UPDATE meters_meterstate s SET ({", ".join(STATE_COLUMNS)}) = ({", ".join("n." + c for c in STATE_COLUMNS)})
FROM jsonb_populate_recordset(NULL::meters_meterstate, %s::jsonb) n WHERE n.meter_id = s.meter_id
"""  # noqa: S608  (only our own column names)

READING_COLUMNS = {
    "meter_id": "int",
    "measured_at": "timestamptz",
    "counter_wh": "int",
    "power_w": "int",
    "current_ma": "int",
    "epoch": "smallint",
    "voltage_dv": "smallint",
    "linkquality": "smallint",
    "relay": "boolean",
}
MERGED = [column for column in READING_COLUMNS if column not in ("meter_id", "measured_at")]
NEW = {c: f"COALESCE(excluded.{c}, r.{c})" for c in MERGED}
NEW["counter_wh"] = "CASE WHEN r.epoch IS NULL THEN COALESCE(excluded.counter_wh, r.counter_wh) ELSE r.counter_wh END"
MERGE = ", ".join(f"{c} = {new}" for c, new in NEW.items())
# What comes a second time changes nothing, and then writes nothing.
WRITE_READINGS = f"""
INSERT INTO meters_reading AS r ({", ".join(READING_COLUMNS)})
SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in READING_COLUMNS.values())})
ON CONFLICT (meter_id, measured_at) DO UPDATE SET {MERGE}
WHERE ({", ".join(f"r.{c}" for c in MERGED)})
      IS DISTINCT FROM ({", ".join(NEW.values())})
"""  # noqa: S608

WRITE_EPOCHS = """
INSERT INTO meters_counterepoch AS e (meter_id, number, reason, first_wh, first_at, last_wh, last_at)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (meter_id, number) DO UPDATE SET
    first_wh = CASE WHEN excluded.first_at < e.first_at THEN excluded.first_wh ELSE e.first_wh END,
    first_at = least(excluded.first_at, e.first_at),
    last_wh = CASE WHEN excluded.last_at >= e.last_at THEN excluded.last_wh ELSE e.last_wh END,
    last_at = greatest(excluded.last_at, e.last_at)
"""
WRITE_DOUBTS = """
INSERT INTO meters_quarantinedreading (meter_id, measured_at, counter_wh, expected_wh, reason, created_at)
VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT (meter_id, measured_at) DO NOTHING
"""


def read_states(meter_ids: Iterable[int]) -> dict[int, Latest]:
    """The states of these meters, locked; missing rows are made."""
    ids = sorted(set(meter_ids))
    with connection.cursor() as cursor:
        cursor.execute(READ_STATES, [ids])
        rows = [_latest(row) for row in cursor.fetchall()]
        if missing := sorted(set(ids) - {row.meter_id for row in rows}):
            cursor.execute(
                "INSERT INTO meters_meterstate (meter_id, energy_kwh, pending) SELECT unnest(%s::bigint[]), 0, '[]'",
                [missing],
            )
    return {row.meter_id: row for row in [*rows, *map(Latest, missing)]}


def write_states(states: Iterable[Latest]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WRITE_STATES, [orjson.dumps([_document(state) for state in states]).decode()])


def write_readings(rows: Sequence[Row]) -> None:
    """Insert, or merge with what is there attribute by attribute. Sorted, so that pages are filled in order."""
    ordered = sorted(rows, key=lambda row: (row.meter_id, row.measured_at))
    with connection.cursor() as cursor:
        cursor.execute(WRITE_READINGS, [[getattr(row, c) for row in ordered] for c in READING_COLUMNS])


def mark_counted(points: Sequence[tuple[int, Point, int]]) -> None:
    """Stored readings (meter, value, epoch) that count from now on."""
    if not points:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE meters_reading SET epoch = %s, counter_wh = %s WHERE meter_id = %s AND measured_at = %s",
            [(epoch, point.wh, meter, point.at) for meter, point, epoch in points],
        )


def move_point(meter_id: int, epoch: int, known: Point, earlier: Point) -> None:
    """The value that counts at `known` counts at `earlier` instead; the epoch's bounds follow."""
    mark_counted([(meter_id, earlier, epoch)])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE meters_reading SET epoch = NULL WHERE meter_id = %s AND measured_at = %s", [meter_id, known.at]
        )
        cursor.execute(
            "UPDATE meters_counterepoch SET first_at = CASE WHEN first_at = %(known)s THEN %(at)s ELSE first_at END, "
            "last_at = CASE WHEN last_at = %(known)s THEN %(at)s ELSE last_at END "
            "WHERE meter_id = %(meter)s AND number = %(epoch)s",
            {"known": known.at, "at": earlier.at, "meter": meter_id, "epoch": epoch},
        )


def write_epochs(rows: Sequence[tuple[int, int, str, Point, Point]]) -> None:
    """(meter, number, reason, first, last): a new epoch, or wider bounds of a known one."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            WRITE_EPOCHS,
            [(meter, number, reason, a.wh, a.at, b.wh, b.at) for meter, number, reason, a, b in rows],
        )


def write_doubts(rows: Sequence[tuple[int, Point, str, int | None]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            WRITE_DOUBTS, [(meter, point.at, point.wh, expected, reason) for meter, point, reason, expected in rows]
        )


def neighbours(meter_id: int, at: datetime) -> tuple[tuple[Point, int] | None, tuple[Point, int] | None]:
    """The counted points (with their epochs) at or before `at`, and after it."""
    select = "SELECT measured_at, counter_wh, epoch FROM meters_reading WHERE meter_id = %s AND epoch IS NOT NULL "
    with connection.cursor() as cursor:
        cursor.execute(select + "AND measured_at <= %s ORDER BY measured_at DESC LIMIT 1", [meter_id, at])
        before = cursor.fetchone()
        cursor.execute(select + "AND measured_at > %s ORDER BY measured_at LIMIT 1", [meter_id, at])
        after = cursor.fetchone()
    return _counted(before), _counted(after)


def _counted(row: tuple[datetime, int, int] | None) -> tuple[Point, int] | None:
    return (Point(row[0], row[1]), row[2]) if row else None


def _latest(row: Sequence[Any]) -> Latest:
    (meter_id, heard_at, gap_s, relay, relay_at, power_w, power_at, voltage_v, voltage_at, current_a, current_at) = row[
        :11
    ]
    (phase_w, phase_v, phase_a, phases_at, counter_kwh, counter_at, epoch, energy_kwh, pending, lq, lq_at) = row[11:22]
    at = {
        "relay": relay_at,
        "power_w": power_at,
        "voltage_dv": voltage_at,
        "current_ma": current_at,
        "phases": phases_at,
        "counter_wh": counter_at,
        "linkquality": lq_at,
    }
    pending = orjson.loads(pending) if isinstance(pending, str) else pending
    return Latest(
        meter_id=meter_id,
        heard_at=heard_at,
        gap_s=gap_s,
        values={
            "relay": relay,
            "power_w": power_w,
            "voltage_dv": _narrow(voltage_v, 10),
            "current_ma": _narrow(current_a, 1000),
            "counter_wh": _narrow(counter_kwh, 1000),
            "linkquality": lq,
        },
        at={name: moment for name, moment in at.items() if moment is not None},
        phases={
            "power": list(phase_w or []),
            "voltage": [_narrow(v, 10) for v in phase_v or []],
            "current": [_narrow(a, 1000) for a in phase_a or []],
        },
        counter=Counter(
            epoch or 0,
            Point(row[23], row[22]) if row[23] else None,
            tuple(Point(datetime.fromisoformat(when), wh) for when, wh in pending),
        ),
        energy_wh=_narrow(energy_kwh, 1000) or 0,
    )


def _document(state: Latest) -> dict[str, Any]:
    values, at, phases = state.values, state.at, state.phases
    return {
        "meter_id": state.meter_id,
        "heard_at": state.heard_at,
        "gap_s": state.gap_s,
        "relay": values.get("relay"),
        "relay_at": at.get("relay"),
        "power_w": values.get("power_w"),
        "power_at": at.get("power_w"),
        "voltage_v": _wide(values.get("voltage_dv"), 10),
        "voltage_at": at.get("voltage_dv"),
        "current_a": _wide(values.get("current_ma"), 1000),
        "current_at": at.get("current_ma"),
        "phase_power_w": phases.get("power") or None,
        "phase_voltage_v": [_wide(v, 10) for v in phases.get("voltage", [])] or None,
        "phase_current_a": [_wide(a, 1000) for a in phases.get("current", [])] or None,
        "phases_at": at.get("phases"),
        "counter_kwh": _wide(values.get("counter_wh"), 1000),
        "counter_at": at.get("counter_wh"),
        "epoch": state.counter.epoch or None,
        "energy_kwh": _wide(state.energy_wh, 1000),
        "pending": [[point.at, point.wh] for point in state.counter.pending],
        "linkquality": values.get("linkquality"),
        "linkquality_at": at.get("linkquality"),
    }


def _narrow(value: Decimal | None, factor: int) -> int | None:
    return None if value is None else int(value * factor)


def _wide(value: int | None, factor: int) -> str | None:
    """Exact decimal text: 858320 Wh → "858.32"."""
    return None if value is None else str(Decimal(value) / factor)


def note_position(meter_id: int, relay: bool, at: datetime) -> None:
    """The relay's position that a meter's last word has proven, unless a later one is known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE meters_meterstate SET relay = %(relay)s, relay_at = %(at)s "
            "WHERE meter_id = %(meter)s AND (relay_at IS NULL OR relay_at <= %(at)s)",
            {"relay": relay, "at": at, "meter": meter_id},
        )
