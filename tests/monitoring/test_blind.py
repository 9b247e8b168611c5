"""That something is not found is a sign that it is over only where somebody could see it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters.models import AreaState, Device, MeterState, Watch, WorkerState
from monitoring import checks, incidents
from monitoring.checks import areas, ourselves
from monitoring.models import Incident
from tests import make

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
CHECKS = (ourselves.worker, areas.bridges, areas.silent_meters, areas.open_networks)


class Clock:
    """The site is looked at each minute; its worker gives signs of life while `listens`."""

    def __init__(self) -> None:
        self.now = timezone.now()
        self.listens = True

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += MINUTE
            if self.listens:
                WorkerState.objects.update(heartbeat_at=self.now)
                Watch.objects.update(until=self.now)
            incidents.take(checks.run(self.now, CHECKS), self.now)

    def hear(self, *meters: str) -> None:
        MeterState.objects.filter(meter__device__friendly_name__in=meters).update(heard_at=self.now)


@pytest.fixture
def clock() -> Clock:
    make.worker()
    return Clock()


def site(clock: Clock, *, silent: int, well: int = 20) -> None:
    area = make.area("North", in_service=True, reported={"confirmed_at": clock.now})
    for number in range(silent + well):
        heard_at = clock.now - timedelta(hours=2) if number < silent else clock.now + timedelta(hours=9)
        make.state(make.meter(f"{101 + number}", area=area), heard_at=heard_at, gap_s=60)


def told() -> set[str]:
    """What stands as open, and as what."""
    return {each.code for each in Incident.objects.filter(closed_at=None, opened_at__isnull=False)}


def over() -> set[str]:
    return set(Incident.objects.filter(closed_at__isnull=False).values_list("code", flat=True))


def test_a_silent_meter_is_not_over_because_the_worker_is_away(clock: Clock) -> None:
    site(clock, silent=1)
    clock.look(2)
    assert told() == {"meter_silent"}
    clock.listens = False
    clock.look(10)
    assert over() == set()
    assert [each.code for each in incidents.to_tell(clock.now)] == ["worker_silent"]
    clock.listens = True
    WorkerState.objects.update(connected_at=clock.now)
    Watch.objects.update(since=clock.now)  # somebody listens again, from now on
    clock.look(3)
    assert over() == {"worker_silent"}
    assert told() == {"meter_silent"}
    clock.look(20)
    assert [each.code for each in incidents.to_tell(clock.now)] == ["meter_silent"]
    assert Incident.objects.filter(code="meter_silent").count() == 1
    clock.hear("101")
    clock.look(2)
    assert "meter_silent" in over()


def test_eighty_silent_meters_are_told_neither_as_such_nor_as_over_while_the_worker_is_away(clock: Clock) -> None:
    site(clock, silent=80)
    clock.look(2)
    assert [each.code for each in incidents.to_tell(clock.now)] == ["many_silent"]
    clock.listens = False
    clock.look(5)
    assert [each.code for each in incidents.to_tell(clock.now)] == ["worker_silent"]
    clock.listens = True
    Watch.objects.update(since=clock.now)
    clock.look(5)
    assert over() == {"worker_silent"}


def test_an_areas_meters_are_not_heard_while_its_zigbee2mqtt_is_away(clock: Clock) -> None:
    site(clock, silent=6)
    clock.look(2)
    AreaState.objects.update(bridge="offline", confirmed_at=clock.now)
    clock.look(5)
    assert [each.code for each in incidents.to_tell(clock.now)] == ["bridge_offline"]
    assert over() == set()
    AreaState.objects.update(bridge="online")
    clock.hear(*(str(101 + number) for number in range(6)))
    clock.look(2)
    assert over() == {"bridge_offline", "many_silent", "meter_silent"}


def test_that_the_broker_is_away_is_not_over_because_the_worker_died(clock: Clock) -> None:
    WorkerState.objects.update(connected_at=None)
    clock.look(2)
    assert told() == {"broker_away"}
    clock.listens = False
    clock.look(5)
    assert over() == set()
    assert [each.code for each in incidents.to_tell(clock.now)] == ["worker_silent"]


def test_what_a_check_found_is_not_over_because_it_fails_now(clock: Clock) -> None:
    make.area("North", in_service=True, reported={"permit_join": True})
    clock.look(2)

    def open_networks(now):
        raise ZeroDivisionError

    open_networks.__module__ = areas.__name__
    for _ in range(5):
        clock.now += MINUTE
        incidents.take(checks.run(clock.now, [open_networks]), clock.now)
    assert told() == {"network_open", "check_failed"}


def test_an_area_that_goes_out_of_service_has_no_incidents_any_more(clock: Clock) -> None:
    site(clock, silent=1)
    clock.look(2)
    AreaState.objects.update(bridge="unknown")
    AreaState.objects.get().area.__class__.objects.update(in_service=False)
    clock.look(2)
    assert over() == {"meter_silent"}


def test_a_meter_that_was_removed_is_silent_no_more(clock: Clock) -> None:
    site(clock, silent=1)
    clock.look(2)
    Device.objects.filter(friendly_name="101").update(removed_at=clock.now)
    clock.look(2)
    assert over() == {"meter_silent"}


def test_a_look_costs_few_queries_however_much_is_unseen(clock: Clock, django_assert_max_num_queries) -> None:
    site(clock, silent=80)
    clock.look(2)
    clock.listens = False
    found = checks.run(clock.now + MINUTE, CHECKS)
    with django_assert_max_num_queries(25):
        incidents.take(found, clock.now + MINUTE)


# --- many at once ----------------------------------------------------------------------------------------------------


def test_many_have_been_silent_since_they_were_many(clock: Clock) -> None:
    """One of them has been dead for weeks."""
    site(clock, silent=6)
    MeterState.objects.filter(meter__device__friendly_name="101").update(heard_at=clock.now - timedelta(days=30))
    (many,) = (each for each in areas.silent_meters(clock.now) if each.code == "many_silent")
    assert many.since == clock.now - timedelta(hours=2)
