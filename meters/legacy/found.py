"""What the former system's files say of the campsite: its areas, pitches, meters and counters. Pure; memory grows with
the number of meters, not of readings.

A meter is its IEEE address; the former system knew it by its name. Where a name does not lead to one address, nobody
guesses: it is told, with what to do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from meters.installations import plain
from meters.legacy import values
from meters.legacy.records import Read, Record, Where
from meters.legacy.values import BadValue

READINGS = ("meter_readings_history", "meter_readings", "latest_meter_readings")
REPEATER = re.compile(r"repeater|range.?extender|ZGA004|E1746", re.IGNORECASE)
SERVICE = {"kontor", "reception", "vaskeplads", "vaskeri", "toilet", "bad", "køkken", "værksted", "office"}
"""Places that no booking switches."""
FROZEN = timedelta(days=2)
PACKAGES = "pakker"
"""What plugin_data calls a package; of the many other things that stand there none is kept in memory."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A line of meter_identity, or what power_meters tells of the same: this address had this name in this area."""

    where: Where
    ieee: str
    name: str
    base_topic: str
    model: str
    seen_at: datetime | None


@dataclass(slots=True)
class Tally:
    """What the readings of a name tell, in the order of the file; `last` is the newest that has a counter."""

    where: Where
    rows: int = 0
    nulls: int = 0
    falls: int = 0
    fell_at: datetime | None = None
    last: tuple[datetime, Decimal] | None = None
    still_since: datetime | None = None

    def add(self, at: datetime, kwh: Decimal | None, where: Where) -> None:
        self.rows += 1
        if kwh is None:
            self.nulls += 1
        elif self.last is None or at >= self.last[0]:
            if self.last is not None and kwh < self.last[1]:
                self.falls, self.fell_at = self.falls + 1, at
            if self.last is None or kwh != self.last[1]:
                self.still_since = at
            self.last, self.where = (at, kwh), where

    @property
    def is_frozen(self) -> bool:
        return bool(self.last and self.still_since and self.last[0] - self.still_since >= FROZEN)


@dataclass(frozen=True, slots=True)
class OldPitch:
    where: Where
    number: str
    kind: str = ""
    aliases: tuple[str, ...] = ()
    map_x: float | None = None
    map_y: float | None = None


@dataclass(frozen=True, slots=True)
class OldMeter:
    """A row of power_meters. `pitch`: where it hung, as far as it says so."""

    where: Where
    name: str
    base_topic: str
    pitch: str


@dataclass(frozen=True, slots=True)
class Question:
    """What could not be decided, and what a person does about it."""

    where: Where
    what: str
    why: str
    do: str


@dataclass
class Found:
    """Everything that the files say, as it was gathered."""

    meters: list[OldMeter] = field(default_factory=list)
    identities: dict[str, list[Identity]] = field(default_factory=lambda: defaultdict(list))
    tallies: dict[str, Tally] = field(default_factory=dict)
    pitches: list[OldPitch] = field(default_factory=list)
    area_names: dict[str, str] = field(default_factory=dict)
    topics: dict[str, Where] = field(default_factory=dict)
    others: list[Record] = field(default_factory=list)
    naive: int = 0


def gather(records: Iterable[Record], clock: tzinfo, read: Read, found: Found) -> None:
    """Add what these records say to what was found; those of other tables (guests, packages) are kept as they are."""
    reader = Reader(clock, read, found)
    for record in records:
        try:
            reader.take(record)
        except BadValue as why:
            read.refuse(record.where, record.table, str(why))


class Reader:
    """One record at a time into what was found."""

    def __init__(self, clock: tzinfo, read: Read, found: Found) -> None:
        self.clock, self.read, self.found = clock, read, found

    def take(self, record: Record) -> None:
        """Raises BadValue."""
        if record.table in READINGS:
            self.reading(record)
        elif record.table == "meter_identity":
            self.identity(record)
        elif record.table == "power_meters":
            self.meter(record)
        elif record.table == "cabins":
            self.cabin(record)
        elif record.cells.get("module", PACKAGES).casefold() == PACKAGES:
            self.found.others.append(record)

    def reading(self, record: Record) -> None:
        cells = record.cells
        name = plain(cells.get("name", ""))
        if not name:
            raise BadValue("it names no meter")
        tally = self.found.tallies.setdefault(name, Tally(record.where))
        tally.add(self._measured(cells), values.kwh(cells["kwh"]) if "kwh" in cells else None, record.where)

    def identity(self, record: Record) -> None:
        cells = record.cells
        ieee, name = values.ieee(cells.get("ieee", "")), _name(cells.get("name", ""))
        self._identity(record, ieee, name, cells.get("base_topic", ""))

    def meter(self, record: Record) -> None:
        cells = record.cells
        name = _name(cells.get("name", ""))
        topic = cells.get("base_topic") or _base_of(cells.get("topic", ""), name)
        if "ieee" in cells:
            self._identity(record, values.ieee(cells["ieee"]), name, topic)
        self._topic(topic, record.where)
        if topic and "area" in cells:
            self.found.area_names.setdefault(topic, cells["area"])
        kind = "cabin" if _yes(cells.get("is_cabin")) else "seasonal" if _yes(cells.get("is_season")) else ""
        pitch = (cells.get("cabin") if kind == "cabin" else None) or cells.get("pitch", "")
        self.found.meters.append(OldMeter(record.where, name, topic, pitch))
        if pitch:
            self.pitch(record, pitch, kind)
        if "kwh" in cells and "seen_at" in cells:
            tally = self.found.tallies.setdefault(plain(name), Tally(record.where))
            tally.add(self._moment(cells["seen_at"]), values.kwh(cells["kwh"]), record.where)

    def cabin(self, record: Record) -> None:
        cells = record.cells
        if not _yes(cells.get("is_active", "true")):
            return
        self.pitch(record, cells.get("number", ""), "cabin", tuple(filter(None, [cells.get("name")])))
        if "meter" in cells:
            self.found.meters.append(OldMeter(record.where, _name(cells["meter"]), "", cells["number"]))

    def pitch(self, record: Record, number: str, kind: str, aliases: tuple[str, ...] = ()) -> None:
        """A pitch, or a cabin, of that number was named."""
        number = " ".join(number.split())
        if not 0 < len(number) <= 40:
            raise BadValue("no number of a pitch stands there")
        kind = kind or ("service" if plain(number) in SERVICE else "")
        where_on_map = (_coordinate(record.cells.get(name)) for name in ("map_x", "map_y"))
        self.found.pitches.append(OldPitch(record.where, number, kind, aliases, *where_on_map))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _identity(self, record: Record, ieee: str, name: str, base_topic: str) -> None:
        seen_at = self._moment(record.cells["seen_at"]) if "seen_at" in record.cells else None
        told = Identity(record.where, ieee, name, base_topic, record.cells.get("model", ""), seen_at)
        self.found.identities[ieee].append(told)
        self._topic(base_topic, record.where)

    def _topic(self, base_topic: str, where: Where) -> None:
        if base_topic:
            self.found.topics.setdefault(base_topic, where)

    def _measured(self, cells: dict[str, str]) -> datetime:
        if "at" in cells:
            return self._moment(cells["at"])
        if "day" in cells:
            hour = f"{values.whole(cells['hour'])}:00" if "hour" in cells else "23:59"
            return self._moment(f"{values.day(cells['day'])} {hour}")
        if "made_at" in cells:
            return self._moment(cells["made_at"])
        raise BadValue("it does not say when it was measured")

    def _moment(self, text: str) -> datetime:
        self.found.naive += not values.has_zone(text)
        return values.moment(text, self.clock)


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= 250:
        raise BadValue("it names no meter")
    return name


def _base_of(topic: str, name: str) -> str:
    """The base topic of a meter's topic: what is before its name."""
    before = topic.removesuffix("/set").removesuffix("/get")
    if before.casefold().endswith(f"/{name.casefold()}"):
        return before[: -len(name) - 1]
    return ""


def _yes(text: str | None) -> bool:
    return bool(text) and values.yes(str(text))


def _coordinate(text: str | None) -> float | None:
    return float(values.number(text)) if text else None


# --- who is who ------------------------------------------------------------------------------------------------------


def owners(found: Found) -> Iterator[Identity | Question]:
    """Of each address the newest word: under which name, and in which area. Two areas that say it at the same time, or
    never say when, are a question.
    """
    for ieee, told in found.identities.items():
        newest = max((each.seen_at for each in told if each.seen_at), default=None)
        last = [each for each in told if each.seen_at == newest]
        if len({(each.base_topic, plain(each.name)) for each in last}) > 1:
            said = ", ".join(sorted({f"{each.name} in {each.base_topic or '?'}" for each in last}))
            why = f"the files list it as {said}, and do not say which is newer"
            do = "nothing is made of it: once its Zigbee2MQTT runs it comes by itself, then say where it hangs"
            yield Question(last[0].where, ieee, why, do)
        else:
            yield last[-1]


def by_name(identities: Iterable[Identity]) -> dict[str, list[Identity]]:
    """The addresses that last had each name, the newest first: more than one where a meter was exchanged."""
    found: dict[str, list[Identity]] = defaultdict(list)
    for each in identities:
        found[plain(each.name)].append(each)
    return {name: sorted(several, key=_newest, reverse=True) for name, several in found.items()}


def _newest(identity: Identity) -> float:
    return identity.seen_at.timestamp() if identity.seen_at else 0


def is_repeater(identity: Identity, found: Found) -> bool:
    """A device that measures nothing: its name or model says so, and no counter was ever told under its name."""
    tally = found.tallies.get(plain(identity.name))
    return bool(REPEATER.search(f"{identity.name} {identity.model}")) and not (tally and tally.last)
