"""Any order and any repetition of a booking's events ends in the same booking, guest and stays."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from bookings import stays
from bookings.models import Booking, Guest, Room, Stay, StayMeter, WebhookEvent
from tests import make
from tests.bookings.sirvoy import NOON, booking, received, room, work
from tests.properties import fewer

pytestmark = pytest.mark.django_db
KNOWN = ["101", "102", "103", "F1"]
FLAGS = ["came", "left", "cancelled"]
"""What may not be told at all."""
DAYS = ["2026-07-08", "2026-07-10", "2026-07-12", "2026-07-13", "2026-07-15", "2026-07-17", "2026-07-30"]


# --- histories -------------------------------------------------------------------------------------------------------


@st.composite
def periods(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly sensible; now and then backwards or missing."""
    if draw(st.integers(0, 9)) == 0:
        days = st.sampled_from([*DAYS, None])
        return {"arrival": draw(days), "departure": draw(days)}
    arrival, departure = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2)))
    return {"arrival": arrival, "departure": departure}


@st.composite
def told_rooms(draw: st.DrawFn) -> list[dict[str, Any]]:
    """None yet, one, a group with dates of their own, a planned move; some with a lost or a strange name."""
    kind = draw(st.sampled_from(["none", "one", "one", "group", "move"]))
    names = draw(st.permutations(KNOWN))
    if kind == "none":
        return []
    if kind == "move":
        days = [("2026-07-10", "2026-07-12"), ("2026-07-12", "2026-07-17")]
        return [
            _room(draw, name, arrival=first, departure=last)
            for name, (first, last) in zip(names[:2], days, strict=True)
        ]
    count = 1 if kind == "one" else draw(st.integers(2, 4))
    return [_room(draw, name, **draw(st.one_of(st.just({}), periods()))) for name in names[:count]]


def _room(draw: st.DrawFn, name: str, **dates: Any) -> dict[str, Any]:
    """Mostly named, and with its id; else only one of the two, or a name that is no pitch."""
    number = 7000 + KNOWN.index(name)
    how = draw(st.sampled_from(["both"] * 6 + ["id", "name", "strange", "unknown", "nothing"]))
    told: dict[str, dict[str, Any]] = {
        "both": {"name": name, "id": number},
        "id": {"name": None, "id": number},
        "name": {"name": name},
        "strange": {"name": f"{name} (ny)", "id": number},
        "unknown": {"name": "Ved søen", "id": 7999},
        "nothing": {"name": None},
    }
    return room(**told[how], **dates, guest=draw(st.sampled_from([None, "Per"])))


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """What happened to one booking: each step changes some of what was, as people at reception do."""
    told: dict[str, Any] = {"rooms": draw(told_rooms())}
    bodies = []
    for minute in range(draw(st.integers(2, 7))):
        bodies.append(booking(minute=minute, **told))
        step = draw(st.sampled_from(["flags", "cancel", "rooms", "dates", "guest", "adults", "silent"]))
        told = (
            told
            | {
                "flags": {"came": draw(st.booleans()), "left": draw(st.sampled_from([False, False, True]))},
                "cancel": {"cancelled": draw(st.booleans())},
                "rooms": {"rooms": draw(told_rooms())},
                "dates": draw(periods()),
                "guest": {"guest": draw(st.sampled_from([{"firstName": "Åse 🏕"}, {"lastName": "<b>"}, None]))},
                "adults": {"adults": draw(st.sampled_from([0, 2, None]))},
                "silent": dict.fromkeys(draw(st.sets(st.sampled_from(FLAGS)))),
            }[step]
        )
    return bodies


# --- what they end in ------------------------------------------------------------------------------------------------


def state() -> list[Any]:
    """All that must not depend on the order: Sirvoy's booking, its guest, who is where, what a room is."""
    stay = ["position", "room__name", "booked_pitch", "pitch", "arrival", "departure", "status", "unclear", "is_season"]
    return [
        [(row | {"id": None}) for row in Booking.objects.values()],
        [(row | {"booking_id": None}) for row in Guest.objects.values()],
        list(Stay.objects.filter(position__isnull=False).order_by("position").values(*stay)),
        list(Room.objects.order_by("name", "pitch", "sirvoy_id").values("name", "pitch", "sirvoy_id")),
    ]


def ledger() -> list[Any]:
    """When each party came and went, and its lines."""
    line = ("meter", "pitch", "booked_pitch", "period", "begun_by", "ended_by")
    found = []
    for stay in Stay.objects.select_related("room").order_by("began_at", "position", "room"):
        lines = sorted(stay.lines.values_list(*line), key=lambda each: (each[3].lower, each[0]))
        if lines or stay.position is not None:
            found.append((stay.position, str(stay.room), stay.status, stay.began_at, stay.ended_at, lines))
    return found


def everything() -> list[Any]:
    """Every row that follows from events."""
    return [list(model.objects.order_by("pk").values()) for model in (Booking, Guest, Room, Stay, StayMeter)]


def outcome(events: list[WebhookEvent], gap: timedelta = timedelta(0)) -> list[Any]:
    """What these events end in at noon, in this order, with a gap between each and the next; undone again."""
    with transaction.atomic():
        for number, event in enumerate(events):
            work(event, NOON - (len(events) - number) * gap)
        stays.advance(NOON)
        found = state()
        transaction.set_rollback(True)
    return found


def told(events: list[tuple[WebhookEvent, datetime]]) -> list[Any]:
    """What these events end in, with the ledger, each worked on at its time; undone again."""
    with transaction.atomic():
        for event, now in events:
            work(event, now)
        stays.advance(NOON)
        found = [state(), ledger()]
        transaction.set_rollback(True)
    return found


@pytest.fixture(autouse=True)
def campsite(db: Any) -> None:
    for number in KNOWN:
        make.installed(make.meter(number), make.pitch(number), NOON - timedelta(days=90))


def _fresh() -> None:
    for model in (StayMeter, Stay, Guest, Booking, Room, WebhookEvent):
        model.objects.all().delete()


@fewer(8)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_repetition_ends_in_the_same_state(bodies: list[dict[str, Any]], chance: random.Random) -> None:
    _fresh()
    events = [received(body) for body in bodies]
    expected = outcome(events)
    for _ in range(3):
        mixed = events + chance.choices(events, k=4)
        chance.shuffle(mixed)
        assert outcome(mixed, gap=timedelta(hours=chance.randrange(20))) == expected


EVENING = NOON - timedelta(hours=16)
"""20:00 of the day before: what the calendar does comes later."""


@fewer(8)
@given(histories(), st.randoms(use_true_random=False))
def test_any_order_ends_in_the_same_ledger(bodies: list[dict[str, Any]], chance: random.Random) -> None:
    """Also when they came and went, and what they pay: each event counts from when Sirvoy made it."""
    _fresh()
    hour, minute = timedelta(hours=1), timedelta(minutes=1)
    begins = EVENING - len(bodies) * hour
    made = [begins + number * hour for number in range(len(bodies))]
    events = [received(body | {"generatedAt": at.isoformat()}, at) for body, at in zip(bodies, made, strict=True)]
    expected = told([(event, at + minute) for event, at in zip(events, made, strict=True)])
    mixed = events + chance.choices(events, k=2)
    chance.shuffle(mixed)
    assert told([(event, EVENING + number * minute) for number, event in enumerate(mixed)]) == expected


@fewer(5)
@given(histories())
def test_the_newest_alone_tells_where_everybody_is(bodies: list[dict[str, Any]]) -> None:
    """Apart from what older ones teach of rooms that are named now by their id alone, and what it does not tell."""
    _fresh()
    named = [body for body in bodies if all(each["RoomName"] in KNOWN for each in body["rooms"]) and _tells_all(body)]
    events = [received(body) for body in named]
    if events:
        assert outcome(events)[:3] == outcome(events[-1:])[:3]


def _tells_all(body: dict[str, Any]) -> bool:
    flags = ("bookingIsCheckedIn", "bookingIsCheckedOut", "cancelled")
    return bool(body["rooms"]) and all(body[name] is not None for name in (*flags, "totalAdults"))


@fewer(5)
@given(histories())
def test_all_of_it_once_more_changes_nothing(bodies: list[dict[str, Any]]) -> None:
    _fresh()
    events = [received(body) for body in bodies]
    for event in events:
        work(event)
    before = everything()
    for event in events:
        work(event, NOON + timedelta(minutes=1))
    stays.advance(NOON + timedelta(minutes=1))
    assert everything() == before


@fewer(5)
@given(histories())
def test_whatever_happens_nobody_has_lines_but_those_who_are_here(bodies: list[dict[str, Any]]) -> None:
    _fresh()
    for minute, body in enumerate(bodies):
        now = NOON + timedelta(minutes=minute)
        work(received(body, now), now)
    for line in StayMeter.objects.filter(period__upper_inf=True).select_related("stay"):
        assert line.stay.status == Stay.Status.IN_HOUSE
        assert line.pitch_id == line.stay.pitch_id or line.stay.pitch_id is None
    here = Stay.objects.filter(status=Stay.Status.IN_HOUSE, pitch__isnull=False)
    for stay in here.exclude(unclear=Stay.Unclear.TAKEN):
        twins = here.filter(pitch=stay.pitch).count()
        assert stay.lines.filter(period__upper_inf=True).exists() or twins > 1
