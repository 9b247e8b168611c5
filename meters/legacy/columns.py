"""The former system's tables and columns, by our names, with all that they may be called. Pure.

Source: the schema that its own repository published in December 2025, in two versions; docs/legacy.md has the same
table for people. What a file has besides is named in the report, never dropped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

METER_NAME = ("meter_number", "meter_id", "friendly_name", "meter", "name", "måler", "målernummer", "navn")
PITCH = ("spot_number", "pitch_number", "spot", "pitch", "plads", "pladsnummer")
GUEST = {
    "id": ("id",),
    "booking": ("booking_id", "booking_number", "booking_nummer", "bookingnummer", "booking"),
    "first_name": ("first_name", "fornavn"),
    "last_name": ("last_name", "efternavn"),
    "name": ("customer_name", "full_name", "navn"),
    "email": ("email", "e_mail"),
    "phone": ("phone", "telefon", "mobil"),
    "language": ("language", "sprog"),
    "arrival": ("arrival_date", "season_start", "arrival", "check_in", "ankomst"),
    "departure": ("departure_date", "season_end", "departure", "check_out", "afrejse"),
    "checked_in": ("checked_in", "is_checked_in"),
    "checked_out": ("checked_out", "is_checked_out"),
    "adults": ("number_of_persons", "adults", "antal_personer"),
    "pitch": PITCH,
    "pitches": ("spot_numbers", "pitch_numbers"),
    "meter": ("meter_id", "meter_number", "maaler_navn"),
    "start_kwh": ("meter_start_energy", "start_energy"),
    "start_at": ("meter_start_time",),
    "package_kwh": ("power_included_kwh", "kwh_included"),
    "package_price": ("power_package_price",),
}
READINGS = {
    "name": ("meter_id", "meter_number", "friendly_name", "meter"),
    "at": ("time", "measured_at", "timestamp", "recorded_at", "tid", "tidspunkt"),
    "day": ("snapshot_date", "date", "dato"),
    "hour": ("snapshot_hour",),
    "made_at": ("created_at",),
    "kwh": ("energy", "energy_kwh", "kwh", "current_energy", "last_reading"),
}
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "power_meters": {
        "name": METER_NAME,
        "ieee": ("ieee_address", "ieee"),
        "base_topic": ("base_topic",),
        "topic": ("mqtt_topic", "topic"),
        "area": ("area", "area_name", "område"),
        "pitch": PITCH,
        "is_season": ("is_seasonal",),
        "is_cabin": ("is_cabin",),
        "cabin": ("cabin_number",),
        "kwh": ("last_reading", "current_energy", "energy"),
        "seen_at": ("last_seen", "updated_at"),
        "map_x": ("map_x",),
        "map_y": ("map_y",),
    },
    "meter_identity": {
        "ieee": ("ieee_address", "ieee", "ieeeaddr"),
        "name": METER_NAME,
        "base_topic": ("base_topic",),
        "model": ("model", "model_id"),
        "seen_at": ("last_seen", "updated_at", "snapshot_date", "created_at"),
    },
    "meter_readings_history": READINGS,
    "meter_readings": READINGS,
    "latest_meter_readings": READINGS,
    "cabins": {
        "number": ("cabin_number", "number", "hyttenummer"),
        "name": ("name", "navn"),
        "meter": ("meter_id", "meter_number"),
        "is_active": ("is_active", "aktiv"),
        "map_x": ("map_x",),
        "map_y": ("map_y",),
    },
    "regular_customers": GUEST,
    "seasonal_customers": GUEST,
    "booking_extra_meters": {
        "customer": ("booking_id", "customer_id"),
        "meter": ("meter_id", "meter_number"),
        "start_kwh": ("meter_start_energy", "start_energy"),
        "start_at": ("meter_start_time", "added_at"),
    },
    "plugin_data": {
        "id": ("id",),
        "module": ("module",),
        "data": ("data",),
    },
}
NEEDED: dict[str, tuple[str, ...]] = {
    "power_meters": ("name",),
    "meter_identity": ("ieee", "name"),
    "meter_readings_history": ("name", "kwh"),
    "meter_readings": ("name", "kwh"),
    "latest_meter_readings": ("name", "kwh"),
    "cabins": ("number",),
    "regular_customers": ("booking", "arrival", "departure"),
    "seasonal_customers": ("booking", "arrival", "departure"),
    "booking_extra_meters": ("customer", "meter"),
    "plugin_data": ("module", "data"),
}
SAME = {
    "customers": "regular_customers",
    "kunder": "regular_customers",
    "packages": "plugin_data",
    "pakker": "plugin_data",
}
"""Further names of tables."""
NOT_NEEDED = {
    *("id", "organization_id", "organisation_id", "created_at", "updated_at", "created_by", "ref_id", "key", "scope"),
    *("is_available", "current_customer_id", "power_status", "is_online", "stand_id", "map_locked", "status"),
    *("admin_bypass", "admin_bypass_by", "admin_bypass_at", "admin_bypass_reason", "current_power", "voltage"),
    *("availability", "last_seen", "power", "current", "state", "linkquality", "snapshot_time", "friendly_name"),
    *("cabin_type", "distribution_board_id", "license_plates", "customer_type", "magic_token"),
    *("winter_storage", "has_power_package", "power_package_type", "power_package_start_date", "snapshot_date"),
    *("power_package_end_date", "booking_type", "added_by", "meter_name"),
}
"""Columns that we know and do not take over: what the former system thought of the moment, and what nobody needs."""


class NoTable(Exception):
    """A file whose table nobody can tell, or that lacks a column without which it says nothing."""


class BadColumn(Exception):
    """A further name for a column that makes no sense."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each of our columns stands in a row of this table; `unknown`: theirs that nobody knows."""

    table: str
    places: Mapping[str, int]
    unknown: tuple[str, ...]

    def cells(self, row: Iterable[str | None]) -> dict[str, str]:
        """By our names; what is empty is left out."""
        told = tuple(row)
        found = ((name, told[place]) for name, place in self.places.items())
        return {name: cell.strip() for name, cell in found if cell is not None and cell.strip()}


Extra = Mapping[tuple[str, str], str]
"""Further names: (table, their column) → our column."""


def layout(table: str, theirs: Iterable[str], extra: Extra) -> Layout:
    """Raises NoTable. The first of our names' columns that is there counts, in the order of the table above."""
    at = {_plain(name): place for place, name in reversed(list(enumerate(theirs)))}
    places: dict[str, int] = {}
    for name, known in TABLES[table].items():
        said = [theirs for (of, theirs), ours in extra.items() if of == table and ours == name]
        if found := next((_plain(each) for each in (*said, *known) if _plain(each) in at), None):
            places[name] = at[found]
    if missing := [name for name in NEEDED[table] if name not in places]:
        raise NoTable(f"{table} has no column for {', '.join(missing)}: say which one it is with --column")
    read = set(places.values())
    known_here = {_plain(name) for names in TABLES[table].values() for name in names} | {_plain(n) for n in NOT_NEEDED}
    unknown = tuple(name for name in theirs if name and at[_plain(name)] not in read and _plain(name) not in known_here)
    return Layout(table, places, unknown)


def named(name: str) -> str | None:
    """The table of exactly that name; None: it is none of those that are read."""
    known = SAME.get(name, name)
    return known if known in TABLES else None


def of_file(stem: str) -> str | None:
    """The table whose rows a file of that name holds: power_meters_rows (1).csv."""
    plain = re.sub(r"[\s-]+", "_", stem.casefold())
    names = sorted([*TABLES, *SAME], key=len, reverse=True)
    return next((named(each) for each in names if plain.startswith(each)), None)


def further(told: Iterable[str]) -> dict[tuple[str, str], str]:
    """Of texts like power_meters.standplads=pitch. Raises BadColumn."""
    found = {}
    for text in told:
        match = re.fullmatch(r"(\w+)\.(.+)=(\w+)", text)
        if not match or match[1] not in TABLES or match[3] not in TABLES[match[1]]:
            raise BadColumn(f"{text}: it must be TABLE.THEIRS=OURS, with a table and a column of docs/legacy.md")
        found[match[1], match[2]] = match[3]
    return found


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
