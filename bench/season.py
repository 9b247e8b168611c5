"""A year of a campsite, and whether its ledger is right: `python -m bench.season [--scale 1.0]`.

Some 12,000 bookings of 300 pitches, 90,000 events of Sirvoy's, go through the inbox one by one while time passes: each
hour the meters tell their counters, which fall back to 0 now and then or say nothing for days, and stays follow the
calendar. Then the ledger is compared with sums over the raw readings that are computed here, from nothing but those.
With --scale 0.01 it is a hundredth of it: a tenth of the pitches for a tenth of the time.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from bench.run import django
from bench.table import Figure, shown
from tests.meters import harness

PLACES, DAYS, FIRST = 300, 365, date(2025, 1, 1)
HOUR = timedelta(hours=1)
EACH_BARE = 10
"""Beside every tenth event a bare row is inserted, for comparison."""


# --- the meters ------------------------------------------------------------------------------------------------------


class Meter:
    """What one meter tells: a counter that rises, sometimes falls to 0, and is sometimes silent for days."""

    def __init__(self, pk: int, dice: random.Random, began_at: datetime) -> None:
        self.pk, self.dice, self.at = pk, dice, began_at
        self.counter_wh, self.epoch = dice.randrange(2_000_000), 1
        self.first = (began_at, self.counter_wh)
        self.silent_until = began_at

    def tell(self, at: datetime) -> tuple[Any, tuple[Any, ...]] | None:
        """A reading measured at this moment, and its epoch as it is then; None while it is silent."""
        from meters.readings.counters import Point
        from meters.readings.latest import Row

        if at <= max(self.at, self.silent_until):
            return None
        if self.dice.random() < 1 / 3000:
            self.silent_until = at + timedelta(hours=self.dice.randint(3, 70))
        self.counter_wh += int(self.dice.choice((0, 40, 300, 1500)) * ((at - self.at) / HOUR))
        if self.dice.random() < 1 / 4000:
            self.counter_wh, self.epoch, self.first = 0, self.epoch + 1, (at, 0)
        self.at = at
        reason = "first" if self.epoch == 1 else "fall"
        epoch = (self.pk, self.epoch, reason, Point(*self.first), Point(at, self.counter_wh))
        return Row(self.pk, at, self.counter_wh, epoch=self.epoch), epoch


class Meters:
    """All of them; what they tell is stored as the worker stores it, many at once."""

    def __init__(self, ids: list[int], began_at: datetime, seed: int) -> None:
        self.dice = random.Random(seed)
        self.all = {pk: Meter(pk, self.dice, began_at) for pk in ids}

    def report(self, hour: datetime) -> None:
        """Nearly all have told their counter some minutes before this hour."""
        self._store(meter.tell(hour - timedelta(seconds=self.dice.randrange(600))) for meter in self.all.values())

    def answer(self, now: datetime) -> None:
        """Those whose counter somebody waits for tell it some seconds later, most of them."""
        from meters import snapshots

        asked = {question.meter_id for question in snapshots.waiting(now)}
        answering = [self.all[pk] for pk in asked if self.dice.random() < 0.8]
        self._store(meter.tell(now + timedelta(seconds=self.dice.randint(1, 9))) for meter in answering)
        for pk in asked:
            snapshots.note_asked(pk, now)

    def _store(self, told: Iterator[Any]) -> None:
        from meters import partitions
        from meters.readings import tables

        told_now = [each for each in told if each]
        if not told_now:
            return
        rows = [row for row, _ in told_now]
        partitions.ensure_for(row.measured_at for row in rows)
        tables.write_readings(rows)
        tables.write_epochs([epoch for _, epoch in told_now])


# --- the year --------------------------------------------------------------------------------------------------------


class Year:
    """The replay, and the seconds that its parts took."""

    def __init__(self, scale: float, seed: int) -> None:
        from bookings.simulation.season import season
        from bookings.simulation.told import Place

        kinds = ["touring"] * 8 + ["seasonal"] * 1 + ["cabin"] * 1
        count, self.days = max(round(PLACES * scale**0.5), 5), max(round(DAYS * scale**0.5), 5)
        self.places = [Place(str(100 + n), kinds[n % 10], 7000 + n) for n in range(count)]
        self.first = FIRST if scale >= 1 else date(FIRST.year, 6, 1)
        self.calls = season(self.places, self.first, self.days, seed)
        self.begin = datetime.combine(self.first, datetime.min.time(), UTC) - timedelta(days=1)
        self.meters = Meters(self._hang(), self.begin, seed)
        self.took_s: dict[str, float] = defaultdict(float)
        self.bare = 0

    def _hang(self) -> list[int]:
        """A meter on every pitch, and every fifth with another one."""
        from tests import make

        ids = []
        area = make.area()
        for number, place in enumerate(self.places):
            pitch = make.pitch(place.number, kind=place.kind)
            for name in [place.number, f"{place.number},2"][: 2 if number % 5 == 0 else 1]:
                meter = make.meter(name, area=area)
                make.installed(meter, pitch, self.begin - timedelta(days=400))
                ids.append(meter.pk)
        return ids

    def run(self) -> None:
        from bookings import stays
        from meters import snapshots

        waiting = list(reversed(self.calls))
        hours = (self.days + 1) * 24
        for hour in (self.begin + number * HOUR for number in range(1, hours + 1)):
            while waiting and waiting[-1].at <= hour:
                self._call(waiting.pop())
            self._timed("the meters' reports", self.meters.report, hour)
            self._timed("settling snapshots, hourly", snapshots.settle_due, hour)
            self._timed("stays follow the calendar, hourly", stays.advance, hour)
            if (hour.day, hour.hour) == (1, 0):
                print(f"until {hour:%B} after {sum(self.took_s.values()):.0f} s", file=sys.stderr, flush=True)

    def _call(self, call: Any) -> None:
        self._timed("events", self._process, call)
        self._timed("the meters' answers", self.meters.answer, call.at)
        self.bare += 1
        if self.bare % EACH_BARE == 0:
            self._timed("bare", self._insert, call)

    def _process(self, call: Any) -> None:
        from bookings import inbox

        event = inbox.store(None, call.body, call.at)
        inbox.process(event.pk, call.at)

    def _insert(self, call: Any) -> None:
        from bookings.models import WebhookEvent

        body = call.body
        WebhookEvent.objects.create(received_at=call.at, body=body, size=len(body), digest="", status="stale")

    def _timed(self, what: str, function: Any, argument: Any) -> None:
        began = time.perf_counter()
        function(argument)
        self.took_s[what] += time.perf_counter() - began


# --- the check -------------------------------------------------------------------------------------------------------


class Counted:
    """What a meter's energy stood at, in Wh, from all its raw readings: steps within an epoch, evenly between two."""

    def __init__(self, meter: int) -> None:
        from meters.models import Reading

        told = Reading.objects.filter(meter=meter, epoch__isnull=False).order_by("measured_at")
        self.rows = list(told.values_list("measured_at", "counter_wh", "epoch"))
        self.moments = [at for at, _, _ in self.rows]
        self.sums = [0]
        for (_, before, epoch), (_, after, next_epoch) in pairwise(self.rows):
            self.sums.append(self.sums[-1] + ((after or 0) - (before or 0) if epoch == next_epoch else 0))

    def at(self, moment: datetime | None) -> int:
        """None: at the end."""
        number = len(self.rows) if moment is None else bisect_right(self.moments, moment)
        if number == 0:
            return 0
        if moment is None or number == len(self.rows):
            return self.sums[-1]
        rise = self.sums[number] - self.sums[number - 1]
        since, whole = moment - self.moments[number - 1], self.moments[number] - self.moments[number - 1]
        return self.sums[number - 1] + rise * since // whole


def check() -> tuple[list[str], dict[str, int]]:
    """What is wrong, and how much was looked at."""
    from bookings import ledger
    from bookings.models import Stay, StayMeter, WebhookEvent

    lines = defaultdict(list)
    for each in StayMeter.objects.order_by("meter", "period"):
        lines[each.meter_id].append(each)
    by_stay: dict[int, int] = defaultdict(int)
    for meter, of_meter in lines.items():
        counted = Counted(meter)
        for each in of_meter:
            by_stay[each.stay_id] += counted.at(each.period.upper) - counted.at(each.period.lower)
    wrong = [f"lines {one.pk} and {other.pk} overlap" for one, other in _neighbours(lines) if _overlap(one, other)]
    for stay, used in ledger.used_by_stay(Stay.objects.all()).items():
        if used.kwh != Decimal(by_stay.get(stay, 0)).scaleb(-3):
            wrong.append(f"stay {stay}: the ledger says {used.kwh} kWh, the readings {by_stay.get(stay, 0) / 1000}")
    unfinished = WebhookEvent.objects.filter(status__in=["failed", "received"])
    wrong += [f"event {pk} was not worked on" for pk in unfinished.values_list("pk", flat=True)]
    return wrong, _looked_at(sum(map(len, lines.values())), by_stay)


def _neighbours(lines: dict[int, list[Any]]) -> Iterator[tuple[Any, Any]]:
    return (pair for of_meter in lines.values() for pair in pairwise(of_meter))


def _overlap(one: Any, other: Any) -> bool:
    return one.period.upper is None or one.period.upper > other.period.lower


def _looked_at(lines: int, by_stay: dict[int, int]) -> dict[str, int]:
    from meters.models import Snapshot

    return {
        "lines": lines,
        "stays with lines": len(by_stay),
        "kWh": sum(by_stay.values()) // 1000,
        "snapshots estimated": Snapshot.objects.filter(quality="estimated").count(),
        "snapshots read": Snapshot.objects.filter(quality="read").count(),
        "snapshots waiting or last known": Snapshot.objects.filter(settled_at=None).count(),
    }


def report(year: Year, wrong: list[str], looked_at: dict[str, int]) -> None:
    from bookings.models import Booking

    events, took = len(year.calls), year.took_s
    bookings = Booking.objects.count()
    print(f"{len(year.places)} pitches, {year.days} days, {bookings} bookings, {events} events")
    bare_ms = 1000 * took["bare"] / max(year.bare // EACH_BARE, 1)
    each_ms = 1000 * took["events"] / events
    print(shown([Figure("an event, stored and worked on", each_ms, "ms", "a row inserted", bare_ms)]))
    for what, seconds in took.items():
        if what != "bare":
            print(f"{what:<44}{seconds:>9.1f} s in all")
    print(", ".join(f"{count} {what}" for what, count in looked_at.items()))
    print(f"the ledger against the readings: {len(wrong)} differences")
    for each in wrong[:10]:
        print(f"  {each}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1: the whole year; 0.01: a hundredth of it")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    services = harness.OwnServices(durable=True)
    try:
        services.start()
        django(services, services.new_database())
        year = Year(options.scale, options.seed)
        year.run()
        wrong, looked_at = check()
        report(year, wrong, looked_at)
    finally:
        services.stop()
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
