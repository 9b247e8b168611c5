"""Which meters serve a stay, brought to what is true now: level-triggered, so that it may be called at any time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from bookings.ledger import lines
from bookings.ledger.errors import OutletTaken
from bookings.ledger.lines import Reason
from bookings.models import Stay, StayMeter
from meters.models import Installation, Meter

GIVEN_UP = {Reason.CHECK_OUT, Reason.CANCELLED}
"""Ends that may be taken back."""
MOUNTED = {Reason.INSTALLED, Reason.EXCHANGE}


@dataclass(frozen=True, slots=True)
class Aligned:
    """What changed. `ended` may hold another stay's line that gave way; `taken_by`: who has a meter of this pitch."""

    began: tuple[StayMeter, ...] = ()
    ended: tuple[StayMeter, ...] = ()
    taken_by: tuple[Stay, ...] = ()

    @property
    def meters(self) -> set[int]:
        """The meters (ids) whose power may have to follow."""
        return {line.meter_id for line in (*self.began, *self.ended)}


def align(stay: Stay, now: datetime, why: Reason, at: datetime | None = None) -> Aligned:
    """Bring the lines of a stay that is here to what is true now; `why` is noted where the facts tell no other reason,
    and `at` is when that came about (None: now).

    It should have the meters that hang on its pitch and the outlets that were chosen for it, without those that staff
    took away. A meter that another guest has is left to him, unless he leaves today.
    """
    with transaction.atomic():
        return _Aligning(stay, now, why, at or now).run()


def unaligned(now: datetime) -> set[int]:
    """The stays (ids) that are here and whose lines may not be as they should; in four queries. Those that wait for
    another guest's meter are among them each time."""
    here = dict(Stay.objects.filter(status=Stay.Status.IN_HOUSE).values_list("pk", "pitch_id"))
    hanging: dict[int | None, set[int]] = defaultdict(set)
    for pitch, meter in Installation.objects.filter(period__contains=now).values_list("pitch_id", "meter_id"):
        hanging[pitch].add(meter)
    fixed: dict[int, set[int]] = defaultdict(set)
    chosen: dict[int, set[int]] = defaultdict(set)
    for stay, meter, pitch in StayMeter.objects.filter(period__upper_inf=True).values_list("stay", "meter", "pitch"):
        (chosen if pitch is None else fixed)[stay].add(meter)
    taken = _taken_away(here)
    return {stay for stay, pitch in here.items() if hanging[pitch] - chosen[stay] - taken[stay] != fixed[stay]}


def _taken_away(stays: Collection[int]) -> dict[int, set[int]]:
    """By stay (id) the meters (ids) that staff took away and did not give back."""
    lines = StayMeter.objects.filter(stay__in=stays).order_by("pk")
    last = {(stay, meter): why for stay, meter, why in lines.values_list("stay", "meter", "ended_by")}
    found: dict[int, set[int]] = defaultdict(set)
    for (stay, meter), why in last.items():
        if why == Reason.TAKEN_AWAY:
            found[stay].add(meter)
    return found


class _Aligning:
    def __init__(self, stay: Stay, now: datetime, why: Reason, at: datetime) -> None:
        self.stay, self.now, self.why, self.at = stay, now, why, at
        lines.lock(lines.concerned([stay], [stay.pitch_id]))
        hanging = Installation.objects.filter(pitch=stay.pitch_id, period__contains=now)
        self.fixed = {each.meter_id: each for each in hanging} if stay.pitch_id else {}
        self.own = self._lines()
        self.newest = {line.meter_id: line for line in self.own}
        self.exchanged_at: set[datetime] = set()
        self.began: list[StayMeter] = []
        self.ended: list[StayMeter] = []
        self.taken_by: list[Stay] = []

    def _lines(self) -> list[StayMeter]:
        """The stay's, since the party came this time, as they began."""
        of_stay = StayMeter.objects.filter(stay=self.stay).select_related("meter", "booked_pitch")
        if self.stay.began_at:
            of_stay = of_stay.filter(Q(period__upper_inf=True) | Q(period__endswith__gt=self.stay.began_at))
        return list(of_stay.order_by("period__startswith"))

    def run(self) -> Aligned:
        for line in self.newest.values():
            if line.period.upper_inf and line.pitch_id is not None and not self._is_right(line):
                self._end(line)
        for line in [line for line in self.newest.values() if self._has_another_price(line)]:
            self._split(line)
        for line in self.newest.values():
            if self._was_taken_down(line):
                self._end(
                    lines.write(self.stay, line.meter, line.pitch_id, line.period.upper, self.now, Reason.REOPENED)
                )
        for meter in Meter.objects.filter(pk__in=self._wanted()).order_by("pk"):
            self._begin(meter)
        return Aligned(tuple(self.began), tuple(self.ended), tuple(self.taken_by))

    def _is_right(self, line: StayMeter) -> bool:
        return line.pitch_id == self.stay.pitch_id and line.meter_id in self.fixed

    def _has_another_price(self, line: StayMeter) -> bool:
        """Whether Sirvoy booked another kind of pitch since the line began, and the meter serves the stay on."""
        then, now = line.booked_pitch, self.stay.booked_pitch
        is_open = line.pk is not None and line.period.upper_inf
        return is_open and then is not None and now is not None and then.kind != now.kind

    def _split(self, line: StayMeter) -> None:
        self.ended.append(lines.close(line, self.now, Reason.MOVE, self.at))
        new = lines.write(self.stay, line.meter, line.pitch_id, self.at, self.now, Reason.MOVE)
        self.newest[line.meter_id] = new
        self.began.append(new)

    def _was_taken_down(self, line: StayMeter) -> bool:
        """Whether its meter hung on after a check-out that is taken back, and was taken down since."""
        if line.period.upper_inf or line.meter_id in self.fixed or line.pitch_id is None:
            return False
        removed = lines.removed_at(line, self.now)
        return self._is_given_up(line) and removed is not None and removed > line.period.upper

    def _end(self, line: StayMeter) -> None:
        if line.pitch_id != self.stay.pitch_id:
            self.ended.append(lines.close(line, self.now, Reason.MOVE, self.at))
            return
        at = lines.removed_at(line, self.now)
        is_exchange = any(each.period.lower == at for each in self.fixed.values())
        if at and is_exchange:
            self.exchanged_at.add(at)
        self.ended.append(lines.close(line, self.now, Reason.EXCHANGE if is_exchange else Reason.REMOVED))

    def _wanted(self) -> set[int]:
        """Meters (ids) that should serve the stay and do not."""
        chosen = {meter for meter, line in self.newest.items() if line.pitch_id is None and line.ended_by in GIVEN_UP}
        return {meter for meter in {*self.fixed, *chosen} if not self._is_open(meter) and not self._is_lost(meter)}

    def _is_open(self, meter: int) -> bool:
        return meter in self.newest and self.newest[meter].period.upper_inf

    def _is_lost(self, meter: int) -> bool:
        """Staff took it away, the next guest has it, or it was chosen and somebody else had it since."""
        line = self.newest.get(meter)
        if line is None or line.pitch_id not in (None, self.stay.pitch_id):
            return False
        if line.ended_by == Reason.TAKEN_AWAY:
            return True
        if line.ended_by == Reason.NEXT_GUEST and lines.is_over(self.stay, self.now):
            return not self._is_free_again(line)
        return meter not in self.fixed and not self._is_last(line)

    def _is_free_again(self, line: StayMeter) -> bool:
        """Whether the check-in of the next guest was a mistake."""
        newest = lines.newest_line(line.meter_id)
        return newest == line or (newest is not None and newest.ended_by == Reason.CHECK_IN_UNDONE)

    def _is_last(self, line: StayMeter) -> bool:
        """Whether nobody had the meter after this line."""
        return lines.newest_line(line.meter_id) == line

    def _begin(self, meter: Meter) -> None:
        try:
            if other := lines.open_line(meter.pk):
                is_over = lines.is_over(other.stay, self.at)
                self.ended.append(lines.take_over(other, self.now, is_over, self.at))
            at, why = self._start(meter.pk)
            pitch_id = self.stay.pitch_id if meter.pk in self.fixed else None
            self.began.append(lines.write(self.stay, meter, pitch_id, at, self.now, why))
        except OutletTaken as taken:
            if taken.stay:
                self.taken_by.append(taken.stay)

    def _start(self, meter: int) -> tuple[datetime, Reason]:
        """From when on the meter serves the stay: where a check-out is taken back, since then; a meter that was put up
        meanwhile, since it hangs there."""
        line, hanging = self.newest.get(meter), self.fixed.get(meter)
        if line and self._is_given_up(line) and (hanging is None or line.period.upper in hanging.period):
            return line.period.upper, Reason.REOPENED
        if hanging and hanging.period.lower in self.exchanged_at:
            return max(hanging.period.lower, self._came_at()), Reason.EXCHANGE
        if hanging and self.why in MOUNTED:
            return max(hanging.period.lower, self._came_at()), self.why
        return max(hanging.period.lower, self.at) if hanging else self.at, self.why

    def _is_given_up(self, line: StayMeter) -> bool:
        """Whether it ended as if the party had left, and goes on where it ended."""
        is_here = line.pitch_id in (None, self.stay.pitch_id)
        return is_here and line.ended_by in GIVEN_UP and self._is_last(line)

    def _came_at(self) -> datetime:
        """When the party came to its pitch, as far as the ledger and the stay tell."""
        moments: list[datetime] = [
            line.period.upper for line in self.own if line.period.upper and self._is_elsewhere(line)
        ]
        moments.append(self.stay.began_at or min((line.period.lower for line in self.own), default=self.now))
        return min(max(moments), self.now)

    def _is_elsewhere(self, line: StayMeter) -> bool:
        return line.pitch_id not in (None, self.stay.pitch_id)
