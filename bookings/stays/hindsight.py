"""What an event that came late tells of the hours before: when a party came and went, and where it was.

A story is the booking's events played through in memory, in the order in which Sirvoy made them, by the same rules as
always. All or nothing: the ledger becomes what the story with the late event tells only where it is exactly what the
story without it tells. Where anything else happened (by hand, by another guest, by an event that is forgotten) nothing
is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, zip_longest
from typing import Any, TypeVar

from django.db.models import Q

from bookings import ledger
from bookings.hours import check_out_at, opening
from bookings.ledger import Piece, Span
from bookings.models import Booking, Stay, StayMeter
from bookings.power import follow
from bookings.stays.arrange import arrange, slots_of
from bookings.stays.reconcile import ENDED, why
from bookings.stays.status import MOVE_GRACE, Flags, flags

Status = Stay.Status
Reason = StayMeter.Reason
GIVEN_UP = (Reason.CHECK_OUT, Reason.CANCELLED)
Said = tuple[datetime, int, Mapping[str, Any]]
"""When staff set which columns of the party in this position."""
Key = tuple[int | None, int | None]
"""Who a party is: its position, else its room."""
T = TypeVar("T", Stay, "Party")


@dataclass(eq=False, slots=True)
class Party:
    """A party as a story leaves it, and where its meters were its own."""

    stay: Stay
    spans: list[Span] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return _key(self.stay)


class Story:
    """What events of a booking tell: `told` is the booking as each of them left it, in Sirvoy's order."""

    def __init__(self, booking: Booking, told: Sequence[Booking], now: datetime) -> None:
        self.last = told[-1].event_number if told else None
        self.parties = _play(told, [said for stay in _stays(booking) for said in _said(stay)], now)
        self.pieces = {party: ledger.pieces(party.spans, booking) for party in self.parties}

    @property
    def meters(self) -> set[int]:
        """The meters (ids) of its lines."""
        return {piece.meter_id for pieces in self.pieces.values() for piece in pieces}

    def is_true(self, booking: Booking) -> bool:
        """Whether the booking's stays and lines are just what it tells."""
        stays, parties = _by_key(_stays(booking)), _by_key(self.parties)
        if self.last != booking.event_number or stays is None or parties is None:
            return False
        return all(_is_same(stays.get(key), party, self.pieces[party]) for key, party in parties.items()) and all(
            key in parties or ledger.is_laid(stay, []) for key, stay in stays.items()
        )


def lock(booking: Booking, *stories: Story) -> None:
    """All meters that these stories, or the booking's stays and what becomes of them, may concern: at once."""
    stays = _stays(booking)
    pitches = {pitch for stay in stays for pitch in (stay.pitch_id, stay.booked_pitch_id)}
    pitches |= {slot.room.pitch_id for slot in slots_of(booking) if slot.room}
    told = {meter for story in stories for meter in story.meters}
    ledger.lock(ledger.concerned(stays, pitches) | Q(pk__in=told))


def retell(booking: Booking, story: Story, now: datetime) -> None:
    """Make stays and lines what this story tells, where it leaves each party where it is. Whoever calls holds the
    booking's lock in a transaction, has locked the meters, and has found that what was told before was true.
    """
    stays, parties = _by_key(_stays(booking)), _by_key(story.parties)
    if stays is None or parties is None:
        return
    found = {party: stays.get(key) or _unknown(party, booking) for key, party in parties.items()}
    plan = {party: stay for party, stay in found.items() if stay is not None}
    lines = [story.pieces[party] for party in plan]
    if _is_clear(plan, stays.values()) and not ledger.overlap(chain.from_iterable(lines)):
        for party, stay in plan.items():
            _correct(stay, party.stay, now)
        follow.soon(ledger.lay({stay: story.pieces[party] for party, stay in plan.items()}, now))


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
        current, gone = arrange(booking, current, former, before, moment, moment)
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


# --- comparing, correcting -------------------------------------------------------------------------------------------


def _said(stay: Stay) -> Iterator[Said]:
    """The newest of what staff said of this party, as far as it still counts."""
    if stay.position is None:
        return
    if stay.moved_by_hand_at and stay.pitch_id != stay.booked_pitch_id:
        yield stay.moved_by_hand_at, stay.position, {"pitch": stay.pitch, "moved_by_hand_at": stay.moved_by_hand_at}
    if stay.left_by_hand_at:
        yield stay.left_by_hand_at, stay.position, {"left_by_hand_at": stay.left_by_hand_at}


def _key(stay: Stay) -> Key:
    return (stay.position, None) if stay.position is not None else (None, stay.room_id)


def _by_key(found: Iterable[T]) -> dict[Key, T] | None:
    """By who they are; None where that is not clear: several had the same room and have none any more."""
    by_key: dict[Key, T] = {}
    for each in found:
        key = each.key if isinstance(each, Party) else _key(each)
        if key in by_key:
            return None
        by_key[key] = each
    return by_key


def _stays(booking: Booking) -> list[Stay]:
    return list(Stay.objects.select_related("pitch").filter(booking=booking).order_by("-pk"))


def _is_same(stay: Stay | None, party: Party, pieces: Sequence[Piece]) -> bool:
    if stay is None:
        return not pieces
    told = party.stay
    return (
        (stay.status, stay.pitch_id) == (told.status, told.pitch_id)
        and ledger.is_near(stay.began_at, told.began_at)
        and ledger.is_near(stay.ended_at, told.ended_at)
        and ledger.is_laid(stay, pieces)
    )


def _is_clear(plan: Mapping[Party, Stay], stays: Iterable[Stay]) -> bool:
    """Whether the story tells of each stay that used anything, and leaves each where it is; of a party that has no room
    any more it tells whether it was ever here.
    """
    for party, stay in plan.items():
        is_same = (stay.status, stay.pitch_id) == (party.stay.status, party.stay.pitch_id)
        if stay.position is not None and not is_same:
            return False
    told = {stay.pk for stay in plan.values()}
    return all(stay.pk in told or ledger.is_laid(stay, []) for stay in stays)


def _unknown(party: Party, booking: Booking) -> Stay | None:
    """A party that was here and whose room is named no more; nobody had heard of it."""
    if not party.spans or party.stay.position is not None:
        return None
    stay = copy(party.stay)
    stay.booking = booking
    return stay


def _correct(stay: Stay, told: Stay, now: datetime) -> None:
    """Also of a party that nobody had heard of."""
    if stay.position is None:
        stay.status = told.status
    stay.began_at, stay.ended_at = told.began_at, told.ended_at
    stay.noted_at = stay.began_at and (stay.noted_at or now)
    stay.save(update_fields=["status", "began_at", "ended_at", "noted_at"] if stay.pk else None)
