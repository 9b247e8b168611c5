"""What goes on at a campsite now: guests come, move and leave, one after the other. Pure, and made of dice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from bookings.simulation import told
from bookings.simulation.told import Place, Told
from meters import clock

HALF = 0.5
LEAVE_TODAY = 0.3
EXPECTED = 8
GROUP = 3
"""So many places a group has."""
BUSY, QUIET = (26, 34), (38, 20)
"""How often somebody comes, and leaves, where more than half of the places are taken; and where fewer are."""


class Day:
    """`known`: the bookings that are not over; `number`: the first that is free for a new one."""

    def __init__(self, places: Sequence[Place], number: int, seed: int, known: Iterable[Told] = ()) -> None:
        self.places = {place.number: place for place in places}
        self.dice = random.Random(seed)  # noqa: S311  (a simulation)
        self.number = number
        self.open = {each["bookingId"]: each for each in known}

    def morning(self, now: datetime) -> Iterator[Told]:
        """Half of the places get guests who are here since yesterday or longer, and some are expected today."""
        today, yesterday = _local(now), now - timedelta(days=1)
        while len(self._free()) > HALF * len(self.places):
            place = self._one_of(self._free(), lambda place: 1 / place.weight)
            here = told.said(self._stays([place], today), yesterday, "new")
            yield self._keep(told.said(told.checked_in(here), yesterday))
        for _ in range(min(EXPECTED, len(self._free()))):
            place = self._one_of(self._free(), lambda place: place.weight)
            yield self._keep(told.said(self._new([place], today, today + told.nights(self.dice)), now, "new"))

    def next(self, now: datetime) -> Told | None:
        """What Sirvoy tells next; None where nothing can happen today."""
        today = _local(now)
        comes, leaves = BUSY if self._is_busy() else QUIET
        events: list[tuple[Callable[[date], Told | None], int]] = [
            *((self._come, comes), (self._leave, leaves), (self._move, 7), (self._extend, 6), (self._buy, 8)),
            *((self._cancel, 2), (self._pay, 6), (self._book, 11)),
        ]
        while events:
            chosen = self.dice.choices(range(len(events)), [weight for _, weight in events])[0]
            happens, _ = events.pop(chosen)
            if change := happens(today):
                return self._keep(told.said(change, now, _event(change)))
        return None

    # --- what may happen ---

    def _come(self, today: date) -> Told | None:
        due = [each for each in self._expected() if told.arrives(each) <= today <= told.leaves(each)]
        return told.checked_in(self._one(due)) if due else None

    def _leave(self, today: date) -> Told | None:
        """Whose day it is; where many are here, somebody leaves early."""
        here = self._here()
        due = [each for each in here if told.leaves(each) <= today] or (here if self._is_busy() else [])
        return told.checked_out(self._one(due)) if due else None

    def _move(self, today: date) -> Told | None:
        alone = [each for each in self._here() if len(each["rooms"]) == 1 and told.leaves(each) > today]
        if not alone:
            return None
        party = self._one(alone)
        kind = self.places[party["rooms"][0]["RoomName"]].kind
        free = [place for place in self._free() if place.kind == kind]
        return told.moved(party, self._one_of(free, lambda place: place.weight)) if free else None

    def _extend(self, today: date) -> Told | None:
        due = [each for each in self._here() if told.leaves(each) <= today + timedelta(days=1)]
        return told.extended(self._one(due), today + timedelta(days=self.dice.randint(2, 4))) if due else None

    def _buy(self, today: date) -> Told | None:
        here = self._here()
        return told.with_package(self._one(here), self.dice.choice(told.PACKAGES_KWH)) if here else None

    def _pay(self, today: date) -> Told | None:
        owing = [each for each in self._here() if not each["payments"]]
        return told.paid(self._one(owing), today) if owing else None

    def _cancel(self, today: date) -> Told | None:
        expected = self._expected()
        return told.cancelled(self._one(expected)) if len(expected) > EXPECTED / 2 else None

    def _book(self, today: date) -> Told | None:
        """Mostly for today; sometimes a group."""
        free = self._free()
        if not free:
            return None
        place = self._one_of(free, lambda place: place.weight)
        like = [other for other in free if other.kind == place.kind and other != place]
        group = like[: GROUP - 1] if len(like) >= GROUP and self.dice.random() < 0.08 else []
        arrival = today + timedelta(days=self.dice.choice((0, 0, 0, 0, 1, 3)))
        return self._new([place, *group], arrival, arrival + told.nights(self.dice))

    # --- inside ---

    def _stays(self, places: Sequence[Place], today: date) -> Told:
        """Somebody who is here since some days; a season guest for months."""
        arrival = today - timedelta(days=self.dice.randint(1, 4))
        if places[0].kind == "seasonal" and self.dice.random() < 0.6:
            return self._new(places, today - timedelta(days=60), today + timedelta(days=60), is_season=True)
        leaves_today = self.dice.random() < LEAVE_TODAY
        departure = today + timedelta(days=0 if leaves_today else self.dice.randint(1, 9))
        stays = self._new(places, arrival, departure)
        return told.with_package(stays, self.dice.choice(told.PACKAGES_KWH)) if self.dice.random() < 0.3 else stays

    def _new(self, places: Sequence[Place], arrival: date, departure: date, *, is_season: bool = False) -> Told:
        self.number += 1
        return told.new(self.number - 1, places, arrival, departure, self.dice, is_season=is_season)

    def _keep(self, change: Told) -> Told:
        is_over = change["cancelled"] or change["bookingIsCheckedOut"]
        self.open.pop(change["bookingId"], None)
        if not is_over:
            self.open[change["bookingId"]] = change
        return change

    def _expected(self) -> list[Told]:
        return [each for each in self.open.values() if not told.is_here(each)]

    def _here(self) -> list[Told]:
        return [each for each in self.open.values() if told.is_here(each)]

    def _is_busy(self) -> bool:
        return len(self._here()) > HALF * len(self.places)

    def _free(self) -> list[Place]:
        taken = {name for each in self.open.values() for name in told.rooms_now(each)}
        return [place for place in self.places.values() if place.number not in taken]

    def _one(self, bookings: Sequence[Told]) -> Told:
        """One of these, by the weight of its place."""
        weights = [self._weight(each) for each in bookings]
        return self.dice.choices(bookings, weights)[0]

    def _weight(self, booking: Told) -> float:
        place = self.places.get(booking["rooms"][-1]["RoomName"])
        return place.weight if place else 1

    def _one_of(self, places: Sequence[Place], weight: Callable[[Place], float]) -> Place:
        return self.dice.choices(places, [weight(place) for place in places])[0]


def _event(change: Told) -> str:
    """As Sirvoy calls it."""
    if change["cancelled"]:
        return "cancelled"
    return "modified" if change["bookingDate"] else "new"


def _local(now: datetime) -> date:
    return clock.day_of(now)
