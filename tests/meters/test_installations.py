"""Which meter hangs on which pitch."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from meters import installations, notify
from meters.models import Installation
from tests import make

db = pytest.mark.django_db
NUMBERS: dict[str, list[str]] = {
    "101": [],
    "207": [],
    "F12": [],
    "Hytte 26": ["26", "cabin 26"],
    "35": ["hytte 35"],
    "A": ["x"],
    "B": ["X"],
}


# --- suggestions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("101", "101"),
        ("101,2", "101"),
        ("F12", "F12"),
        ("f12", "F12"),
        ("hytte  26", "Hytte 26"),
        ("Hytte 35", "35"),
        ("26", "Hytte 26"),
        ("26,1", "Hytte 26"),
    ],
)
def test_a_name_suggests_the_pitch_that_it_names(name, expected):
    assert installations.suggest(name, NUMBERS) == expected


@pytest.mark.parametrize("name", ["repeater - plads 207 v hæk", "102", "101,x", "Kontor", "", "1011", "0xa4c138"])
def test_a_name_that_names_no_pitch_suggests_none(name):
    assert installations.suggest(name, NUMBERS) is None


def test_a_name_that_two_pitches_go_by_suggests_none():
    assert installations.suggest("x", NUMBERS) is None


def test_a_pitch_of_the_whole_name_is_preferred_to_its_neighbour():
    assert installations.suggest("101,2", {"101": [], "101,2": []}) == "101,2"


# --- verbs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def by(db: Any) -> User:
    return make.staff()


def periods(meter: Any) -> list[tuple[Any, ...]]:
    rows = Installation.objects.filter(meter=meter).order_by("period")
    return [(row.pitch.number, row.period.lower, row.period.upper) for row in rows]


@db
def test_a_meter_is_installed_until_further_notice(by):
    meter, at = make.meter(), timezone.now()
    installations.install(meter, make.pitch("101"), at, by)
    assert periods(meter) == [("101", at, None)]


@db
def test_installing_elsewhere_ends_the_open_installation_at_the_same_moment(by):
    meter, at = make.meter(), timezone.now()
    first = at - timedelta(days=1)
    installations.install(meter, make.pitch("101"), first, by)
    installations.install(meter, make.pitch("102"), at, by)
    assert periods(meter) == [("101", first, at), ("102", at, None)]


@db
def test_installing_where_it_hangs_already_is_refused(by):
    meter, pitch = make.meter(), make.pitch("101")
    installations.install(meter, pitch, timezone.now() - timedelta(days=1), by)
    with pytest.raises(installations.AlreadyInstalled, match="101"):
        installations.install(meter, pitch, timezone.now(), by)


@db
def test_two_meters_may_serve_one_pitch(by):
    pitch, at = make.pitch("101"), timezone.now()
    for _ in range(2):
        installations.install(make.meter(), pitch, at, by)
    assert Installation.objects.filter(pitch=pitch, period__upper_inf=True).count() == 2


@db
def test_installing_before_the_present_installation_began_is_refused_and_changes_nothing(by):
    meter, at = make.meter(), timezone.now()
    installations.install(meter, make.pitch("101"), at, by)
    with pytest.raises(installations.TooEarly):
        installations.install(meter, make.pitch("102"), at - timedelta(days=1), by)
    assert periods(meter) == [("101", at, None)]


@db
def test_installing_into_a_time_when_it_hung_elsewhere_is_refused(by):
    meter, now = make.meter(), timezone.now()
    make.installed(meter, make.pitch("101"), since=now - timedelta(days=9), until=now - timedelta(days=2))
    with pytest.raises(installations.TooEarly):
        installations.install(meter, make.pitch("102"), now - timedelta(days=5), by)


@db
def test_a_time_that_has_not_come_is_refused(by):
    with pytest.raises(installations.InFuture):
        installations.install(make.meter(), make.pitch(), timezone.now() + timedelta(hours=1), by)


@db
def test_an_installation_ends_when_it_is_ended(by):
    meter, at = make.meter(), timezone.now()
    since = at - timedelta(days=1)
    installations.install(meter, make.pitch("101"), since, by)
    installations.end(meter, at, by)
    assert periods(meter) == [("101", since, at)]


@db
def test_a_meter_that_hangs_nowhere_cannot_be_taken_down(by):
    with pytest.raises(installations.NotInstalled):
        installations.end(make.meter(), timezone.now(), by)


@db
def test_a_replacement_takes_the_pitch_of_the_old_meter(by):
    old, new, at = make.meter(), make.meter(), timezone.now()
    since = at - timedelta(days=1)
    installations.install(old, make.pitch("101"), since, by)
    installations.install(new, make.pitch("store"), since, by)
    installations.replace(old, new, at, by)
    assert periods(old) == [("101", since, at)]
    assert periods(new) == [("store", since, at), ("101", at, None)]


@db
def test_a_replacement_that_fails_leaves_the_old_meter_where_it_hangs(by):
    old, new, pitch = make.meter(), make.meter(), make.pitch("101")
    since = timezone.now() - timedelta(days=1)
    for meter in (old, new):
        installations.install(meter, pitch, since, by)
    with pytest.raises(installations.AlreadyInstalled):
        installations.replace(old, new, timezone.now(), by)
    assert periods(old) == [("101", since, None)]


@db
def test_a_meter_cannot_replace_itself(by):
    meter = make.meter()
    with pytest.raises(installations.SameMeter):
        installations.replace(meter, meter, timezone.now(), by)


@db
def test_each_verb_leaves_an_entry_of_who_did_it(by):
    meter = make.meter()
    installations.install(meter, make.pitch("101"), timezone.now() - timedelta(days=1), by)
    installations.end(meter, timezone.now(), by)
    entries = LogEntry.objects.filter(content_type__model="installation").order_by("pk")
    assert [(entry.actor, entry.action) for entry in entries] == [
        (by, LogEntry.Action.CREATE),
        (by, LogEntry.Action.UPDATE),
    ]


@pytest.mark.django_db(transaction=True)
def test_the_worker_is_told_once_it_is_committed():
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {notify.CHANGED}")
    installations.install(make.meter(), make.pitch("101"), timezone.now(), None)
    assert connection.connection is not None
    heard = list(connection.connection.notifies(timeout=5, stop_after=1))
    assert [notice.channel for notice in heard] == [notify.CHANGED]
