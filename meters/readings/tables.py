"""The SQL of the readings: whole batches in one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson
from django.db import connection

from meters.forgetting import forget
from meters.models import QuarantinedReading
from meters.readings.counters import Counter, Point
from meters.readings.latest import Latest, Row

# The readings' units are whole: each value by its name there, with its columns in MeterState, and how many make one.
VALUES = {
    "relay": ("relay", "relay_at", 1),
    "power_w": ("power_w", "power_at", 1),
    "voltage_dv": ("voltage_v", "voltage_at", 10),
    "current_ma": ("current_a", "current_at", 1000),
    "counter_wh": ("counter_kwh", "counter_at", 1000),
    "linkquality": ("linkquality", "linkquality_at", 1),
}
PHASES = {"power": ("phase_power_w", 1), "voltage": ("phase_voltage_v", 10), "current": ("phase_current_a", 1000)}
TIMES = {name: time for name, (_, time, _) in VALUES.items()} | {"phases": "phases_at"}
# Locked before it is read: a statement that waits for a lock sees the epochs as they were before it waited, and would
# bill anew what somebody else has just billed.
LOCK_STATES = "SELECT meter_id FROM meters_meterstate WHERE meter_id = ANY(%s) ORDER BY meter_id FOR UPDATE"
MAKE_STATES = """
INSERT INTO meters_meterstate (meter_id, energy_kwh, pending) SELECT unnest(%s::bigint[]), 0, '[]'
ON CONFLICT (meter_id) DO UPDATE SET meter_id = excluded.meter_id
"""
WHOLE = ", ".join(f"(s.{c} * {factor})::int" if factor > 1 else f"s.{c}" for c, _, factor in VALUES.values())
# Times as text: Django's own reading of them took a twelfth of all that storing takes.
READ_STATES = f"""
SELECT s.meter_id, s.heard_at::text, s.gap_s, s.epoch, (s.energy_kwh * 1000)::bigint, s.pending, e.last_at::text,
    e.last_wh, {WHOLE}, {", ".join(f"{time}::text" for time in TIMES.values())},
    {", ".join(column for column, _ in PHASES.values())}
FROM meters_meterstate s LEFT JOIN meters_counterepoch e ON e.meter_id = s.meter_id AND e.number = s.epoch
WHERE s.meter_id = ANY(%s)
"""  # noqa: S608  (only our own column names)
STATE_COLUMNS = (
    *("heard_at", "gap_s", "epoch", "energy_kwh", "pending"),
    *(column for column, _, _ in VALUES.values()),
    *TIMES.values(),
    *(column for column, _ in PHASES.values()),
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
TOLD = READING_COLUMNS | {"is_new": "boolean"}
WRITE_READINGS = f"""
WITH told AS (
    SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in TOLD.values())}) AS t ({", ".join(TOLD)})
), stored AS (
    INSERT INTO meters_reading AS r ({", ".join(READING_COLUMNS)}) SELECT {", ".join(READING_COLUMNS)} FROM told
    ON CONFLICT (meter_id, measured_at) DO UPDATE SET {MERGE}
    WHERE ({", ".join(f"r.{c}" for c in MERGED)})
          IS DISTINCT FROM ({", ".join(NEW.values())})
)
"""  # noqa: S608

WRITE_EPOCHS = """
INSERT INTO meters_counterepoch AS e (meter_id, number, reason, first_wh, first_at, last_wh, last_at)
SELECT * FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::timestamptz[], %s::int[], %s::timestamptz[])
ON CONFLICT (meter_id, number) DO UPDATE SET
    first_wh = CASE WHEN excluded.first_at < e.first_at THEN excluded.first_wh ELSE e.first_wh END,
    first_at = least(excluded.first_at, e.first_at),
    last_wh = CASE WHEN excluded.last_at >= e.last_at THEN excluded.last_wh ELSE e.last_wh END,
    last_at = greatest(excluded.last_at, e.last_at)
"""
WRITE_DOUBTS = """
INSERT INTO meters_quarantinedreading (meter_id, measured_at, counter_wh, expected_wh, reason, created_at)
VALUES (%s, %s, %s, %s, %s, now()) ON CONFLICT (meter_id, measured_at) DO NOTHING
"""


def array(values: Iterable[Any]) -> str:
    """A column of numbers, truth values, times, plain words and nulls as PostgreSQL reads arrays.

    It is JSON but for the brackets, and that is written in C: psycopg's own way took 2 µs a reading more.
    """
    return "{" + orjson.dumps(list(values))[1:-1].decode() + "}"


def read_states(meter_ids: Iterable[int]) -> dict[int, Latest]:
    """The states of these meters, locked in an order: who stores the same ones waits. Missing rows are made."""
    ids = sorted(set(meter_ids))
    with connection.cursor() as cursor:
        cursor.execute(LOCK_STATES, [ids])
        if missing := sorted(set(ids) - {meter_id for (meter_id,) in cursor.fetchall()}):
            cursor.execute(MAKE_STATES, [missing])
        cursor.execute(READ_STATES, [ids])
        return {row.meter_id: row for row in map(_latest, cursor.fetchall())}


def write_states(states: Iterable[Latest]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(WRITE_STATES, [orjson.dumps([_document(state) for state in states]).decode()])


def write_readings(rows: Sequence[Row], also: str = "SELECT") -> None:
    """Insert, or merge with what is there attribute by attribute. Sorted rows fill pages in order.

    `also`: what else shall be made of the rows, by a statement that reads them from `told`: they travel once.
    """
    columns = zip(*map(attrgetter(*TOLD), rows), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(WRITE_READINGS + also, [array(column) for column in columns])


def find_known(rows: Sequence[Row]) -> None:
    """Say of these rows whether they are new. The meters' states are locked: nobody else stores theirs meanwhile."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM meters_reading r WHERE r.meter_id = n.meter_id AND r.measured_at = n.at) "
            "FROM unnest(%s::int[], %s::timestamptz[]) WITH ORDINALITY AS n (meter_id, at, place) ORDER BY place",
            [[row.meter_id for row in rows], [row.measured_at for row in rows]],
        )
        for row, (is_known,) in zip(rows, cursor.fetchall(), strict=True):
            row.is_new = not is_known


def hold(meter_id: int) -> None:
    """While this transaction lasts nothing of this meter is stored: whoever stores locks its state first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM meters_meterstate WHERE meter_id = %s FOR UPDATE", [meter_id])


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
    """(meter, number, reason, first, last): a new epoch, or wider bounds of a known one.

    A row for each that is touched, however often: a row for each counter value was half of all that storing took.
    """
    if not rows:
        return
    touched: dict[tuple[int, int], tuple[int, int, str, Point, Point]] = {}
    for meter, number, reason, first, last in rows:
        if known := touched.get((meter, number)):
            _, _, reason, first_known, last_known = known
            first = first if first.at < first_known.at else first_known
            last = last if last.at >= last_known.at else last_known
        touched[meter, number] = meter, number, reason, first, last
    written = [(meter, number, reason, a.wh, a.at, b.wh, b.at) for meter, number, reason, a, b in touched.values()]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_EPOCHS, [array(column) for column in zip(*sorted(written), strict=True)])


def write_doubts(rows: Sequence[tuple[int, Point, str, int | None]]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            WRITE_DOUBTS, [(meter, point.at, point.wh, expected, reason) for meter, point, reason, expected in rows]
        )


def prune_quarantined(before: datetime) -> int:
    """Forget counter values that were put aside before then; returns how many."""
    return forget(QuarantinedReading.objects.filter(created_at__lt=before))


def neighbours(meter_id: int, at: datetime) -> tuple[tuple[Point, int] | None, tuple[Point, int] | None]:
    """The counted points (with their epochs) at or before `at`, and after it."""
    select = "SELECT measured_at, counter_wh, epoch FROM meters_reading WHERE meter_id = %s AND epoch IS NOT NULL "
    with connection.cursor() as cursor:
        cursor.execute(select + "AND measured_at <= %s ORDER BY measured_at DESC LIMIT 1", [meter_id, at])
        before = cursor.fetchone()
        cursor.execute(select + "AND measured_at > %s ORDER BY measured_at LIMIT 1", [meter_id, at])
        after = cursor.fetchone()
    return _counted(before), _counted(after)


def has_counted_before(meter_id: int, at: datetime) -> bool:
    """Whether any value counted before `at`, be its reading kept or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM meters_counterepoch WHERE meter_id = %s AND first_at < %s)", [meter_id, at]
        )
        return bool(cursor.fetchone()[0])


def billed_wh(meter_id: int, wh: int, epoch: int) -> int:
    """What was billed when the counter stood at `wh` in this epoch: the rise of those before, and within its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(CASE WHEN number = %(epoch)s THEN %(wh)s ELSE last_wh END - first_wh) "
            "FROM meters_counterepoch WHERE meter_id = %(meter)s AND number <= %(epoch)s",
            {"meter": meter_id, "wh": wh, "epoch": epoch},
        )
        return int(cursor.fetchone()[0])


def _counted(row: tuple[datetime, int, int] | None) -> tuple[Point, int] | None:
    return (Point(row[0], row[1]), row[2]) if row else None


def _latest(row: Sequence[Any]) -> Latest:
    """A row of READ_STATES."""
    meter_id, heard_at, gap_s, epoch, energy_wh, pending, last_at, last_wh, *more = row
    values, times, phases = more[: len(VALUES)], more[len(VALUES) : -len(PHASES)], more[-len(PHASES) :]
    return Latest(
        meter_id,
        datetime.fromisoformat(heard_at) if heard_at else None,
        gap_s,
        values=dict(zip(VALUES, values, strict=True)),
        at={name: datetime.fromisoformat(at) for name, at in zip(TIMES, times, strict=True) if at},
        phases={
            quantity: [None if value is None else int(value * factor) for value in told or ()]
            for (quantity, (_, factor)), told in zip(PHASES.items(), phases, strict=True)
        },
        counter=Counter(
            epoch or 0,
            Point(datetime.fromisoformat(last_at), last_wh) if last_at else None,
            tuple(Point(datetime.fromisoformat(when), wh) for when, wh in orjson.loads(pending)),
        ),
        energy_wh=energy_wh,
    )


def _document(state: Latest) -> dict[str, Any]:
    told: dict[str, Any] = {
        "meter_id": state.meter_id,
        "heard_at": state.heard_at,
        "gap_s": state.gap_s,
        "epoch": state.counter.epoch or None,
        "energy_kwh": _wide(state.energy_wh, 1000),
        "pending": [[point.at, point.wh] for point in state.counter.pending],
    }
    for name, (column, _, factor) in VALUES.items():
        told[column] = _wide(state.values.get(name), factor)
    for name, column in TIMES.items():
        told[column] = state.at.get(name)
    for quantity, (column, factor) in PHASES.items():
        told[column] = [_wide(value, factor) for value in state.phases.get(quantity, ())] or None
    return told


def _wide(value: int | None, factor: int) -> int | str | None:
    """Exact decimal text where it is not whole: 858320 Wh → "858.32"."""
    return value if value is None or factor == 1 else str(Decimal(value) / factor)


def note_position(meter_id: int, relay: bool, at: datetime) -> None:
    """The relay's position that a meter's last word has proven, unless a later one is known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE meters_meterstate SET relay = %(relay)s, relay_at = %(at)s "
            "WHERE meter_id = %(meter)s AND (relay_at IS NULL OR relay_at <= %(at)s)",
            {"relay": relay, "at": at, "meter": meter_id},
        )
