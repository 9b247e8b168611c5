"""What an event that came late tells of the hours before: when a party came and went, and where it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import zip_longest
from typing import Any

from bookings import follow, ledger
from bookings.hours import check_out_at, opening
from bookings.ledger import Span
from bookings.models import Booking, Stay, StayMeter
from bookings.stays.reconcile import ENDED, arrange, slots_of, why
from bookings.stays.status import MOVE_GRACE, Flags, flags

Status = Stay.Status
Reason = StayMeter.Reason
GIVEN_UP = (Reason.CHECK_OUT, Reason.CANCELLED)
Said = tuple[datetime, int, Mapping[str, Any]]
"""When staff set which columns of the party in this position."""


@dataclass(eq=False, slots=True)
class Party:
    """A party as it would have been, and where its meters were its own."""

    stay: Stay
    spans: list[Span] = field(default_factory=list)

    @property
    def key(self) -> tuple[int | None, int | None]:
        """Who it is: its position, else its room."""
        return (self.stay.position, None) if self.stay.position is not None else (None, self.stay.room_id)


def retell(booking: Booking, before: Sequence[Booking], after: Sequence[Booking], now: datetime) -> None:
    """Correct when the parties came and went, and their lines, by what an event that came late tells.

    `before` and `after`: the booking as each event left it, in the order in which Sirvoy made them, without the late
    one and with it. Both are played through in memory; only what differs is corrected, and only of parties for whom the
    story ends where they are. Whoever calls holds the booking's lock in a transaction.
    """
    stays = list(Stay.objects.select_related("pitch").filter(booking=booking).order_by("-pk"))
    said = [each for stay in stays for each in _said(stay)]
    known = {party.key: party.stay for party in _newest(map(Party, stays))}
    told = {party.key: party for party in _newest(_play(before, said, now))}
    meters: set[int] = set()
    for party in _newest(_play(after, said, now)):
        former = told.get(party.key, Party(Stay()))
        if party.spans != former.spans or _times(party.stay) != _times(former.stay):
            stay = known.get(party.key) or _unknown(party, booking)
            if stay and (stay.status, stay.pitch_id) == (party.stay.status, party.stay.pitch_id):
                _correct(stay, former.stay, party.stay, now)
                meters |= ledger.lay(stay, former.spans, party.spans, now)
    follow.soon(meters)


# --- the story -------------------------------------------------------------------------------------------------------


def _play(told: Sequence[Booking], said: Sequence[Said], now: datetime) -> list[Party]:
    """All parties that this story leaves, those without a room any more last."""
    parties: dict[int, Party] = {}
    current: list[Stay] = []
    former: list[Stay] = []
    before: Flags | None = None
    for booking, moment in _moments(told, said, now):
        was = {id(stay): copy(stay) for stay in (*current, *former)}
        for at, position, values in said:
            if at == moment and position < len(current):
                for name, value in values.items():
                    setattr(current[position], name, value)
        current, gone = arrange(booking, current, former.copy, before, moment, moment)
        former = [*gone, *(stay for stay in former if all(stay is not other for other in current))]
        before = flags(booking)
        for stay in (*gone, *current):
            party = parties.setdefault(id(stay), Party(stay))
            _follow(party, was.get(id(stay), Stay()), moment)
    return [parties[id(stay)] for stay in (*current, *former)]


def _moments(told: Sequence[Booking], said: Sequence[Said], now: datetime) -> Iterator[tuple[Booking, datetime]]:
    """Each event, and between it and the next what staff did and when somebody's time comes or is over."""
    for booking, following in zip_longest(told, told[1:]):
        end = following.generated_at if following else now
        yield booking, booking.generated_at
        between = {*_turns(booking), *(at for at, _, _ in said)}
        yield from ((booking, moment) for moment in sorted(between) if booking.generated_at < moment < end)


def _turns(booking: Booking) -> Iterator[datetime]:
    """When the calendar may change who is here."""
    for slot in slots_of(booking):
        if slot.arrival:
            yield check_out_at(slot.arrival)
        if slot.departure:
            over = check_out_at(slot.departure)
            yield over + MOVE_GRACE
            yield opening(opening(max(over, booking.generated_at)) + MOVE_GRACE)


def _follow(party: Party, was: Stay, at: datetime) -> None:
    """As the ledger follows a party."""
    stay, spans = party.stay, party.spans
    is_here = stay.status == Status.IN_HOUSE
    last = spans[-1] if spans else None
    if last and last.upper is None and not (is_here and stay.pitch_id in (None, last.pitch_id)):
        spans[-1] = last = replace(last, upper=at, ended_by=Reason.MOVE if is_here else ENDED[Status(stay.status)])
        if last.upper == last.lower:
            spans.pop()
    if not is_here or stay.pitch_id is None or (last and last.upper is None):
        return
    came_at = stay.began_at or at
    goes_on = last and last.pitch_id == stay.pitch_id and last.ended_by in GIVEN_UP and last.last > came_at
    begins, reason = (last.last, Reason.REOPENED) if last and goes_on else (max(at, came_at), why(stay, was))
    spans.append(Span(stay.pitch_id, stay.booked_pitch_id, begins, None, reason))


# --- correcting ------------------------------------------------------------------------------------------------------


def _said(stay: Stay) -> Iterator[Said]:
    """The newest of what staff said of this party, as far as it still counts."""
    if stay.position is None:
        return
    if stay.moved_by_hand_at and stay.pitch_id != stay.booked_pitch_id:
        yield stay.moved_by_hand_at, stay.position, {"pitch": stay.pitch, "moved_by_hand_at": stay.moved_by_hand_at}
    if stay.left_by_hand_at:
        yield stay.left_by_hand_at, stay.position, {"left_by_hand_at": stay.left_by_hand_at}


def _newest(parties: Iterable[Party]) -> list[Party]:
    """Of those that had the same room and have none any more only the newest, which comes first."""
    found: dict[tuple[int | None, int | None], Party] = {}
    for party in parties:
        found.setdefault(party.key, party)
    return list(found.values())


def _unknown(party: Party, booking: Booking) -> Stay | None:
    """A party that was here and whose room is named no more; nobody had heard of it."""
    if not party.spans:
        return None
    stay = copy(party.stay)
    stay.booking = booking
    stay.save()
    return stay


def _times(stay: Stay) -> tuple[datetime | None, datetime | None]:
    return stay.began_at, stay.ended_at


def _correct(stay: Stay, before: Stay, after: Stay, now: datetime) -> None:
    """Unless it came by something else than these events."""
    if stay.began_at in (before.began_at, after.began_at):
        stay.began_at, stay.ended_at = _times(after)
        stay.noted_at = stay.began_at and (stay.noted_at or now)
        stay.save(update_fields=["began_at", "ended_at", "noted_at"])
