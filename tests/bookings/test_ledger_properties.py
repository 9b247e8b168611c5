"""Whatever happens to meters and guests: no kWh is billed twice, none is invented, none gets lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import example, given
from hypothesis import strategies as st

from bookings import ledger
from bookings.models import Stay, StayMeter
from meters import directory, installations, readings, snapshots
from meters.models import Meter, MeterState, Reading, Snapshot
from meters.zigbee2mqtt import State
from tests import make
from tests.properties import fewer

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})
Reason = StayMeter.Reason
METERS, PITCHES, STAYS = 4, 3, 3

meter_numbers = st.integers(0, METERS - 1)
pitch_numbers = st.integers(0, PITCHES - 1)
stay_numbers = st.integers(0, STAYS - 1)
reports = st.sampled_from([0, 0, 10, 120, 400, 900, "reset", "jump", "glitch"])
departures = st.sampled_from([Reason.CHECK_OUT, Reason.CANCELLED, Reason.CHECK_IN_UNDONE])
steps = st.one_of(
    st.tuples(st.just("tell"), meter_numbers, reports),
    st.tuples(st.just("tell"), meter_numbers, reports),
    st.tuples(st.just("tell"), meter_numbers, reports),
    st.tuples(st.just("backlog"), meter_numbers, reports),
    st.tuples(st.just("here"), stay_numbers, pitch_numbers),
    st.tuples(st.just("here"), stay_numbers, pitch_numbers),
    st.tuples(
        st.just("go"), stay_numbers, st.sampled_from([Reason.CHECK_OUT, Reason.CANCELLED, Reason.CHECK_IN_UNDONE])
    ),
    st.tuples(st.just("choose"), stay_numbers, meter_numbers),
    st.tuples(st.just("take"), stay_numbers, meter_numbers),
    st.tuples(st.just("exchange"), meter_numbers, meter_numbers),
    st.tuples(st.just("hang"), meter_numbers, pitch_numbers),
    st.tuples(st.just("down"), meter_numbers, st.just(0)),
    st.tuples(st.just("late"), stay_numbers, st.integers(-1, 2)),
    st.tuples(st.just("look"), stay_numbers, st.just(0)),
)
histories = st.lists(st.tuples(st.sampled_from([0, 1, 7, 30, 90, 400]), steps), min_size=5, max_size=45)


class Campsite:
    """Plays a history minute by minute; its meters' counters are kept here as the devices would."""

    def __init__(self, is_fresh: bool) -> None:
        self.fresh = frozenset({"energy"} if is_fresh else ())
        area = make.area()
        self.meters = [make.meter(area=area) for _ in range(METERS)]
        self.known = [directory.load().devices[meter.device.ieee_address] for meter in self.meters]
        self.pitches = [make.pitch() for _ in range(PITCHES)]
        for meter, pitch in zip(self.meters, self.pitches, strict=False):
            make.installed(meter, pitch, T0 - timedelta(days=1))
        self.stays = [self._stay() for _ in range(STAYS)]
        self.counters = [1000 * number for number in range(METERS)]
        self.now = T0
        self.told_at = [T0] * METERS

    def _stay(self) -> Stay:
        dates = {"arrival": date(2026, 6, 30), "departure": date(2026, 7, 2)}
        return make.stay(None, booking=make.booking(**dates), status=Stay.Status.EXPECTED)

    def play(self, history: list[tuple[int, tuple[str, int, object]]], *, settle_at_once: bool) -> None:
        for minutes, (verb, one, other) in history:
            self.now += timedelta(minutes=minutes)
            try:
                with transaction.atomic():
                    getattr(self, verb)(one, other)
            except (ledger.OutletTaken, installations.InstallationError):
                pass
            if settle_at_once:
                snapshots.settle_due(self.now)
            assert all(measured.kwh >= 0 for measured in ledger.measure(self.lines()))
        self._let_all_meters_speak()

    def _let_all_meters_speak(self) -> None:
        """Often enough that each counter is believed again."""
        for _ in range(4):
            self.now += timedelta(minutes=30)
            for number in range(METERS):
                self.tell(number, 10)
        snapshots.settle_due(self.now)
        for stay in self.stays:
            if stay.status == Stay.Status.IN_HOUSE:
                ledger.end_all(stay, self.now, Reason.CHECK_OUT)

    def lines(self) -> list[StayMeter]:
        return list(StayMeter.objects.filter(meter__in=self.meters).select_related("start", "end"))

    # --- what may happen

    def tell(self, number: int, what: int | str) -> None:
        self._tell(number, what, self.now)

    def backlog(self, number: int, what: int | str) -> None:
        """A report that waited at the broker: measured before now, but after all that the meter told before."""
        self._tell(number, what, max(self.told_at[number] + timedelta(seconds=1), self.now - timedelta(minutes=20)))

    def _tell(self, number: int, what: int | str, at: datetime) -> None:
        self.told_at[number] = at
        told = self.counters[number]
        if what == "reset":
            told = self.counters[number] = 0
        elif what == "jump":
            told = self.counters[number] = told + 5_000_000
        elif what == "glitch":
            told += 3_000_000
        else:
            told = self.counters[number] = told + int(what)
        state = NOTHING._replace(counter_wh=told)
        readings.store([readings.Report(replace(self.known[number], fresh=self.fresh), state, at)])

    def here(self, number: int, pitch: int) -> None:
        """A check-in, a reopening or a move."""
        stay = self.stays[number]
        why = Reason.MOVE if stay.status == Stay.Status.IN_HOUSE else Reason.CHECK_IN
        stay.pitch, stay.began_at = self.pitches[pitch], stay.began_at or self.now
        stay.status = Stay.Status.IN_HOUSE
        stay.save()
        ledger.align(stay, self.now, why)

    def go(self, number: int, why: Reason) -> None:
        stay = self.stays[number]
        stay.status = Stay.Status.LEFT
        stay.save()
        ledger.end_all(stay, self.now, why)

    def choose(self, number: int, meter: int) -> None:
        if self.stays[number].status == Stay.Status.IN_HOUSE:
            ledger.begin(self.stays[number], self.meters[meter], self.now)

    def take(self, number: int, meter: int) -> None:
        ledger.end(self.stays[number], self.meters[meter], self.now)

    def exchange(self, old: int, new: int) -> None:
        installations.replace(self.meters[old], self.meters[new], self.now, None)

    def hang(self, meter: int, pitch: int) -> None:
        installations.install(self.meters[meter], self.pitches[pitch], self.now, None)

    def down(self, meter: int, _: object) -> None:
        installations.end(self.meters[meter], self.now, None)

    def late(self, number: int, days: int) -> None:
        """Sirvoy tells another day of departure."""
        self.stays[number].departure = self.now.date() + timedelta(days=days)
        self.stays[number].save()

    def look(self, number: int, _: object) -> None:
        """The minutely look at who is here."""
        for stay in Stay.objects.filter(pk__in=ledger.unaligned(self.now)).select_related("pitch"):
            ledger.align(stay, self.now, Reason.INSTALLED)
        for line in ledger.taken_down().select_related("stay", "meter"):
            if took := installations.successor(line.meter, line.period.lower):
                with suppress(ledger.OutletTaken), transaction.atomic():
                    ledger.exchange(line, took.meter, took.period.lower, self.now)

    # --- what came of it

    def told(self) -> list[tuple[int, int, datetime, datetime, Decimal]]:
        meters = [meter.pk for meter in self.meters]
        stays = [stay.pk for stay in self.stays]
        return [
            (
                meters.index(line.meter_id),
                stays.index(line.stay_id),
                line.period.lower,
                line.period.upper,
                measured.kwh,
            )
            for measured in ledger.measure(self.lines())
            for line in [measured.line]
        ]


def by_hand(meter: Meter, at: datetime) -> int:
    """The energy in Wh at a moment, from nothing but the raw readings that count: an own, plain sum."""
    rows = Reading.objects.filter(meter=meter, epoch__isnull=False).order_by("measured_at")
    points = [(row.measured_at, row.counter_wh or 0, row.epoch) for row in rows]
    wh = 0
    for (start, low, epoch), (end, high, next_epoch) in pairwise(points):
        if epoch != next_epoch or start >= at:
            continue
        if end <= at:
            wh += high - low
        else:
            wh += (high - low) * (at - start) // (end - start)
    return wh


@fewer(6)
@given(histories, st.booleans())
def test_no_kwh_is_billed_twice_none_is_invented_and_none_gets_lost(
    history: list[tuple[int, tuple[str, int, object]]], is_fresh: bool
) -> None:
    with transaction.atomic():
        site = Campsite(is_fresh)
        site.play(history, settle_at_once=False)
        used = ledger.used_kwh(site.stays)
        for meter in site.meters:
            lines = sorted(
                (measured for measured in ledger.measure(site.lines()) if measured.line.meter_id == meter.pk),
                key=lambda measured: measured.line.period.lower,
            )
            reached, uncovered = T0 - timedelta(days=1), Decimal(0)
            for measured in lines:
                start, end = measured.line.period.lower, measured.line.period.upper
                assert start >= reached
                assert measured.kwh >= 0
                assert measured.kwh == Decimal(by_hand(meter, end) - by_hand(meter, start)).scaleb(-3)
                uncovered += snapshots.energy_at(meter.pk, start).kwh - snapshots.energy_at(meter.pk, reached).kwh
                reached = end
            billed = sum((measured.kwh for measured in lines), Decimal(0))
            state = MeterState.objects.get(meter=meter)
            after = state.energy_kwh - snapshots.energy_at(meter.pk, reached).kwh
            assert billed + uncovered + after == state.energy_kwh
            assert used.by_meter.get(meter.pk, Decimal(0)) == billed
        assert not Snapshot.objects.filter(settled_at=None, meter__in=site.meters).exists()
        transaction.set_rollback(True)


HAND_OVER = [
    (0, ("tell", 0, 10)),
    (30, ("here", 0, 0)),
    (7, ("late", 0, 0)),
    (400, ("here", 1, 0)),
    (30, ("tell", 0, "reset")),
    (30, ("tell", 0, 400)),
    (7, ("go", 1, Reason.CHECK_OUT)),
    (30, ("tell", 0, 400)),
]


@example(HAND_OVER, True)
@fewer(8)
@given(histories, st.booleans())
def test_it_is_the_same_however_late_the_values_are_settled(
    history: list[tuple[int, tuple[str, int, object]]], is_fresh: bool
) -> None:
    told = []
    for settle_at_once in (True, False):
        with transaction.atomic():
            site = Campsite(is_fresh)
            site.play(history, settle_at_once=settle_at_once)
            told.append(site.told())
            transaction.set_rollback(True)
    assert told[0] == told[1]
