"""Who talks too much, who leaves, who is hardly heard: by readings and health reports, at a moment."""

from datetime import timedelta

import pytest
from django.utils import timezone

from meters import partitions
from meters.models import Area, AreaHealth, AreaState, Device, Meter, Reading, Watch
from monitoring.checks import radio
from monitoring.findings import Finding, Severity
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now()
MINUTE = timedelta(minutes=1)


@pytest.fixture
def area() -> Area:
    partitions.ensure_ahead()
    return make.area("North", in_service=True)


def meter(area: Area, a_minute: int, minutes: int = 2, **values: int) -> Meter:
    """It has told so many readings in each of the last minutes."""
    made = make.meter(area=area)
    times = (NOW - number * MINUTE / a_minute for number in range(a_minute * minutes))
    Reading.objects.bulk_create(Reading(meter=made, measured_at=at, **values) for at in times)
    return made


def reports(area: Area, *told: dict[str, object], every: timedelta = 10 * MINUTE) -> None:
    """Health reports, the last of them just now."""
    for number, values in enumerate(reversed(told)):
        AreaHealth.objects.create(area=area, generated_at=NOW - number * every, **values)


def told(found: object) -> list[str]:
    return [finding.key for finding in found]  # type: ignore[attr-defined]


# --- who talks too much ----------------------------------------------------------------------------------------------


def test_a_meter_that_sends_each_second_is_told_and_one_whose_load_changes_is_not(area: Area) -> None:
    meter(area, 36)
    loud = meter(area, 60)
    (found,) = radio.chattering(NOW)
    assert (found.key, found.facts["per_min"]) == (f"chatters:{loud.device.ieee_address}", 60)
    assert told(radio.chattering(NOW + 2 * MINUTE)) == []


def test_what_waited_on_the_broker_and_comes_at_once_is_no_storm(area: Area) -> None:
    """Where Zigbee2MQTT tells no time, it was all measured when it came."""
    meter(area, 60)
    Watch.objects.create(since=NOW - 2 * MINUTE, until=NOW)
    assert told(radio.chattering(NOW)) == []
    Watch.objects.update(since=NOW - 4 * MINUTE)
    assert len(told(radio.chattering(NOW))) == 1


def test_a_meter_that_sends_twenty_a_second_is_found_within_the_first_minute(area: Area) -> None:
    loud = meter(area, 1200, minutes=1)
    seconds_later = NOW - MINUTE + timedelta(seconds=20)
    assert told(radio.chattering(seconds_later)) == [f"chatters:{loud.device.ieee_address}"]


def test_many_that_chatter_at_once_are_one_finding_of_their_area(area: Area) -> None:
    for _ in range(5):
        meter(area, 60)
    for _ in range(15):
        make.meter(area=area)
    worst, *each = radio.chattering(NOW)
    assert (worst.key, worst.severity, worst.facts["of"]) == ("many_chatter:north", Severity.CRITICAL, 20)
    assert [finding.part_of for finding in each] == ["many_chatter:north"] * 5


def test_an_area_being_commissioned_may_chatter() -> None:
    partitions.ensure_ahead()
    meter(make.area("New"), 60)
    assert told(radio.chattering(NOW)) == []


def test_a_repeater_that_spams_is_found_by_what_zigbee2mqtt_counts(area: Area) -> None:
    repeater = make.meter("repeater - hæk", area=area, kind=Device.Kind.REPEATER)
    repeater.delete()
    address = Device.objects.get().ieee_address
    reports(area, {"devices": {address: {"messages": 40}}}, {"devices": {address: {"messages": 480}}})
    assert told(radio.chattering_others(NOW)) == []
    AreaHealth.objects.filter(generated_at=NOW).update(devices={address: {"messages": 500}})
    (found,) = radio.chattering_others(NOW)
    assert (found.facts["meter"], found.facts["per_min"]) == ("repeater - hæk", 46)


def rates(*a_second: float) -> list[dict[str, object]]:
    """What a Zigbee2MQTT with these rates has published at each report."""
    published, found = 0.0, []
    for rate in a_second:
        published += rate * 600
        found.append({"mqtt_published": round(published)})
    return found


@pytest.mark.parametrize(
    ("before", "last", "is_storm"), [(4.0, 15.9, False), (4.0, 16.1, True), (0.2, 4.9, False), (0.2, 5.1, True)]
)
def test_an_area_far_louder_than_usual_is_a_storm(area: Area, before: float, last: float, is_storm: bool) -> None:
    reports(area, *rates(0, *[before] * 20, last))
    assert told(radio.storms(NOW)) == (["storm:north"] if is_storm else [])


def test_a_storm_that_a_single_meter_makes_is_part_of_that(area: Area) -> None:
    reports(area, *rates(0, *[1.0] * 20, 50.0))
    loud = meter(area, 60)
    (found,) = radio.storms(NOW)
    assert found.part_of == f"chatters:{loud.device.ieee_address}"
    for _ in range(5):
        meter(area, 60)
    (found,) = radio.storms(NOW)
    assert found.part_of == "many_chatter:north"


def test_what_is_usual_is_not_known_after_an_hour_nor_is_an_old_report_of_now(area: Area) -> None:
    reports(area, *rates(0, *[1.0] * 6, 50.0))
    assert told(radio.storms(NOW)) == []
    AreaHealth.objects.all().delete()
    reports(area, *rates(0, *[1.0] * 20, 50.0))
    assert told(radio.storms(NOW)) == ["storm:north"]
    assert told(radio.storms(NOW + 26 * MINUTE)) == []


# --- what Zigbee2MQTT says of itself ---------------------------------------------------------------------------------


def test_a_queue_that_stands_for_three_reports(area: Area) -> None:
    reports(area, {"mqtt_queued": 0}, {"mqtt_queued": 7}, {"mqtt_queued": 9})
    assert told(radio.queues(NOW)) == []
    AreaHealth.objects.filter(mqtt_queued=0).update(mqtt_queued=1)
    (found,) = radio.queues(NOW)
    assert (found.facts["queued"], found.since) == (9, NOW - 20 * MINUTE)
    AreaHealth.objects.filter(generated_at=NOW).update(mqtt_queued=0)
    assert told(radio.queues(NOW)) == []


@pytest.mark.parametrize("counter", ["uptime_s", "mqtt_published"])
def test_four_restarts_within_a_day_are_told_and_three_are_not(area: Area, counter: str) -> None:
    reports(area, *({counter: value} for value in (900, 5, 600, 5, 600, 5, 600)))
    assert told(radio.restarts(NOW)) == []
    AreaHealth.objects.create(area=area, generated_at=NOW + MINUTE, **{counter: 4})
    assert told(radio.restarts(NOW + MINUTE)) == ["restarts_often:north"]
    assert told(radio.restarts(NOW + timedelta(days=2))) == []


def test_one_that_lives_for_a_single_report_each_time_restarts_and_one_whose_clock_was_set_right_does_not(
    area: Area,
) -> None:
    """Each first report is told after ten minutes of life, with nearly the same counts."""
    reports(area, *({"uptime_s": 600, "mqtt_published": 80 + number} for number in range(5)), every=15 * MINUTE)
    assert told(radio.restarts(NOW)) == ["restarts_often:north"]
    AreaHealth.objects.all().delete()
    for number in range(5):
        at = NOW - number * 10 * MINUTE + timedelta(seconds=20 * (number % 2))
        AreaHealth.objects.create(area=area, generated_at=at, uptime_s=9000 - 600 * number)
    assert told(radio.restarts(NOW)) == []


def test_counts_that_begin_anew_with_each_report_are_no_restarts(area: Area) -> None:
    """Its configuration may say so: health.reset_on_check."""
    AreaState.objects.filter(area=area).update(configuration={"health": {"reset_on_check": True}})
    reports(area, *({"uptime_s": 600 * (n + 1), "mqtt_published": 900 - n} for n in range(10)))
    assert told(radio.restarts(NOW)) == []
    AreaHealth.objects.filter(area=area).update(uptime_s=600)
    assert told(radio.restarts(NOW)) == ["restarts_often:north"]


# --- who leaves, who is hardly heard ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "is_told"),
    [
        ({"leave_count": 3}, False),
        ({"leave_count": 4}, True),
        ({"network_address_changes": 6}, True),
        ({"network_address_changes": "many", "leave_count": None}, False),
    ],
)
def test_a_meter_that_leaves_its_network_again_and_again(area: Area, counts: dict[str, object], is_told: bool) -> None:
    address = make.meter("101", area=area).device.ieee_address
    before = {"leave_count": 1, "network_address_changes": 1}
    reports(area, {"devices": {address: before}}, {"devices": {address: before | counts, "0x1": "nonsense"}})
    assert told(radio.rejoining(NOW)) == ([f"rejoins:{address}"] if is_told else [])


def test_counts_that_began_anew_at_a_restart_are_counted_from_nothing(area: Area) -> None:
    address = make.meter("101", area=area).device.ieee_address
    reports(area, {"devices": {address: {"leave_count": 9}}}, {"devices": {address: {"leave_count": 2}}})
    assert told(radio.rejoining(NOW)) == []
    AreaHealth.objects.filter(generated_at=NOW).update(devices={address: {"leave_count": 3}})
    assert told(radio.rejoining(NOW)) == [f"rejoins:{address}"]


@pytest.mark.parametrize(("before", "now", "is_told"), [(20, 20, True), (80, 20, False), (20, 80, False)])
def test_a_meter_hardly_heard_for_hours(area: Area, before: int, now: int, is_told: bool) -> None:
    weak = make.meter("101", area=area)
    make.state(weak, linkquality=now)
    for number in range(25):
        make.reading(weak, NOW - number * 10 * MINUTE, linkquality=before)
    assert told(radio.weak_links(NOW)) == ([f"weak_link:{weak.device.ieee_address}"] if is_told else [])


def test_a_few_readings_tell_nothing_of_a_link(area: Area) -> None:
    weak = make.meter("101", area=area)
    make.state(weak, linkquality=20)
    make.reading(weak, NOW, linkquality=20)
    assert told(radio.weak_links(NOW)) == []


def test_an_area_being_commissioned_is_quiet_in_all_of_it() -> None:
    area = make.area("New")
    address = make.meter("101", area=area).device.ieee_address
    queued = {"mqtt_queued": 9}
    counts = [{"leave_count": 0}, {"leave_count": 9}, {"leave_count": 19}]
    reports(area, *(queued | {"uptime_s": 9 - n, "devices": {address: told}} for n, told in enumerate(counts)))
    checks = (radio.queues, radio.restarts, radio.rejoining, radio.storms, radio.chattering_others)
    assert [finding for check in checks for finding in check(NOW)] == list[Finding]()
