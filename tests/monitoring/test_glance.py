"""Staff's first page: calm when all is well, and true when it is not."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django_q.models import Schedule

from bookings.models import Stay
from meters import clock, commands, online, site
from meters.models import Area, AutomaticStop, Device, Meter
from monitoring import glance, incidents, looks
from monitoring.findings import Finding, Severity
from monitoring.glance import Colour, Glance
from monitoring.models import Incident, Look, MaintenanceWindow
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def jobs_that_run() -> None:
    Schedule.objects.update(next_run=timezone.now() + timedelta(minutes=1))


def looked_at(times: int = 2) -> None:
    for minutes in reversed(range(times)):
        looks.note(timezone.now() - timedelta(minutes=minutes))


def heard(area: Area | None, power_w: int | None = 100, **values) -> Meter:
    now = timezone.now()
    meter = make.meter(area=area)
    told = {"power_w": power_w, "power_at": now, "voltage_at": now, "counter_at": now} | values
    make.state(meter, **told)
    return meter


def served(name: str = "", **values) -> Area:
    return make.area(name, in_service=True, **values)


def seen(person=None) -> Glance:
    return glance.glance(person or make.superuser(), timezone.now())


def found(code: str, severity: Severity, about: str = "", **facts) -> Finding:
    return Finding(code, severity, about, facts)


def opened(*findings: Finding) -> None:
    for minutes in range(incidents.FOUND):
        incidents.take(findings, timezone.now() + timedelta(minutes=minutes))


def page(person) -> str:
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client.get(reverse("admin:index")).content.decode()


def test_when_all_is_well_it_says_so_in_one_line() -> None:
    make.worker()
    looked_at()
    heard(served("North"))
    html = page(make.superuser())
    assert "All is well. Nothing is to be looked after." in html
    assert "was last looked at" not in html
    assert "<title> At a glance |" in " ".join(html.split())
    assert 'class="troubles"' not in html


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (0, "Nobody has looked yet whether all is well"),
        (1, "Whether all is well is known once the site has looked at itself twice"),
    ],
)
def test_before_the_site_was_looked_at_twice_nobody_says_that_all_is_well(times: int, says: str) -> None:
    make.worker()
    heard(served("North"))
    looked_at(times)
    html = page(make.superuser())
    assert says in html
    assert "All is well." not in html


def test_looks_of_yesterday_tell_nothing_of_now() -> None:
    make.worker()
    looked_at()
    Look.objects.update(since=timezone.now() - timedelta(days=2), until=timezone.now() - timedelta(days=1))
    assert not seen().is_known


def test_what_is_open_stands_first_with_what_to_do_and_leads_to_its_page() -> None:
    make.worker()
    redis = found("redis_away", Severity.WARNING, error="ConnectionError")
    opened(redis, found("bridge_offline", Severity.CRITICAL, "north", area="North"))
    html = page(make.superuser())
    assert html.index("North: Zigbee2MQTT is not running") < html.index("Redis cannot be reached")
    assert f'start its Zigbee2MQTT again. <a class="more" href="{reverse("runbook")}#bridge_offline"' in html
    assert "All is well" not in html


def test_many_are_told_by_their_number() -> None:
    make.worker()
    opened(*(found("disk_full", Severity.WARNING, str(number)) for number in range(glance.MOST_SHOWN + 2)))
    told = seen()
    assert (len(told.shown), told.more) == (glance.MOST_SHOWN, 2)


def test_that_the_worker_is_away_is_said_though_nobody_has_written_it_down() -> None:
    make.worker(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert "The MQTT worker gives no sign of life" in page(make.superuser())


def test_that_nothing_is_checked_any_more_is_never_all_is_well() -> None:
    make.worker()
    Schedule.objects.create(func="monitoring.tasks.check_site", next_run=timezone.now() - timedelta(minutes=10))
    html = page(make.superuser())
    assert "Background jobs are not being run" in html
    assert "All is well" not in html


def test_while_nobody_looks_it_is_never_all_is_well() -> None:
    """Jobs are handed out, and none is done: each look fails, or those who do them hang."""
    make.worker()
    chief = make.superuser()
    assert "Nobody has looked yet whether all is well" in page(chief)
    looks.note(timezone.now() - timedelta(minutes=4))
    html = page(chief)
    assert "Whether all is well was last looked at 4 minutes ago" in html
    assert "All is well. Nothing" not in html


def test_why_nobody_is_told_of_something_stands_beside_it() -> None:
    make.worker()
    served("North")
    opened(
        found("many_silent", Severity.CRITICAL, "north", area="North", silent=9, meters=9),
        found("redis_away", Severity.WARNING),
    )
    now, chief = timezone.now(), make.superuser()
    Incident.objects.filter(code="many_silent").update(unseen_since=now)
    incidents.snooze(Incident.objects.get(code="redis_away"), chief, now + timedelta(hours=1), now)
    MaintenanceWindow.objects.create(
        area=Area.objects.get(), from_at=now, to_at=now + timedelta(hours=1), why="antenna"
    )
    with translation.override("en"):
        north, redis = seen(chief).shown
    assert north.untold == ["being worked on", "cannot be seen just now"]
    (snoozed,) = redis.untold
    assert snoozed.startswith("snoozed until ")
    assert snoozed in page(chief)


@pytest.mark.parametrize(
    ("severity", "colour"),
    [(Severity.CRITICAL, Colour.RED), (Severity.WARNING, Colour.AMBER), (Severity.NOTICE, Colour.GREEN)],
)
def test_an_area_in_which_something_is_wrong_with_a_meter_is_not_called_well(
    severity: Severity, colour: Colour
) -> None:
    make.worker()
    meter = heard(served("North"))
    opened(found("frozen", severity, meter.device.ieee_address, area="North", meter="101", hours=12, volts="47"))
    (light,) = seen().lights
    with translation.override("en"):
        assert (light.colour, str(light.says)) == (colour, "an incident is open")


def test_an_areas_light() -> None:
    make.worker()
    heard(served("green"))
    for count in range(2):
        heard(served(f"amber {count}"), heard_at=timezone.now() - timedelta(hours=count * 2))
    served("red", bridge="offline")
    served("worst")
    opened(
        found("ping_cascade", Severity.WARNING, "amber-0", area="amber 0"),
        found("network_open", Severity.WARNING, "worst", area="worst"),
        found("many_silent", Severity.CRITICAL, "worst", area="worst", silent=9, meters=9),
    )
    served("unknown", bridge="unknown")
    make.area("not yet", in_service=False, bridge="offline")
    told = {light.area.name: light.colour for light in seen().lights}
    assert told == {
        "green": Colour.GREEN,
        "amber 0": Colour.AMBER,
        "amber 1": Colour.AMBER,
        "red": Colour.RED,
        "worst": Colour.RED,
        "unknown": Colour.GREY,
        "not yet": Colour.GREY,
    }


def test_an_area_whose_meters_are_not_all_heard_yet_is_not_said_to_be_well() -> None:
    make.worker()
    area = served()
    heard(area)
    heard(area, heard_at=None)
    chief = make.superuser()
    assert [light.colour for light in seen(chief).lights] == [Colour.GREY]
    assert "Some meters have not been heard yet" in page(chief)


def test_while_nobody_listens_no_area_is_green() -> None:
    make.worker(connected_at=None)
    heard(served())
    assert [light.colour for light in seen().lights] == [Colour.GREY]


def test_while_nobody_looks_no_area_is_said_to_be_well() -> None:
    """Its meters are heard: what else may be wrong nobody has looked at."""
    make.worker()
    heard(served("North"))
    looked_at(1)
    html = page(make.superuser())
    assert "Nobody has looked just now whether all is well" in html
    assert "All is well" not in html
    assert [light.colour for light in seen(make.superuser("chief 2")).lights] == [Colour.GREY]


def test_the_stop_says_who_pressed_it_and_why_and_what_did_it_where_nobody_did() -> None:
    make.worker()
    chief = make.superuser("anna")
    commands.stop.press(chief, "work at the <board>")
    assert "anna · work at the &lt;board&gt;" in page(chief)
    AutomaticStop.objects.update(by=None, reason="", cause=AutomaticStop.Cause.LIMIT)
    assert "too many automatic switch-offs in an hour" in page(chief)


def test_a_stop_of_a_restore_is_not_said_to_be_of_a_person() -> None:
    make.worker()
    chief = make.superuser()
    commands.stop.press(None, "restored from the backup of yesterday")
    client = Client(headers={"accept-language": "en"})
    client.force_login(chief)
    stops = client.get(reverse("admin:meters_automaticstop_changelist")).content.decode()
    for told in (page(chief), stops):
        assert "restored from the backup of yesterday" in told
        assert "pressed by a person</td>" not in told
        assert "ressed by a person ·" not in told
        assert "Pressed by a person, " not in told


def test_the_load_is_the_sum_of_those_that_tell_and_counts_those_that_do_not() -> None:
    make.worker()
    area, now = served(), timezone.now()
    for watts in (1200, 300, None):
        heard(area, watts)
    long_ago = now - timedelta(hours=2)
    heard(area, 5000, heard_at=long_ago)  # silent
    heard(area, 7000, power_at=long_ago, voltage_at=long_ago)  # stands still
    heard(make.area(in_service=False), 900)
    removed = heard(area, 800)
    Device.objects.filter(pk=removed.device_id).update(removed_at=now)
    assert seen().load == site.Load(1500, 2, 3)


def test_a_load_that_nobody_tells_is_unknown_and_not_zero() -> None:
    make.worker()
    heard(served(), None)
    assert seen().load.power_w is None
    assert '<p class="figure">–</p>' in page(make.superuser("chief 2"))


def test_an_hour_counts_once_most_counters_have_told_of_it() -> None:
    make.worker()
    area, now = served(), timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    late = [heard(area, counter_at=hour - timedelta(minutes=10)) for _ in range(2)]
    told = [heard(area, counter_at=now) for _ in range(9)]
    statuses = online.statuses(now)
    assert site.counted_until([*late, *told[:8]], statuses, now) == hour - timedelta(hours=1)
    assert site.counted_until([late[0], *told], statuses, now) == hour


def use(meter: Meter, *hours: tuple[datetime, int]) -> None:
    for hour, energy_wh in hours:
        make.hour(meter, hour, energy_wh)


def test_the_day_is_compared_with_the_day_before_up_to_the_same_time() -> None:
    one, other = make.meter(), make.meter()
    midnight = clock.moment(date(2026, 7, 2))
    hours = [midnight + timedelta(hours=n) for n in (-24, -13, -12, 0, 11, 12)]
    use(one, *zip(hours, (1000, 2000, 4000, 100, 200, 400), strict=True))
    use(other, (hours[3], 50))
    told = site.compared([one.pk, other.pk], midnight + timedelta(hours=12))
    assert (told.day, told.kwh, told.before_kwh) == (date(2026, 7, 2), Decimal("0.35"), Decimal(3))


def test_at_midnight_it_is_the_whole_day_that_ends() -> None:
    meter, midnight = make.meter(), clock.moment(date(2026, 7, 2))
    use(meter, (midnight - timedelta(hours=1), 700), (midnight - timedelta(hours=25), 500))
    told = site.compared([meter.pk], midnight)
    assert (told.day, told.kwh, told.before_kwh) == (date(2026, 7, 1), Decimal("0.7"), Decimal("0.5"))


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_the_same_time_of_the_clock_is_meant_where_the_clock_was_changed(day: date) -> None:
    meter = make.meter()
    noon_before = datetime.combine(day - timedelta(days=1), datetime.min.time(), UTC).replace(hour=12)
    local = timezone.localtime(noon_before, timezone.get_default_timezone()).hour
    at = clock.moment(day, datetime.min.time().replace(hour=local))
    use(meter, (noon_before - timedelta(hours=1), 500), (noon_before, 900))
    assert site.compared([meter.pk], at).before_kwh == Decimal("0.5")


def test_of_a_day_that_nobody_measured_nothing_is_known() -> None:
    assert site.compared([make.meter().pk], timezone.now()).kwh is None


def test_an_hour_of_which_nothing_is_known_has_no_bar() -> None:
    make.worker()
    meter = heard(served())
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    use(meter, (hour - timedelta(hours=1), 900), (hour - timedelta(hours=3), 300))
    heights = [bar.height for bar in seen().bars]
    assert heights == [*[None] * 21, 13, None, 40]


def test_meters_that_should_be_otherwise_are_counted_unless_they_are_being_switched() -> None:
    make.worker()
    area = served()
    as_wanted, otherwise, moving = (heard(area, relay=True) for _ in range(3))
    make.want(as_wanted, True)
    make.want(otherwise, False)
    make.command(make.want(moving, False))
    assert seen().otherwise == 1


def test_who_comes_and_leaves_today() -> None:
    make.worker()
    now = timezone.now()
    today = clock.day_of(now)
    before, after = today - timedelta(days=1), today + timedelta(days=1)
    here, left = Stay.Status.IN_HOUSE, Stay.Status.LEFT
    for arrival, departure, status, ended in (
        (today, after, Stay.Status.EXPECTED, None),
        (today, after, here, None),
        (today, after, Stay.Status.CANCELLED, None),
        (before, today, here, None),
        (before, today, left, now),
        (before, after, left, now),
        (before, after, here, None),
    ):
        make.stay(make.pitch(), arrival=arrival, departure=departure, status=status, ended_at=ended)
    told = seen().today
    assert told is not None
    assert (told.arrivals, told.come, told.departures, told.left) == (2, 1, 3, 2)


def test_who_may_not_see_incidents_or_guests_sees_none() -> None:
    make.worker()
    opened(found("bridge_offline", Severity.CRITICAL, "north", area="North"))
    html = page(make.staff("nobody"))
    assert "North: Zigbee2MQTT" not in html
    assert "All is well" not in html
    assert "Arrivals today" not in html


def test_it_costs_the_same_queries_for_one_meter_as_for_many(django_assert_max_num_queries) -> None:
    make.worker()
    area, chief = served(), make.superuser()
    for _ in range(30):
        make.want(heard(area, relay=True), False)
    opened(found("redis_away", Severity.WARNING))
    with django_assert_max_num_queries(20):
        glance.glance(chief, timezone.now())
