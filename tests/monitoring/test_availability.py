"""What of a month was well, away, planned, or seen by nobody."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from meters.models import Watch
from monitoring import availability, periods
from monitoring.availability import Availability
from monitoring.models import Incident, Look, MaintenanceWindow
from tests import make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
JUNE, JULY = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def incident(code: str, since: datetime, found_at: datetime, **values: object) -> Incident:
    """That ended soon after it was last found."""
    told = {"code": code, "key": f"{code}{since}", "severity": "critical", "closed_at": found_at + timedelta(minutes=2)}
    return Incident.objects.create(since=since, found_at=found_at, opened_at=since, **told, **values)


def looked(since: datetime = JUNE, until: datetime = JULY, area: object = None) -> None:
    Look.objects.create(since=since, until=until, area=area)


def june(now: datetime = JULY + DAY) -> dict[str, Availability]:
    with translation.override("en"):
        return {each.name: each for each in availability.between(JUNE, JULY, now)}


def test_what_nobody_looked_at_is_unknown() -> None:
    make.area("North", in_service=True)
    for told in june().values():
        assert (told.percent, told.unknown) == (None, 30 * DAY)


def test_an_area_was_away_as_long_as_its_incidents_were_found() -> None:
    north, south = make.area("North", in_service=True), make.area("South", in_service=True)
    looked(area=north)
    looked(area=south)
    incident("bridge_offline", JUNE + DAY, JUNE + DAY + 2 * HOUR, area=north)
    incident("many_silent", JUNE + DAY + HOUR, JUNE + DAY + 3 * HOUR, area=north)
    incident("many_silent", JUNE + 9 * DAY, JUNE + 9 * DAY + HOUR, area=north)
    incident("network_open", JUNE + 12 * DAY, JUNE + 14 * DAY, area=north)
    told = june()
    assert (told["North"].down, told["North"].outages, told["North"].longest) == (4 * HOUR, 2, 3 * HOUR)
    assert told["North"].unknown == timedelta()
    assert told["North"].percent == 99.44
    assert told["South"].percent == 100


def test_the_worker_was_away_while_no_worker_took_an_area_in_service() -> None:
    looked()
    incident("area_untaken", JUNE + DAY, JUNE + DAY + HOUR)
    assert june()["MQTT worker"].down == HOUR


def test_a_second_away_is_no_hundred_percent() -> None:
    north = make.area("North", in_service=True)
    looked(area=north)
    incident("bridge_offline", JUNE, JUNE + timedelta(seconds=1), area=north)
    assert june()["North"].percent == 99.99


def test_what_lasted_from_the_month_before_into_the_next_counts_within_the_month() -> None:
    north = make.area("North", in_service=True)
    looked(JUNE - DAY, JULY + DAY, north)
    incident("bridge_offline", JUNE - DAY, JULY + DAY, area=north)
    assert (june()["North"].percent, june()["North"].down) == (0, 30 * DAY)


def test_of_the_time_before_it_was_in_service_nothing_is_said() -> None:
    north = make.area("North", in_service=True)
    looked(JUNE + 10 * DAY, JULY, north)
    incident("bridge_offline", JUNE - 40 * DAY, JUNE + 10 * DAY + HOUR, area=north)
    assert (june()["North"].down, june()["North"].unknown) == (HOUR, 10 * DAY)


def test_an_incident_that_nobody_could_see_any_more_was_away_until_it_was_last_found() -> None:
    north = make.area("North", in_service=True)
    looked(JUNE, JUNE + DAY, north)
    looked(JUNE + 2 * DAY, JULY, north)
    row = incident("bridge_offline", JUNE + DAY - HOUR, JUNE + DAY, area=north)
    Incident.objects.filter(pk=row.pk).update(closed_at=JUNE + 2 * DAY)
    assert (june()["North"].down, june()["North"].unknown) == (HOUR, DAY)


def test_what_was_away_while_it_was_worked_on_was_planned() -> None:
    north = make.area("North", in_service=True)
    looked(area=north)
    incident("bridge_offline", JUNE + DAY, JUNE + DAY + 3 * HOUR, area=north)
    MaintenanceWindow.objects.create(area=north, from_at=JUNE + DAY, to_at=JUNE + DAY + 2 * HOUR, why="new antenna")
    assert (june()["North"].planned, june()["North"].down) == (2 * HOUR, HOUR)


def test_the_worker_witnesses_that_background_jobs_were_away() -> None:
    Watch.objects.create(since=JUNE, until=JULY - 2 * DAY)
    looked(JUNE, JUNE + 10 * DAY)
    looked(JUNE + 11 * DAY, JULY - 2 * DAY)
    told = june()
    assert (told["background jobs"].down, told["background jobs"].unknown) == (DAY, 2 * DAY)
    assert (told["MQTT worker"].down, told["MQTT worker"].unknown) == (timedelta(), 2 * DAY)
    assert (told["MQTT broker"].percent, told["booking system"].unknown) == (100, 3 * DAY)


def test_of_the_broker_only_the_worker_can_tell() -> None:
    Watch.objects.create(since=JUNE, until=JUNE + 10 * DAY)
    looked()
    incident("worker_silent", JUNE + 10 * DAY, JUNE + 11 * DAY)
    incident("broker_away", JUNE + 11 * DAY, JULY)
    told = june()
    assert (told["MQTT broker"].unknown, told["MQTT broker"].down) == (DAY, 19 * DAY)
    assert told["MQTT worker"].down == DAY


def test_this_month_ends_now_and_the_last_look_still_counts() -> None:
    now = JUNE + 5 * DAY
    looked(JUNE, now - timedelta(minutes=1))
    Watch.objects.create(since=JUNE, until=now - timedelta(seconds=2))
    for told in june(now).values():
        assert (told.up, told.down, told.unknown) == (5 * DAY, timedelta(), timedelta())


def test_a_month_costs_few_queries(django_assert_max_num_queries) -> None:
    for name in "abcdef":
        looked(area=make.area(name, in_service=True))
    with django_assert_max_num_queries(5):
        june()


times = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8)


def as_periods(some: list[tuple[int, int]]) -> list[periods.Period]:
    return [(JUNE + min(a, b) * HOUR, JUNE + max(a, b) * HOUR) for a, b in some]


def hours(some: list[periods.Period]) -> set[int]:
    return {hour for hour in range(51) if any(since <= JUNE + hour * HOUR < until for since, until in some)}


@given(times, times)
def test_periods_are_sets_of_moments(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    a, b = as_periods(some), as_periods(others)
    assert hours(periods.joined(a)) == hours(a)
    assert hours(periods.common(a, b)) == hours(a) & hours(b)
    assert hours(periods.without(a, b)) == hours(a) - hours(b)
    for told in (periods.joined(a), periods.common(a, b), periods.without(a, b)):
        assert periods.length(told) == len(hours(told)) * HOUR
