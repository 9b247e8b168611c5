"""That something is not found is a sign that it is over only where somebody could see it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters.models import Area, AreaHealth, AreaState, Device, MeterState, Watch, WorkerState
from monitoring import checks, incidents
from monitoring.checks import areas, ourselves
from monitoring.findings import Finding, Severity
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
            self._pass()
            incidents.take(checks.run(self.now, CHECKS), self.now)

    def look_at(self, findings: list[Finding], times: int) -> None:
        """As often as that, this and nothing else is found."""
        for _ in range(times):
            self._pass()
            incidents.take(findings, self.now)

    def _pass(self) -> None:
        self.now += MINUTE
        if self.listens:
            WorkerState.objects.update(heartbeat_at=self.now)
            Watch.objects.update(until=self.now)

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


# --- what else hides what --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["current_while_off", "frozen", "load_gone", "not_on", "not_off", "weak_link"])
def test_what_a_meter_told_is_not_over_because_it_tells_nothing_any_more(clock: Clock, code: str) -> None:
    """A relay that is welded shut must not be called well since its meter fell silent."""
    site(clock, silent=1)
    address = Device.objects.get(friendly_name="101").ieee_address
    told_of_it = Finding(code, Severity.WARNING, address, {"meter": "101", "area": "North"})
    clock.look_at([told_of_it], 2)
    clock.look(5)
    assert over() == set()
    assert [each.code for each in incidents.to_tell(clock.now)] == ["meter_silent"]
    clock.hear("101")
    clock.look(2)
    assert code in over()


def test_who_chattered_before_we_were_away_is_not_well_before_we_have_listened(clock: Clock) -> None:
    site(clock, silent=0)
    address = Device.objects.get(friendly_name="101").ieee_address
    clock.look_at([Finding("chatters", Severity.WARNING, address, {"area": "North"})], 2)
    Watch.objects.update(since=clock.now)
    clock.look(2)
    assert over() == set()
    clock.look(3)
    assert over() == {"chatters"}


def test_what_happened_once_is_over_though_its_meter_is_silent(clock: Clock) -> None:
    site(clock, silent=1)
    address = Device.objects.get(friendly_name="101").ieee_address
    clock.look_at([Finding("counter_fell", Severity.NOTICE, address, {"area": "North"})], 2)
    clock.look(2)
    assert over() == {"counter_fell"}


@pytest.mark.parametrize(
    ("code", "hidden"), [("broker_no_round_trip", "broker_drops"), ("certificate_refused", "certificate_ends")]
)
def test_what_is_worse_now_does_not_end_what_it_hides(clock: Clock, code: str, hidden: str) -> None:
    about = "power.example.com:443" if code.startswith("certificate") else ""
    clock.look_at([Finding(hidden, Severity.WARNING, about)], 2)
    clock.look_at([Finding(code, Severity.WARNING, about)], 5)
    assert over() == set()
    clock.look_at([Finding(code, Severity.WARNING, "www.example.com:443")], 2)
    assert over() == {code, hidden}


@pytest.mark.parametrize("code", ["storm", "queue_waits"])
def test_a_storm_is_not_over_because_no_reports_come_any_more(clock: Clock, code: str) -> None:
    site(clock, silent=0)
    area = Area.objects.get()
    clock.look_at([Finding(code, Severity.WARNING, area.slug, {"area": "North"})], 2)
    clock.look(5)
    assert over() == set()
    AreaHealth.objects.create(area=area, generated_at=clock.now)
    clock.look(2)
    assert over() == {code}


def test_meters_that_were_never_heard_do_not_keep_a_loss_open(clock: Clock) -> None:
    site(clock, silent=8)
    for number in range(8):
        make.meter(f"new {number}", area=Area.objects.get())
    clock.look(2)
    assert "many_silent" in told()
    clock.hear(*(str(101 + number) for number in range(8)))
    clock.look(2)
    assert "many_silent" in over()


def test_meters_that_are_gone_do_not_make_a_loss_small(clock: Clock) -> None:
    site(clock, silent=8)
    for number in range(60):
        make.meter(f"gone {number}", area=Area.objects.get(), removed_at=clock.now)
    clock.look(2)
    assert "many_silent" in told()
    Watch.objects.update(since=clock.now)  # none of the eight has been heard since
    clock.look(5)
    assert over() == set()
