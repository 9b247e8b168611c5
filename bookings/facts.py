"""What the power of meters depends on, gathered from the tables in a constant number of queries. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings import accounts
from bookings.models import PowerRule, Stay, StayMeter
from bookings.power import OFF_AFTER_A_GUEST, Facts, Override, Package, Party, leaves_at
from meters import clock
from meters.commands.rules import PERSONS
from meters.models import Installation, Meter, MeterState, Pitch, Source, Want

LOOK_BACK = timedelta(hours=26) + OFF_AFTER_A_GUEST
"""Lines that ended longer ago change nothing any more: it spans cleaning on the day after, also on the longest day."""
Reason = StayMeter.Reason
LEAVING = (Reason.CHECK_OUT, Reason.MOVE, Reason.CANCELLED, Reason.NEXT_GUEST)
"""Ends of a line after which a cabin is cleaned."""
OURS = (Source.POLICY, Source.CLEANING)
HERE = Stay.Status.IN_HOUSE
LEFT = Stay.Status.LEFT
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Case:
    """A meter, where it hangs, who is on it, and what its power depends on.

    `wants`: what the policy and cleaning want of it so far, by source; `is_formers`: a guest who has it no more wants
    something of it still.
    """

    meter: Meter
    pitch: Pitch | None
    stays: tuple[Stay, ...]
    facts: Facts
    wants: dict[str, Want]
    is_formers: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """What was read: lines, wants, relay and pitch by meter; by pitch who is on it, the days of departure as booked,
    and when somebody left; packages by booking. `lapsed`: by meter what the policy wanted last, where nobody
    prolonged it.
    """

    hung: dict[int, Pitch]
    lines: dict[int, list[StayMeter]]
    here: dict[int, list[Stay]]
    departures: dict[int, list[date]]
    left: dict[int, list[datetime]]
    taken_away: set[tuple[int, int]]
    packages: dict[int, Package]
    relays: dict[int, bool | None]
    rules: dict[str, PowerRule]
    wants: dict[int, list[Want]]
    lapsed: dict[int, Want]


def gather(meter_ids: Collection[int] | None, now: datetime) -> list[Case]:
    """A case for each of these meters; None: for each that hangs on a pitch, has or had a guest, or is managed."""
    ids = _concerned(now) if meter_ids is None else meter_ids
    meters = list(Meter.objects.select_related("device").filter(pk__in=ids).order_by("pk"))
    tables = _read([meter.pk for meter in meters], now) if meters else None
    return [_case(meter, tables) for meter in meters] if tables else []


def reason_of(booking: int) -> str:
    """How what is wanted for the guests of a booking (Sirvoy's number) tells whose it is."""
    return f"Booking {booking}"


def places(meter_ids: Collection[int], now: datetime) -> set[int]:
    """The pitches (ids) where these meters hang, or those are, or were, whom they serve or served."""
    hung = Installation.objects.filter(meter__in=meter_ids, period__contains=now).values_list("pitch_id", flat=True)
    lines = StayMeter.objects.filter(_recent(now), meter__in=meter_ids).values_list("pitch_id", "stay__pitch_id")
    return {pitch for pitch in (*hung, *(pitch for line in lines for pitch in line)) if pitch}


def occupied(now: datetime, pitches: Collection[int] | None = None) -> list[tuple[Pitch, datetime | None]]:
    """Each pitch (of these ids), and until when somebody may depend on its power; None where nobody is here.

    Who should have left, and is not checked out, still does: until the end of tomorrow.
    """
    wanted = Q() if pitches is None else Q(pk__in=pitches)
    on_it = Q(pitch__isnull=False) if pitches is None else Q(pitch__in=pitches)
    here = _grouped((stay.pitch_id, _until(stay, now)) for stay in Stay.objects.filter(on_it, status=HERE))
    return [(pitch, max(here.get(pitch.pk, []), default=None)) for pitch in Pitch.objects.filter(wanted)]


# --- reading ---------------------------------------------------------------------------------------------------------


def _concerned(now: datetime) -> set[int]:
    hung = Installation.objects.filter(period__contains=now).values_list("meter_id", flat=True)
    lines = StayMeter.objects.filter(_recent(now)).values_list("meter_id", flat=True)
    managed = Want.objects.filter(source__in=OURS, ended_at=None).values_list("meter_id", flat=True)
    return {*hung, *lines, *managed}


def _recent(now: datetime) -> Q:
    return Q(period__upper_inf=True) | Q(period__endswith__gt=now - LOOK_BACK)


def _read(ids: Sequence[int], now: datetime) -> Tables:
    present = Installation.objects.select_related("pitch").filter(meter__in=ids, period__contains=now)
    hung = {each.meter_id: each.pitch for each in present}
    pitches = {pitch.pk for pitch in hung.values()}
    known = list(_stays().filter(Q(status=HERE) | _departing(now), pitch__in=pitches))
    here = [stay for stay in known if stay.status == HERE]
    own = Q(meter__in=ids) | Q(pitch__in=pitches)
    found = StayMeter.objects.filter((own & _recent(now)) | Q(stay__in=here))
    lines = list(found.select_related("stay__pitch", "stay__booking").order_by("pk"))
    bookings = {stay.booking_id for stay in (*here, *(line.stay for line in lines))}
    wants = Want.objects.filter(Q(until=None) | Q(until__gt=now) | Q(source__in=OURS), meter__in=ids, ended_at=None)
    return Tables(
        hung=hung,
        lines=_grouped((line.meter_id, line) for line in lines),
        here=_grouped((stay.pitch_id, stay) for stay in here),
        departures=_grouped((stay.pitch_id, day) for stay in known if (day := _departure(stay))),
        left=_grouped((line.pitch_id, _ended_at(line)) for line in lines if line.ended_by in LEAVING),
        taken_away=_taken_away(lines),
        packages={**accounts.power_facts(bookings, now)} if bookings else {},
        relays=dict(MeterState.objects.filter(meter__in=ids).values_list("meter_id", "relay")),
        rules={rule.kind: rule for rule in PowerRule.objects.all()},
        wants=_grouped((want.meter_id, want) for want in wants.order_by("priority")),
        lapsed=_lapsed(ids),
    )


def _lapsed(ids: Collection[int]) -> dict[int, Want]:
    """What the policy wanted last, where its time ran out: the software stood still meanwhile."""
    own = Want.objects.filter(source=Source.POLICY, meter__in=ids)
    later = Want.objects.filter(source=Source.POLICY, meter=OuterRef("meter"), pk__gt=OuterRef("pk"))
    return {want.meter_id: want for want in own.filter(~Exists(later), end=Want.End.EXPIRED)}


def _stays() -> QuerySet[Stay]:
    return Stay.objects.select_related("pitch", "booking")


def _departing(now: datetime) -> Q:
    """Who has left, and was booked to leave today or yesterday: however early he left, his pitch is cleaned then."""
    today = clock.day_of(now)
    return Q(status=LEFT, departure__gte=today - timedelta(days=1), departure__lte=today)


def _taken_away(lines: Iterable[StayMeter]) -> set[tuple[int, int]]:
    """(stay, meter) of what staff took away from a stay and did not give back."""
    last = {(line.stay_id, line.meter_id): line.ended_by for line in lines}
    return {pair for pair, ended_by in last.items() if ended_by == Reason.TAKEN_AWAY}


def _grouped(pairs: Iterable[tuple[K | None, V]]) -> dict[K, list[V]]:
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        if key is not None:
            found.setdefault(key, []).append(value)
    return found


def _departure(stay: Stay) -> date | None:
    """Dates that make no sense end nobody's power."""
    return None if stay.arrival and stay.departure and stay.departure < stay.arrival else stay.departure


def leaving(stay: Stay) -> datetime | None:
    """When this guest must have left; None: nobody knows."""
    return leaves_at(_departure(stay), stay.late_until)


def _until(stay: Stay, now: datetime) -> datetime:
    leaves = leaving(stay)
    if leaves and leaves > now:
        return leaves
    return clock.moment(clock.day_of(now) + timedelta(days=2))


# --- a case ----------------------------------------------------------------------------------------------------------


def _case(meter: Meter, tables: Tables) -> Case:
    pitch = tables.hung.get(meter.pk)
    lines = tables.lines.get(meter.pk, [])
    stays = _on(meter, pitch, lines, tables)
    gone = [line for line in lines if not (line.end_id is None and line.stay.status == HERE)]
    since = {line.stay_id: line.period.lower for line in lines if line.end_id is None}
    parties = [_party(stay, tables, since=since.get(stay.pk, stay.began_at)) for stay in stays]
    parties += [_party(line.stay, tables, _ended_at(line)) for line in gone]
    places = [place for place in (pitch, *(stay.pitch for stay in stays)) if place]
    chosen = [line.stay.pitch for line in gone if line.pitch_id is None]
    served = [*places, *filter(None, chosen)]
    wants = tables.wants.get(meter.pk, [])
    ours = {want.source: want for want in wants if want.source in OURS}
    last = ours.get(Source.POLICY) or tables.lapsed.get(meter.pk)
    facts = Facts(
        rule=tables.rules.get(served[0].kind if served else Pitch.Kind.TOURING) if served or stays or chosen else None,
        policies=frozenset(place.policy for place in places),
        parties=tuple(parties),
        departures=frozenset(tables.departures.get(pitch.pk, []) if pitch else []),
        left=tuple(tables.left.get(pitch.pk, []) if pitch else []),
        is_on=bool(last and last.state),
        is_off=bool(last and not last.state),
        off_since=last.created_at if last and not last.state else None,
        relay=tables.relays.get(meter.pk),
        override=_override(wants),
    )
    of_guests = {reason_of(stay.booking.sirvoy_id) for stay in stays}
    is_formers = any(want.source == Source.GUEST and want.reason not in of_guests for want in wants)
    return Case(meter, pitch, stays, facts, ours, is_formers)


def _on(meter: Meter, pitch: Pitch | None, lines: Iterable[StayMeter], tables: Tables) -> tuple[Stay, ...]:
    """Who has the meter by the ledger; and who is on its pitch, also while the ledger knows nothing of it yet."""
    by_line = [line.stay for line in lines if line.end_id is None and line.stay.status == HERE]
    by_pitch = tables.here.get(pitch.pk, []) if pitch else []
    found = {stay.pk: stay for stay in by_line}
    found |= {s.pk: s for s in by_pitch if s.pk not in found and (s.pk, meter.pk) not in tables.taken_away}
    return tuple(found.values())


def _party(stay: Stay, tables: Tables, ended_at: datetime | None = None, since: datetime | None = None) -> Party:
    package = tables.packages.get(stay.booking_id)
    told_at = stay.booking.generated_at
    return Party(stay.booking.sirvoy_id, _departure(stay), stay.late_until, ended_at, package, told_at, since)


def _ended_at(line: StayMeter) -> datetime:
    """When the guest gave the meter back, or left: a line that was forgotten ends later."""
    known: list[datetime] = [at for at in (line.period.upper, line.stay.ended_at) if at]
    return min(known, default=line.period.lower)


def _override(wants: Iterable[Want]) -> Override | None:
    """The highest of what persons want; `wants` come with the highest last."""
    persons = [want for want in wants if want.source in PERSONS]
    return Override(persons[-1].state, persons[-1].source, persons[-1].until) if persons else None
