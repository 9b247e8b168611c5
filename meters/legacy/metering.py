"""The former system's meters, where they hang and what their counters stood at, where that is missing here.

By each table's own module: a meter that no Zigbee2MQTT lists yet is expected (`registry`), it hangs where it hung
(`installations`), and its counter goes on from what it told last (`readings`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from auditlog.models import LogEntry
from django.conf import settings

from meters import directory, installations, online, partitions, readings, registry
from meters.installations import InstallationError, plain
from meters.legacy import found as gathered
from meters.legacy.found import Found, Identity, OldMeter, Question, Tally
from meters.legacy.report import Report
from meters.models import Area, CounterEpoch, Device, Installation, Meter, Pitch
from meters.people import Person, person
from meters.zigbee2mqtt import State

AWAITS = "awaits its Zigbee2MQTT: nothing is known of it until that lists it"


@dataclass(frozen=True, slots=True)
class Brought:
    """The meters of this campsite by the names that the former system had for them, plain."""

    by_name: Mapping[str, Meter]
    exchanged: frozenset[str]
    """Names that several addresses have had: their readings are of two meters."""


def meters(found: Found, areas: Mapping[str, Area], report: Report, now: datetime) -> Brought:
    """A card for each address that measures; those that have one keep it."""
    told = []
    for each in gathered.owners(found):
        if isinstance(each, Question):
            report.question("meter", each)
        else:
            told.append(each)
    by_name = gathered.by_name(told)
    here = {meter.device.ieee_address: meter for meter in Meter.objects.select_related("device__area")}
    known: dict[str, Meter] = {}
    for name, several in by_name.items():
        if meter := _meter(several, found, areas, here, report, now):
            known[name] = meter
    known |= _known_by_name(found, known, here.values(), by_name, report)
    return Brought(known, frozenset(name for name, several in by_name.items() if len(several) > 1))


def hang(
    found: Found, brought: Brought, pitches: Mapping[str, Pitch], at: datetime, by: Person, report: Report
) -> None:
    """Each meter that never hung anywhere here hangs, as of `at`, where the files say."""
    numbers = {pitch.number: pitch.aliases for pitch in pitches.values()}
    said: dict[str, list[OldMeter]] = defaultdict(list)
    for each in found.meters:
        said[plain(each.name)].append(each)
    for name, meter in brought.by_name.items():
        told = {pitches[plain(each.pitch)]: each for each in said[name] if plain(each.pitch) in pitches}
        where = said[name][0].where if said[name] else None
        if Installation.objects.filter(meter=meter).exists():
            report.kept("hanging", str(meter), "where it hangs is known here", where)
        elif len(told) > 1:
            why = f"the files say that it hangs on {' and on '.join(sorted(map(str, told)))}"
            report.ask("hanging", str(meter), why, "look, and put it up in the administration", where)
        elif pitch := next(iter(told), None):
            _install(meter, pitch, at, by, "", report, told[pitch])
        elif number := installations.suggest(meter.device.friendly_name, numbers):
            _install(meter, pitches[plain(number)], at, by, ", by its name", report, None)
        else:
            report.kept("hanging", str(meter), "no pitch is told: guests choose it, or staff put it up", where)


def start(found: Found, brought: Brought, exported_at: datetime, now: datetime, by: Person, report: Report) -> None:
    """Each counter that has told nothing here goes on from the last value that the former system had of it."""
    counted = set(CounterEpoch.objects.values_list("meter_id", flat=True).distinct())
    known = directory.load().devices
    for name, meter in brought.by_name.items():
        tally = found.tallies.get(name)
        if meter.pk in counted:
            report.kept("counter", str(meter), "tells its counter here already")
        elif name in brought.exchanged:
            report.kept("counter", str(meter), "two meters have had its name: it begins with its own first value")
        elif tally is None or tally.last is None:
            where = tally.where if tally else None
            report.kept("counter", str(meter), f"never told a value{_oddities(tally)}", where)
        elif tally.last[0] > exported_at:
            do = "say by --exported when the files were made, and by --utc whose times they tell; then run this again"
            report.ask("counter", str(meter), "its last value is newer than the export", do, tally.where)
        elif why := _unfit(tally.last[0], now):
            report.kept("counter", str(meter), why, tally.where)
        else:
            _start(meter, known[meter.device.ieee_address], tally, *tally.last, by, report)
    for name, tally in found.tallies.items():
        if name not in brought.by_name:
            why = f"{tally.rows} readings of a name that no meter has{_oddities(tally)}"
            report.ask("counter", name, why, "nothing is made of them; keep the file", tally.where)


# --- inside ----------------------------------------------------------------------------------------------------------


def _meter(
    several: list[Identity],
    found: Found,
    areas: Mapping[str, Area],
    here: dict[str, Meter],
    report: Report,
    now: datetime,
) -> Meter | None:
    """The meter that has a name, of all addresses that have had it, the newest first."""
    first, *others = several
    for other in others:
        if other.seen_at == first.seen_at:
            why = f"{first.ieee} and {other.ieee} have this name, and the files do not say which is newer"
            report.ask("meter", first.name, why, "nothing is made of them: say by hand where each hangs", first.where)
            return None
        report.kept("meter", other.ieee, f"was {other.name} before {first.ieee}", other.where)
    if gathered.is_repeater(first, found):
        report.kept("meter", first.name, "is a repeater: it comes with the inventory", first.where)
        return None
    if meter := here.get(first.ieee):
        is_other = plain(meter.device.friendly_name) != plain(first.name)
        report.kept("meter", first.name, f"is here{f' as {meter}' if is_other else ''}", first.where)
        return meter
    if Device.objects.filter(ieee_address=first.ieee).exists():
        report.kept("meter", first.name, "is here, and measures nothing", first.where)
        return None
    if namesake := _namesake(first, here):
        why = f"{namesake.device.ieee_address} has this name here, and {first.ieee} is not listed: it was exchanged"
        report.ask("meter", first.name, why, "say by hand where the new one hangs", first.where)
        return None
    here[first.ieee] = registry.expect(first.ieee, areas.get(first.base_topic), first.name, first.model, now)
    report.made("meter", first.name, f"{first.ieee} in {first.base_topic or 'no area'}: {AWAITS}", first.where)
    return here[first.ieee]


def _namesake(identity: Identity, here: Mapping[str, Meter]) -> Meter | None:
    """The other meter that has this name in the same area today."""
    name = plain(identity.name)
    for meter in here.values():
        device = meter.device
        topic = device.area.base_topic if device.area and device.removed_at is None else None
        if topic == identity.base_topic and plain(device.friendly_name) == name:
            return meter
    return None


def _known_by_name(
    found: Found,
    known: Mapping[str, Meter],
    here: Iterable[Meter],
    by_name: Mapping[str, list[Identity]],
    report: Report,
) -> dict[str, Meter]:
    """Meters that the files name without an address: those that one Zigbee2MQTT lists under that name today."""
    listed: dict[str, list[Meter]] = defaultdict(list)
    for meter in here:
        listed[plain(meter.device.friendly_name)].append(meter)
    added = {}
    for old in _without_address(found, by_name):
        name = plain(old.name)
        if name in known or name in added:
            continue
        if len(listed[name]) == 1:
            added[name] = listed[name][0]
            report.kept("meter", old.name, "is here under this name", old.where)
        else:
            why = "no file tells its address: it was renamed, exchanged or never paired"
            do = "if it exists, its Zigbee2MQTT brings it under its present name: then say where it hangs"
            report.ask("meter", old.name, why, do, old.where)
    return added


def _without_address(found: Found, by_name: Mapping[str, list[Identity]]) -> Iterator[OldMeter]:
    seen = set(by_name) | {plain(each.name) for told in found.identities.values() for each in told}
    for old in found.meters:
        if plain(old.name) not in seen:
            seen.add(plain(old.name))
            yield old


def _install(
    meter: Meter, pitch: Pitch, at: datetime, by: Person, how: str, report: Report, told: OldMeter | None
) -> None:
    where = told.where if told else None
    try:
        installations.install(meter, pitch, at, by)
    except InstallationError as why:
        report.ask("hanging", str(meter), str(why), f"put it up on {pitch} by hand", where)
    else:
        report.made("hanging", str(meter), f"on {pitch}{how}", where)


def _unfit(at: datetime, now: datetime) -> str:
    """Why a counter's last value is not taken over; empty: nothing speaks against it."""
    if at < now - timedelta(days=settings.READINGS_KEPT_DAYS - 1):
        return f"its last value is older than readings are kept ({settings.READINGS_KEPT_DAYS} days): it begins anew"
    if now - at < online.SHORTEST_EXPECTED:
        return "was heard just now, and must not look as if we had heard it: run this once more in a quarter of an hour"
    return ""


def _start(
    meter: Meter, known: directory.Known, tally: Tally, at: datetime, kwh: Decimal, by: Person, report: Report
) -> None:
    state = State(known.ieee_address, known.ieee_address, at, None, None, None, None, None, int(kwh * 1000), {})
    try:
        readings.store([readings.Report(replace(known, fresh=known.fresh | {"energy"}), state, at)])
    except partitions.Forgotten:
        report.kept("counter", str(meter), "the readings of its last value's day were given up", tally.where)
        return
    told = {"start of the counter": ["None", f"{kwh} kWh, {at.isoformat()}"]}
    LogEntry.objects.log_create(meter, action=LogEntry.Action.UPDATE, changes=told, actor=person(by))
    report.made("counter", str(meter), f"{kwh} kWh of {at:%Y-%m-%d %H:%M} UTC{_oddities(tally)}", tally.where)


def _oddities(tally: Tally | None) -> str:
    """What the readings of a name show that somebody should know."""
    if tally is None:
        return ""
    odd = [f"{tally.nulls} without a counter"] if tally.nulls else []
    odd += [f"it fell {tally.falls} times"] if tally.falls else []
    if tally.is_frozen and tally.still_since:
        odd += [f"it has not moved since {tally.still_since:%Y-%m-%d}"]
    return f" ({', '.join(odd)})" if odd else ""
