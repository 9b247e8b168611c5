"""The ledger beside the tables, by statements that share nothing with the product's. Each finding is a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bench.chaos.load import Ledger, Said

Key = tuple[str, datetime]
Spans = Sequence[tuple[float, float]]
COLUMNS = ("counter_wh", "power_w", "current_ma", "voltage_dv", "linkquality", "relay")
MOST_TOLD = 5
"""Of each kind of finding."""
OF_METERS = "JOIN meters_meter m ON m.id = r.meter_id JOIN meters_device d ON d.id = m.device_id"


def sent_to(database: psycopg.Connection[Any]) -> set[str]:
    """The meters (addresses) to which a command went, be it heard or not: for two minutes what they say of their relay
    may be its echo."""
    found = database.execute(
        "SELECT DISTINCT d.ieee_address FROM meters_command r "
        f"{OF_METERS} WHERE r.sent_at IS NOT NULL OR r.claimed_at IS NOT NULL"
    )
    return {ieee for (ieee,) in found}


def missing(database: psycopg.Connection[Any], ledger: Ledger, refused: Spans) -> set[Key]:
    """What the broker took and no row holds."""
    stored = set(database.execute(f"SELECT d.ieee_address, r.measured_at FROM meters_reading r {OF_METERS}"))
    return {(each.ieee, each.at) for each in _taken(ledger) if not _may_be_refused(each, refused)} - stored


def in_rows(database: psycopg.Connection[Any], spans: Spans = ()) -> Callable[[Said], bool]:
    """Whether what a message said is stored now, or was refused. Its position may have been an echo's, which is not."""
    held: dict[Key, set[str]] = {}
    rows = database.execute(
        f"SELECT d.ieee_address, r.measured_at, {', '.join(COLUMNS)} FROM meters_reading r {OF_METERS}"
    )
    for ieee, at, *values in rows:
        held[ieee, at] = {column for column, value in zip(COLUMNS, values, strict=True) if value is not None}
    return lambda said: (
        set(said.values) - {"relay"} <= held.get((said.ieee, said.at), set()) or _may_be_refused(said, spans)
    )


def lost_by_the_broker(database: psycopg.Connection[Any], ledger: Ledger) -> int:
    """How many messages of those that were given up are not stored indeed."""
    is_stored = in_rows(database)
    return sum(not is_stored(ledger.said[place]) for place in ledger.given_up)


def refused(database: psycopg.Connection[Any], ledger: Ledger, spans: Spans) -> int:
    """How many moments have no row and need none: what is of now may have been refused as being of the future."""
    stored = set(database.execute(f"SELECT d.ieee_address, r.measured_at FROM meters_reading r {OF_METERS}"))
    return len({(each.ieee, each.at) for each in _taken(ledger) if _may_be_refused(each, spans)} - stored)


def _beyond_refused(database: psycopg.Connection[Any], ledger: Ledger, spans: Spans) -> Iterator[str]:
    """What may have been refused must be counted as such by the product."""
    statement = "SELECT coalesce(sum(count), 0) FROM meters_rejectedmessage WHERE code = 'from_the_future'"
    gone, row = refused(database, ledger, spans), database.execute(statement).fetchone()
    if row and gone > row[0]:
        yield f"{gone} moments while our clock was behind; only {row[0]} messages were refused as of the future"


def _taken(ledger: Ledger) -> Iterator[Said]:
    with ledger.lock:
        places, said = set(ledger.taken), list(ledger.said)
    return (each for place, each in enumerate(said) if place in places)


def _may_be_refused(said: Said, spans: Spans) -> bool:
    is_of_now = abs(said.at.timestamp() - said.sent_at) < 60
    return is_of_now and any(begun <= said.sent_at <= ended for begun, ended in spans)


def compare(database: psycopg.Connection[Any], ledger: Ledger, spans: Spans, switched: set[str]) -> list[str]:
    """`spans`: when messages of now may have been refused as being of the future; `switched`: meters (addresses) whose
    position an echo may have told, which is not stored."""
    return [
        *_few("lost", (f"{ieee} {at}" for ieee, at in sorted(missing(database, ledger, spans)))),
        *_few("lost", _beyond_refused(database, ledger, spans)),
        *_values(database, ledger, spans, switched),
        *_few("two rows of one moment", _doubled(database)),
        *_few("roll-ups are not their readings", _rollups(database)),
        *_few("energy is not what the counter rose", _energy(database, ledger)),
        *_few("an hour's energy", _hours(database)),
        *_few("days are not their hours", _days(database)),
    ]


def _few(kind: str, found: Iterator[str]) -> list[str]:
    every = list(found)
    more = [f"{kind}: and {len(every) - MOST_TOLD} more"] if len(every) > MOST_TOLD else []
    return [f"{kind}: {text}" for text in every[:MOST_TOLD]] + more


# --- readings --------------------------------------------------------------------------------------------------------


def _values(database: psycopg.Connection[Any], ledger: Ledger, spans: Spans, switched: set[str]) -> list[str]:
    """Each attribute of each row equals what was sent, and none was sent by nobody."""
    sent: dict[Key, dict[str, Any]] = defaultdict(dict)
    owed: dict[Key, set[str]] = defaultdict(set)
    for place, each in enumerate(ledger.said):
        sent[each.ieee, each.at] |= each.values
        if place in ledger.taken and not _may_be_refused(each, spans):
            owed[each.ieee, each.at] |= set(each.values)
    others, wrong, lacking = [], [], []
    rows = database.execute(
        f"SELECT d.ieee_address, r.measured_at, {', '.join(COLUMNS)} FROM meters_reading r {OF_METERS}"
    )
    for ieee, at, *stored in rows:
        if (ieee, at) not in sent:
            others.append(f"{ieee} {at}")
            continue
        for column, value in zip(COLUMNS, stored, strict=True):
            told, key = sent[ieee, at].get(column), (ieee, at)
            if value is None:
                may_lack = column not in owed[key] or (column == "relay" and ieee in switched)
                lacking += [] if may_lack else [f"{ieee} {at} {column}: sent {told}"]
            elif value != told:
                wrong.append(f"{ieee} {at} {column}: sent {told}, stored {value}")
    return [
        *_few("stored, and sent by nobody", iter(others)),
        *_few("another value", iter(wrong)),
        *_few("a value lost", iter(lacking)),
    ]


def _doubled(database: psycopg.Connection[Any]) -> Iterator[str]:
    statement = "SELECT meter_id, measured_at FROM meters_reading GROUP BY 1, 2 HAVING count(*) > 1"
    return (f"{meter} {at}" for meter, at in database.execute(statement))


# --- what follows from them ------------------------------------------------------------------------------------------


def _rollups(database: psycopg.Connection[Any]) -> Iterator[str]:
    """Of each hour: how many readings, and the extremes of watts."""
    raw = (
        "SELECT meter_id, date_trunc('hour', measured_at), count(*), min(power_w), max(power_w), max(current_ma) "
        "FROM meters_reading GROUP BY 1, 2"
    )
    hours = "SELECT meter_id, hour, readings, power_min_w, power_max_w, current_max_ma FROM meters_hourlyusage"
    wanted = {(meter, hour): told for meter, hour, *told in database.execute(raw)}
    found = {(meter, hour): told for meter, hour, *told in database.execute(hours)}
    for key in sorted(wanted.keys() | found.keys()):
        here, there = found.get(key), wanted.get(key)
        if here != there and not (there is None and here and here[0] == 0):
            yield f"{key[0]} {key[1]}: hour {here}, readings {there}"


def _energy(database: psycopg.Connection[Any], ledger: Ledger) -> Iterator[str]:
    """One epoch a meter, nothing doubted, and what is billed is the last counter less the first."""
    counters: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(ledger.said):
        if "counter_wh" in each.values and place in ledger.taken:
            counters[each.ieee].append(each.values["counter_wh"])
    statement = (
        "SELECT d.ieee_address, round(s.energy_kwh * 1000), "
        "(SELECT coalesce(sum(h.energy_wh), 0) FROM meters_hourlyusage h WHERE h.meter_id = m.id), "
        "(SELECT coalesce(sum(e.last_wh - e.first_wh), 0) FROM meters_counterepoch e WHERE e.meter_id = m.id), "
        "(SELECT count(*) FROM meters_counterepoch e WHERE e.meter_id = m.id), "
        "(SELECT count(*) FROM meters_quarantinedreading q WHERE q.meter_id = m.id), "
        "(SELECT max(counter_wh) - min(counter_wh) FROM meters_reading r WHERE meter_id = m.id AND epoch IS NOT NULL) "
        "FROM meters_meter m JOIN meters_device d ON d.id = m.device_id JOIN meters_meterstate s ON s.meter_id = m.id"
    )
    for ieee, billed, by_hours, by_epochs, epochs, doubted, raw in database.execute(statement):
        told = counters[ieee]
        if not told:
            continue
        rose = max(told) - min(told)
        if not billed == by_hours == by_epochs == raw:
            yield f"{ieee}: billed {billed}, hours {by_hours}, epochs {by_epochs}, readings {raw} Wh"
        if raw is None or raw < rose:
            yield f"{ieee}: billed {billed} Wh, and the broker took a rise of {rose}"
        if epochs != 1 or doubted:
            yield f"{ieee}: {epochs} epochs, {doubted} values doubted"


def _hours(database: psycopg.Connection[Any]) -> Iterator[str]:
    """An hour has used at least what the counter rose within it, at most what it rose around it."""
    points: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
    counted = "SELECT meter_id, measured_at, counter_wh FROM meters_reading WHERE epoch IS NOT NULL ORDER BY 1, 2"
    for meter, at, wh in database.execute(counted):
        points[meter].append((at, wh))
    for meter, hour, energy in database.execute("SELECT meter_id, hour, energy_wh FROM meters_hourlyusage"):
        ends = hour + timedelta(hours=1)
        within = [wh for at, wh in points[meter] if hour <= at < ends]
        before = [wh for at, wh in points[meter] if at < hour][-1:] or within[:1]
        after = [wh for at, wh in points[meter] if at >= ends][:1] or within[-1:]
        least = within[-1] - within[0] if within else 0
        most = after[0] - before[0] if after and before else 0
        if not least <= energy <= most:
            yield f"{meter} {hour}: {energy} Wh, by the counter {least} to {most}"


def _days(database: psycopg.Connection[Any]) -> Iterator[str]:
    """Of the days that were summed up."""
    statement = (
        "SELECT d.meter_id, d.day, d.energy_wh, d.readings, sum(h.energy_wh), sum(h.readings) FROM meters_dailyusage d "
        "JOIN meters_hourlyusage h ON h.meter_id = d.meter_id "
        "AND (h.hour AT TIME ZONE 'Europe/Copenhagen')::date = d.day "
        "WHERE NOT EXISTS (SELECT 1 FROM meters_hourlyusage n WHERE n.meter_id = d.meter_id AND NOT n.is_summed "
        "AND (n.hour AT TIME ZONE 'Europe/Copenhagen')::date = d.day) GROUP BY 1, 2, 3, 4"
    )
    for meter, day, energy, readings, by_hours, rows in database.execute(statement):
        if (energy, readings) != (by_hours, rows):
            yield f"{meter} {day}: {energy} Wh of {readings} readings, its hours {by_hours} of {rows}"
