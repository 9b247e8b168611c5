"""The made-up guests: what Sirvoy would tell of them can be read, plays through, and is the same each time."""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import chain, pairwise
from threading import Event
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from bookings import afterwards, inbox, ledger, sirvoy, tokens
from bookings.management.commands import simulate_bookings
from bookings.models import Booking, PowerRule, Stay, StayMeter, Tariff, WebhookEvent, WebhookToken
from bookings.simulation import caller, scene, season, told
from bookings.simulation.day import Day
from bookings.simulation.told import Place
from meters.models import Area, Pitch
from tests import make
from tests.meters.harness import until
from tests.properties import fewer

FIRST = date(2026, 4, 20)
NOON = datetime(2026, 7, 12, 10, tzinfo=UTC)
KINDS = ["touring"] * 6 + ["seasonal"] * 3 + ["cabin"] * 2
PLACES = [Place(str(200 + number), kind, 7000 + number) for number, kind in enumerate(KINDS)]


def campsite() -> None:
    for place in PLACES:
        pitch = make.pitch(place.number, kind=place.kind)
        make.installed(make.meter(place.number), pitch, NOON - timedelta(days=900))


# --- a season --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000))
def test_everything_told_in_a_season_can_be_read_without_complaint(seed: int) -> None:
    for call in season.season(PLACES, FIRST, 12, seed):
        assert sirvoy.read(call.body).complaints == ()


def test_the_same_seed_makes_the_same_season_and_another_one_another() -> None:
    first, again, other = (season.season(PLACES, FIRST, 30, seed) for seed in (1, 1, 2))
    assert [call.body for call in first] == [call.body for call in again]
    assert first != other


def test_a_season_holds_all_that_happens_in_one() -> None:
    heard = [sirvoy.read(call.body) for call in season.season(PLACES, FIRST, 200)]
    assert {"new", "modified", "cancelled", "restored"} == {each.event for each in heard}
    assert any(len({room.name for room in each.rooms}) == 3 for each in heard)  # a group
    assert any(each.rooms[0].departure == each.rooms[-1].arrival for each in heard if len(each.rooms) == 2)  # a move
    assert any(each.adults == 0 for each in heard)
    assert any("Elpakke" in str(each.items) for each in heard)
    assert {each.guest.language for each in heard} == {"da", "de", "nl", "sv", "no", "en"}
    assert all(each.guest.email.endswith("@example.com") for each in heard if each.guest.email)
    departures = defaultdict(set)
    for each in heard:
        departures[each.sirvoy_id].add(each.departure)
    assert any(len(days) > 1 for days in departures.values())  # an extension


def test_nobody_is_told_to_be_where_another_guest_still_should_be() -> None:
    newest = {call.told["bookingId"]: call.told for call in season.season(PLACES, FIRST, 60)}
    taken: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for booking in newest.values():
        for room in [] if booking["cancelled"] else booking["rooms"]:
            taken[room["RoomName"]].append((room["arrivalDate"], room["departureDate"]))
    for spans in taken.values():
        overlaps = [1 for one, other in pairwise(sorted(spans)) if other[0] < one[1]]
        assert len(overlaps) <= 3  # who moved is often told as if he had been there from the start


@pytest.mark.django_db
def test_a_season_plays_through_the_inbox() -> None:
    campsite()
    calls = season.season(PLACES, FIRST, 25)
    for call in calls:
        event = inbox.store(None, call.body, call.at)
        inbox.process(event.pk, call.at)
    statuses = set(WebhookEvent.objects.values_list("status", flat=True))
    assert {"applied", "duplicate"} <= statuses <= {"applied", "duplicate", "stale"}
    newest = {call.told["bookingId"]: call.told for call in sorted(calls, key=lambda call: call.told["generatedAt"])}
    staying = {number for number, each in newest.items() if told.is_here(each)}
    here = Stay.objects.filter(status=Stay.Status.IN_HOUSE)
    assert set(here.values_list("booking__sirvoy_id", flat=True)) == staying
    assert not StayMeter.objects.filter(period__upper_inf=True).exclude(stay__in=here).exists()
    assert StayMeter.objects.count() > 30
    assert not here.exclude(unclear="").exists()
    assert ledger.used_kwh(Stay.objects.all()).kwh == 0  # no meter has told anything


# --- a day -----------------------------------------------------------------------------------------------------------


@fewer(5)
@given(st.integers(0, 10_000))
def test_a_day_goes_on_for_ever(seed: int) -> None:
    day = Day(PLACES, 900_000, seed)
    later = (day.next(NOON + timedelta(minutes=10 * number)) for number in range(300))
    changes = [change for change in chain(day.morning(NOON), later) if change]
    assert len(changes) > 250
    for change in changes:
        assert sirvoy.read(told.body(change)).complaints == ()
    assert any(map(told.is_here, day.open.values()))


def test_a_day_shows_comings_goings_and_moves() -> None:
    day = Day(PLACES, 900_000, 1)
    list(day.morning(NOON))
    seen = defaultdict(set)
    for minute in range(200):
        change = day.next(NOON + timedelta(minutes=minute))
        assert change
        state = "out" if change["bookingIsCheckedOut"] else "in" if change["bookingIsCheckedIn"] else "expected"
        seen[state].add(change["bookingId"])
    assert seen["expected"] & seen["in"] & seen["out"]


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def signals() -> Iterator[None]:
    """The command hears signals; afterwards they are the test run's again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def simulate(site: str, events: int) -> str:
    out = StringIO()
    call_command("simulate_bookings", site=site, every=0, events=events, stdout=out)
    until(lambda: not (afterwards.waiting or afterwards.turn.locked()), "all is worked on")
    return out.getvalue()


def hanging(area: Area) -> None:
    """A campsite whose meters are heard."""
    for place in PLACES:
        meter = make.meter(place.number, area=area)
        make.state(meter, relay=False)
        make.installed(meter, make.pitch(place.number, kind=place.kind))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("signals")
def test_guests_are_there_come_and_go_over_http(live_server: Any) -> None:
    hanging(make.area(in_service=True))
    simulate(live_server.url, 25)
    assert set(WebhookEvent.objects.values_list("status", flat=True)) <= {"applied", "duplicate"}
    assert Booking.objects.filter(is_checked_in=True).count() > 4
    assert Stay.objects.filter(status=Stay.Status.LEFT).exists()
    assert StayMeter.objects.filter(period__upper_inf=True).exists()
    assert not Stay.objects.exclude(unclear="").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("signals")
def test_the_first_run_sets_the_scene_and_later_ones_leave_what_staff_said(live_server: Any) -> None:
    area, other = make.area("a", in_service=True), make.area("b", in_service=True)
    hanging(area)
    make.meter("elsewhere", area=other)
    simulate(live_server.url, 0)
    area.refresh_from_db()
    other.refresh_from_db()
    assert (area.control, other.control) == (Area.Control.ACT, Area.Control.OBSERVE)
    assert Tariff.objects.count() == 3
    Area.objects.update(control=Area.Control.OBSERVE)
    PowerRule.objects.update(grace_min=20)
    simulate(live_server.url, 0)
    assert not Area.objects.filter(control=Area.Control.ACT).exists()
    assert set(PowerRule.objects.values_list("grace_min", flat=True)) == {20}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("signals")
def test_a_later_run_goes_on_with_the_guests_of_the_one_before(live_server: Any) -> None:
    hanging(make.area(in_service=True))
    simulate(live_server.url, 0)
    before = set(Booking.objects.values_list("sirvoy_id", flat=True))
    here = Stay.objects.filter(status=Stay.Status.IN_HOUSE).count()
    simulate(live_server.url, 3)
    assert Stay.objects.filter(status=Stay.Status.IN_HOUSE).count() >= here - 3
    assert len(set(Booking.objects.values_list("sirvoy_id", flat=True)) - before) <= 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("signals")
def test_its_address_is_revoked_at_the_end_and_stands_nowhere(live_server: Any) -> None:
    hanging(make.area(in_service=True))
    tokens.make(scene.NAME, None)
    out = simulate(live_server.url, 1)
    assert not tokens.valid().exists()
    assert WebhookToken.objects.count() == 2
    assert tokens.PREFIX not in out


@pytest.mark.django_db
def test_it_says_why_it_cannot_begin_and_waits_until_it_can() -> None:
    one, _secret = tokens.make("one", None)
    tokens.make("two", None)

    class Waiting(Event):
        def wait(self, timeout: float | None = None) -> bool:
            return not tokens.revoke(one, None, timezone.now())

    command = simulate_bookings.Command(stdout=StringIO())
    command.stopped = Waiting()
    made = tokens.find(command._secret())
    assert made is not None
    assert made.name == scene.NAME
    assert "Revoke one of them first." in command.stdout.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_wrong_address_is_refused_without_being_told(live_server: Any) -> None:
    stranger = caller.Caller(live_server.url, tokens.path("sirvoy-wrong-and-secret"))
    with pytest.raises(caller.Refused) as refused:
        stranger.call(b"{}")
    assert "secret" not in str(refused.value)


def test_a_site_that_does_not_answer_is_told_apart() -> None:
    nobody = caller.Caller("http://127.0.0.1:9", "/hooks/sirvoy/x/")
    assert not nobody.is_there()
    with pytest.raises(caller.NotReached):
        nobody.call(b"{}")
    with pytest.raises(ValueError):
        caller.Caller("ftp://somewhere", "/")


@pytest.mark.django_db
def test_most_happens_where_it_can_be_seen() -> None:
    acting = make.acting()
    for number, area, relay in (("1", acting, True), ("2", acting, False), ("3", make.area(), False)):
        meter = make.meter(number, area=area)
        make.state(meter, relay=relay)
        make.installed(meter, make.pitch(number))
    make.installed(make.meter("office"), make.pitch("office", kind=Pitch.Kind.SERVICE))
    weights = {place.number: place.weight for place in scene.places()}
    assert set(weights) == {"1", "2", "3"}
    assert weights["2"] > weights["1"] > weights["3"]
