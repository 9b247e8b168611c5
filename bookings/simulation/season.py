"""A season of made-up bookings, day by day, and the calls in which Sirvoy tells of it. Pure: deterministic by seed.

Who leaves, moves and comes is decided forwards in time, so that no place is sold twice; what was said of a booking
before its arrival is dated back. As in life some calls come twice or late, and some guests are checked out late.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bookings.simulation import told
from bookings.simulation.told import Place, Told
from meters import clock

FIRST_NUMBER = 500_000
ARRIVALS_BY_MONTH = (0.12, 0.13, 0.16, 0.21, 0.28, 0.38, 0.55, 0.48, 0.27, 0.21, 0.13, 0.16)
"""The chance that somebody comes to a free place on a day."""
SHORT_NOTICE_DAYS, LONG_NOTICE_DAYS = 2, 120
COMMENTS = ("Vil gerne bo ved vandet", "Ringer før ankomst", "Har været her før", "Ønsker skygge")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of Sirvoy's: when it comes, and what it tells (which may have been made earlier)."""

    at: datetime
    told: Told

    @property
    def body(self) -> bytes:
        return told.body(self.told)


def season(places: Sequence[Place], first: date, days: int, seed: int = 1) -> list[Call]:
    """All calls about guests of these days, in the order in which they come; the first ones come before `first`. Who is
    still here at the end stays.
    """
    return _Season(places, first, seed).run(days)


@dataclass(slots=True)
class _Life:
    """A booking as it is by now, and the places that it has."""

    told: Told
    places: list[Place]
    is_season: bool = False
    said_at: datetime | None = None


class _Season:
    def __init__(self, places: Sequence[Place], first: date, seed: int) -> None:
        self.places, self.first = list(places), first
        self.dice = random.Random(seed)  # noqa: S311  (a simulation)
        self.free_from = {place.number: first for place in places}
        self.here: list[_Life] = []
        self.calls: list[Call] = []
        self.number = FIRST_NUMBER

    def run(self, days: int) -> list[Call]:
        for offset in range(days):
            today = self.first + timedelta(days=offset)
            self._let_go(today)
            self._move(today)
            self._let_come(today)
        return sorted(self.calls, key=lambda call: call.at)

    # --- departures ---

    def _let_go(self, today: date) -> None:
        due = [life for life in self.here if told.leaves(life.told) == today]
        for life in due:
            if self._chance(0.08) and not life.is_season:
                self._extend(life, today)
            else:
                self._check_out(life, today)
        for life in self.here:
            if self._chance(0.1):
                self._sell(life, self._at(today, 9, 20))

    def _extend(self, life: _Life, today: date) -> None:
        until = today + timedelta(days=self.dice.randint(1, 4))
        self._say(life, told.extended(life.told, until), self._at(today, 8, 10))
        self._take(life.places, until)

    def _check_out(self, life: _Life, today: date) -> None:
        """Now and then nobody notes it before the next day, when others may be there already."""
        self.here.remove(life)
        at = self._at(today, 8, 11) if self._chance(0.97) else self._at(today + timedelta(days=1), 9, 12)
        self._say(life, told.paid(life.told, today), at - timedelta(minutes=3))
        self._say(life, told.checked_out(life.told), at)
        if self._chance(0.02):
            self._say(life, told.checked_in(life.told), at + timedelta(minutes=5))
            self._say(life, told.checked_out(life.told), at + timedelta(minutes=25))
        if self._chance(0.8):
            self._say(life, told.invoiced(life.told, today), at + timedelta(minutes=self.dice.randint(30, 90)))

    # --- while they are here ---

    def _move(self, today: date) -> None:
        for life in self.here:
            may_move = len(life.told["rooms"]) == 1 and told.arrives(life.told) < today < told.leaves(life.told)
            if may_move and self._chance(0.015) and (places := self._free(life.places[0].kind, today)):
                self._move_to(life, self.dice.choice(places), today)

    def _move_to(self, life: _Life, place: Place, today: date) -> None:
        day = today if self._chance(0.5) else None
        self._say(life, told.moved(life.told, place, day), self._at(today, 11.5, 13))
        self._take(life.places, today)
        life.places = [place]
        self._take(life.places, told.leaves(life.told))

    def _sell(self, life: _Life, at: datetime) -> None:
        self._say(life, told.with_package(life.told, self.dice.choice(told.PACKAGES_KWH)), at)

    # --- arrivals ---

    def _let_come(self, today: date) -> None:
        chance = ARRIVALS_BY_MONTH[today.month - 1] * (1.3 if today.weekday() in (4, 5) else 0.9)
        free = [place for place in self.places if self.free_from[place.number] <= today and self._chance(chance)]
        while free:
            party = [free.pop()]
            if len(free) > 1 and party[0].kind != "seasonal" and self._chance(0.05):
                party += [free.pop(), free.pop()]
            self._arrive(party, today)

    def _arrive(self, places: list[Place], today: date) -> None:
        is_season = places[0].kind == "seasonal" and today.month in (3, 4, 5) and self._chance(0.3)
        until = today + (timedelta(days=self.dice.randint(120, 180)) if is_season else told.nights(self.dice))
        self.number += 1
        life = _Life(told.new(self.number, places, today, until, self.dice, is_season=is_season), places, is_season)
        booked_at = self._book(life, today)
        if self._is_cancelled(life, booked_at, today):
            return
        self._take(places, until)
        self.here.append(life)
        at = self._at(today, 13, 20) if self._chance(0.95) else self._at(today, 9, 11)
        if self._chance(0.25):
            self._say(life, told.paid(life.told, today), at - timedelta(minutes=4))
        self._say(life, told.checked_in(life.told), at)
        if self._chance(0.02):
            self._say(life, life.told | {"bookingIsCheckedIn": False}, at + timedelta(minutes=6))
            self._say(life, told.checked_in(life.told), at + timedelta(minutes=16))

    def _book(self, life: _Life, today: date) -> datetime:
        """What is said until the day of arrival; returns when it was booked."""
        notice = self.dice.randint(1, SHORT_NOTICE_DAYS if self._chance(0.4) else LONG_NOTICE_DAYS)
        booked_at = self._at(today - timedelta(days=notice), 7, 23)
        self._say(life, life.told, booked_at, "new")
        before = self._at(today, 0, 1) - booked_at
        for _ in range(self.dice.choices((0, 1, 2, 3), (2, 4, 4, 3))[0]):
            at = booked_at + self.dice.random() * before
            change = self.dice.randrange(3)
            if change == 0:
                self._sell(life, at)
            elif change == 1:
                self._say(life, told.noted(life.told, self.dice.choice(COMMENTS)), at)
            else:
                self._say(life, told.paid(life.told, at.date()), at)
        return booked_at

    def _is_cancelled(self, life: _Life, booked_at: datetime, today: date) -> bool:
        if not self._chance(0.07):
            return False
        at = max(booked_at + timedelta(hours=1), self._at(today - timedelta(days=1), 8, 20))
        self._say(life, told.cancelled(life.told), at, "cancelled")
        if self._chance(0.2):
            self._say(life, told.cancelled(life.told, False), at + timedelta(hours=1), "restored")
            return False
        return True

    # --- inside ---

    def _say(self, life: _Life, now_told: Told, at: datetime, event: str = "modified") -> None:
        """Not before what was said last. Sirvoy calls some seconds later; now and then again, even hours later."""
        if life.said_at:
            at = max(at, life.said_at + timedelta(seconds=5))
        life.said_at = at
        life.told = told.said(now_told, at, event)
        self.calls.append(Call(at + timedelta(seconds=self.dice.randint(1, 4)), life.told))
        if self._chance(0.02):
            self.calls.append(Call(at + timedelta(minutes=self.dice.choice((1, 5, 180))), life.told))

    def _free(self, kind: str, today: date) -> list[Place]:
        return [place for place in self.places if place.kind == kind and self.free_from[place.number] <= today]

    def _take(self, places: list[Place], until: date) -> None:
        self.free_from |= {place.number: until for place in places}

    def _chance(self, chance: float) -> bool:
        return self.dice.random() < chance

    def _at(self, day: date, earliest_h: float, latest_h: float) -> datetime:
        """Some moment between these hours by the campsite's clock."""
        seconds = round(3600 * self.dice.uniform(earliest_h, latest_h))
        return clock.moment(day) + timedelta(seconds=seconds)
