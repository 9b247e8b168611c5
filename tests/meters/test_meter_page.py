"""A meter's page: what it says now, how today and the last days are drawn."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from meters import charts, commands, history, partitions
from meters.models import Command, CounterEpoch, Meter, OnlineSpan, QuarantinedReading, Source, Want, Watch
from meters.online import Status
from tests import make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def client(client: Client) -> Client:
    client.force_login(make.staff())
    return client


def page(client: Client, meter: Meter) -> str:
    """The page's text in English, with single spaces."""
    answer = client.get(f"/board/meters/{meter.device.ieee_address}/", headers={"accept-language": "en"})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


# --- now -------------------------------------------------------------------------------------------------------------


def test_a_meter_that_was_never_heard_shows_no_numbers(client: Client) -> None:
    make.worker()
    text = page(client, make.meter("101,1", area=make.area()))
    assert "has never been heard" in text
    assert text.count("never reported") == 6
    assert '<span class="number">0' not in text


def test_an_offline_meter_greys_its_values_and_says_their_age(client: Client) -> None:
    make.worker()
    meter = make.meter(area=make.area(), available=False)
    then = timezone.now() - timedelta(hours=3)
    make.state(meter, heard_at=then, relay=True, relay_at=then, power_w=860, power_at=then)
    text = page(client, meter)
    assert "does not answer Zigbee2MQTT" in text
    assert text.count('<div class="old">') == 6
    assert "3 hours ago" in text.replace("\xa0", " ")


def test_a_meter_whose_values_stand_still_is_greyed_though_it_is_heard(client: Client) -> None:
    make.worker()
    meter = make.meter(area=make.area())
    then = timezone.now() - timedelta(days=8)
    make.state(meter, relay=True, relay_at=then, power_w=0, power_at=then, voltage_v=47, voltage_at=then)
    assert page(client, meter).count('<div class="old">') == 3  # power, voltage, current


def test_three_phases_are_told_one_by_one(client: Client) -> None:
    make.worker()
    meter = make.meter(area=make.area(), kind="three_phase", phases=["a", "b", "c"])
    now = timezone.now()
    volts = [Decimal("231.5"), Decimal(229), None]
    make.state(meter, power_w=300, power_at=now, phase_power_w=[100, 0, 200], phase_voltage_v=volts, phases_at=now)
    text = page(client, meter)
    assert "<b>L1</b> 100 W</span><span><b>L2</b> 0 W</span><span><b>L3</b> 200 W" in text
    assert "<b>L3</b> –" in text


def test_html_in_a_name_stays_text(client: Client) -> None:
    text = page(client, make.meter("<img src=x onerror=alert(1)>", area=make.area("<b>x</b>", slug="x")))
    assert "<img src=x" not in text
    assert "<b>x" not in text


def test_a_technician_gets_from_the_page_to_what_is_done_with_a_meter(client: Client) -> None:
    meter = make.meter(area=make.area())
    technician, choose = (
        f"/technician/devices/{meter.device.ieee_address}/",
        f"/admin/meters/installation/add/?meter={meter.pk}",
    )
    assert not any(way in page(client, meter) for way in (technician, choose))
    client.force_login(make.superuser())
    assert all(way in page(client, meter) for way in (technician, choose))
    make.installed(meter, make.pitch())
    assert f"/technician/exchange/?old={meter.device.ieee_address}" in page(client, meter)
    assert choose not in page(client, meter)


def test_a_meter_without_area_or_worker_has_a_page(client: Client) -> None:
    assert "the link to the broker is down" in page(client, make.meter(area=None))


@pytest.mark.parametrize("address", ["0x0", "%00", "0x%00"])
def test_who_asks_for_no_meter_is_told_so(client: Client, address: str) -> None:
    assert client.get(f"/board/meters/{address}/").status_code == 404


def test_falls_and_refused_values_are_told_in_plain_words(client: Client) -> None:
    make.worker()
    meter = make.meter(area=make.area())
    now = timezone.now()
    for number, (reason, first_wh) in enumerate([("first", 0), ("fall", 120), ("jump", 9_000_000)], 1):
        wh = {"first_wh": first_wh, "last_wh": first_wh}
        CounterEpoch.objects.create(meter=meter, number=number, reason=reason, first_at=now, last_at=now, **wh)
    QuarantinedReading.objects.create(meter=meter, measured_at=now, counter_wh=99_000_000, reason="jump")
    text = page(client, meter)
    assert "own counter fell and went on from 0.12 kWh" in text
    assert "own counter jumped to 9000.00 kWh" in text
    assert "the meter told 99000.00 kWh. This was not counted: rose more than the breaker can pass" in text


def test_the_page_takes_few_queries(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    make.worker()
    make.state(meter := make.meter(area=make.area()), power_w=5)
    now = timezone.now()
    partitions.ensure([now.date()])
    for minute in range(30):
        make.reading(meter, now - timedelta(minutes=minute), power_w=minute)
    with django_assert_num_queries(17):  # 2 for permissions, wants, commands
        client.get(f"/board/meters/{meter.device.ieee_address}/")


# --- what is wanted of it --------------------------------------------------------------------------------------------


def test_all_wants_are_listed_and_the_one_that_rules_is_marked(client: Client) -> None:
    make.worker()
    make.state(meter := make.meter(area=make.area()), relay=True)
    commands.want(meter, Source.POLICY, True, "check-in", until=timezone.now() + HOUR)
    commands.want(meter, Source.STAFF, False, "<b>leaking</b>", by=User.objects.get())
    text = page(client, meter)
    ruling = text.partition('<tr class="ruling">')[2].partition("</tr>")[0]
    assert "staff (reception)" in ruling
    assert "&lt;b&gt;leaking" in ruling
    assert "check-in" in text
    assert "should be off, is not" in text


def test_the_last_commands_tell_their_proofs_and_what_went_wrong(client: Client) -> None:
    make.worker()
    now = timezone.now()
    make.state(meter := make.meter(area=make.area()), relay=True)
    want = commands.want(meter, Source.STAFF, False)
    told = {"status": "failed", "attempts": 3, "sent_at": now, "acknowledged_at": now, "finished_at": now}
    Command.objects.update(**told, failure="not_moved", detail="ZCL <x>")
    Want.objects.filter(pk=want.pk).update(hold="failed")
    text = page(client, meter)
    assert "should be off, is not</span>" not in text
    assert "should be off, is not: the last command failed" in text
    assert "Failed after 3 attempts: the meter answered, but its relay did not move." in text
    assert "ZCL &lt;x&gt;" in text
    assert f"<span>acknowledged {timezone.localtime(now):%H:%M:%S}</span>" in text


def test_only_who_may_switch_sees_buttons(client: Client) -> None:
    make.worker()
    meter, measuring = make.meter(area=make.area()), make.meter(has_relay=False)
    assert "data-act=" not in page(client, meter).partition('id="order-dialog"')[0]
    client.force_login(make.superuser())
    assert 'data-act="on"' in page(client, meter)
    assert 'data-act="on"' not in page(client, measuring)
    assert "This meter has no relay" in page(client, measuring)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({}, "It waits for its turn"),
        ({"attempts": 1, "not_before": 1, "failure": "no_answer"}, "the meter did not answer. Attempt 2 of 3 at"),
        ({"status": "expired"}, "it was never sent, and never will be"),
        ({"status": "failed", "attempts": 1, "failure": "refused"}, "Failed after 1 attempt: Zigbee2MQTT refused it."),
    ],
)
def test_a_command_says_where_it_stands(client: Client, told: dict[str, Any], text: str) -> None:
    make.worker()
    make.state(meter := make.meter(area=make.area()), relay=False)
    commands.want(meter, Source.STAFF, True)
    if "not_before" in told:
        told = told | {"not_before": timezone.now()}
    Command.objects.update(**told)
    assert text in page(client, meter)


@pytest.mark.parametrize(
    ("available", "told", "moving"),
    [
        (True, {}, True),
        (False, {}, False),
        (False, {"status": "sent", "claimed_at": 1}, True),
        (True, {"attempts": 1, "failure": "no_answer", "not_before": 1}, False),
        (True, {"status": "expired"}, False),
    ],
)
def test_the_page_asks_often_only_while_a_command_is_under_way(
    client: Client, available: bool, told: dict[str, Any], moving: bool
) -> None:
    make.worker()
    make.state(meter := make.meter(area=make.area(), available=available), relay=False)
    commands.want(meter, Source.STAFF, True)
    times = {name: timezone.now() for name in ("claimed_at", "not_before") if name in told}
    Command.objects.update(**told | times)
    assert ("data-moving" in page(client, meter)) is moving


@pytest.mark.parametrize(
    ("hold", "relay", "text"),
    [
        ("observe", True, "Switch off, as wanted"),
        ("stopped", True, "Switch off, as wanted"),
        ("flips", True, "Switch off again"),
        ("load", False, "Switch off again"),
        ("never_cut", True, ""),
        ("offline", True, ""),
        ("observe", False, ""),  # somebody has switched it off meanwhile
    ],
)
def test_what_the_software_leaves_alone_is_offered_to_a_person(
    client: Client, hold: str, relay: bool, text: str
) -> None:
    client.force_login(make.superuser())
    make.worker()
    make.state(meter := make.meter(area=make.area()), relay=relay)
    commands.want(meter, Source.POLICY, False, until=timezone.now() + HOUR)
    Want.objects.update(hold=hold)
    seen = page(client, meter)
    assert ('data-act="again"' in seen) is bool(text)
    assert text in seen


# --- today -----------------------------------------------------------------------------------------------------------


def names(hours: list[history.Hour]) -> list[int]:
    return [hour.start.hour for hour in hours]


def test_an_ordinary_day_begins_at_the_campsites_midnight() -> None:
    meter = make.meter()
    make.hour(meter, datetime(2026, 6, 30, 22, tzinfo=UTC), 500)
    make.hour(meter, datetime(2026, 7, 1, 22, tzinfo=UTC), 700)
    day = history.hours(meter, date(2026, 7, 1), datetime(2026, 7, 2, tzinfo=UTC))
    assert len(day) == 24
    assert [hour.energy_wh for hour in day] == [500] + [None] * 23


def test_the_day_summer_time_begins_has_23_hours() -> None:
    day = history.hours(make.meter(), date(2026, 3, 29), datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert names(day) == [0, 1, *range(3, 24)]


def test_the_day_summer_time_ends_has_25_hours_and_tells_the_two_apart() -> None:
    meter = make.meter()
    make.hour(meter, datetime(2026, 10, 25, 0, tzinfo=UTC), 100)
    make.hour(meter, datetime(2026, 10, 25, 1, tzinfo=UTC), 200, estimated_wh=50)
    day = history.hours(meter, date(2026, 10, 25), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert names(day) == [0, 1, 2, 2, *range(3, 24)]
    assert [(hour.energy_wh, hour.start.tzname()) for hour in day if hour.is_repeated] == [(100, "CEST"), (200, "CET")]
    assert charts.bar_chart(day).width == 25 * charts.BAR_STEP


def test_bars_share_an_axis_and_mark_what_is_estimated() -> None:
    meter = make.meter()
    start = history.day_bounds(date(2026, 7, 1))[0]
    for index, (energy_wh, estimated_wh) in enumerate([(1800, 0), (900, 450), (0, 0), (1, 0)]):
        make.hour(meter, start + index * HOUR, energy_wh, estimated_wh)
    chart = charts.bar_chart(history.hours(meter, date(2026, 7, 1), start + 24 * HOUR))
    assert (chart.top_wh, chart.total_wh, chart.estimated_wh) == (2000, 2701, 450)
    assert [(bar.height, bar.estimated_height) for bar in chart.bars[:4]] == [(90, 0), (45, 22), (0, 0), (2, 0)]


def test_the_table_tells_what_the_bars_tell(client: Client) -> None:
    meter = make.meter(area=make.area())
    start = history.day_bounds(timezone.localdate())[0]
    make.hour(meter, start, 1234, estimated_wh=1000)
    text = page(client, meter)
    assert '<th scope="row">00:00–01:00</th><td>1.23</td><td>1.00</td>' in text
    assert 'fill="url(#hatch)"' in text


# --- online ----------------------------------------------------------------------------------------------------------

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def span(meter: Meter, since: float, until: float | None, ended_by: str = "") -> None:
    """Online from so many hours before noon to so many."""
    end = None if until is None else NOON - until * HOUR
    OnlineSpan.objects.create(meter=meter, since=NOON - since * HOUR, until=end, ended_by=ended_by)


def told(meter: Meter, hours: float = 24) -> list[tuple[Status, float]]:
    return [(s.status, s.duration / HOUR) for s in history.stretches(meter, NOON - hours * HOUR, NOON)]


def test_gaps_between_spans_are_offline_or_unknown_by_how_they_began() -> None:
    make.worker(heartbeat_at=NOON)
    meter = make.meter()
    span(meter, 30, 20, "silent")
    span(meter, 18, 10, "worker")
    span(meter, 9, None)
    assert told(meter) == [
        (Status.ONLINE, 4),
        (Status.OFFLINE, 2),
        (Status.ONLINE, 8),
        (Status.UNKNOWN, 1),
        (Status.ONLINE, 9),
    ]


def test_the_time_before_the_first_span_is_unknown() -> None:
    make.worker(heartbeat_at=NOON)
    span(meter := make.meter(), 2, None)
    assert told(meter) == [(Status.UNKNOWN, 22), (Status.ONLINE, 2)]


def test_a_gap_that_began_before_the_window_keeps_its_reason() -> None:
    make.worker(heartbeat_at=NOON)
    span(meter := make.meter(), 50, 30, "bridge")
    assert told(meter) == [(Status.OFFLINE, 24)]


def test_an_open_span_reaches_no_further_than_the_workers_last_sign_of_life() -> None:
    make.worker(heartbeat_at=NOON - 3 * HOUR)
    span(meter := make.meter(), 48, None)
    assert told(meter) == [(Status.ONLINE, 21), (Status.UNKNOWN, 3)]


def test_a_strip_is_cut_at_the_campsites_days_also_when_the_clock_changes() -> None:
    now = datetime(2026, 10, 27, 12, tzinfo=UTC)
    assert [(end - start) / HOUR for _, start, end in history.last_days(4, now)] == [24, 25, 24, 24]


def test_a_strip_counts_minutes() -> None:
    make.worker(heartbeat_at=NOON)
    span(meter := make.meter(), 30, 6, "silent")
    strip = charts.strip(history.stretches(meter, NOON - 24 * HOUR, NOON), NOON - 24 * HOUR, NOON)
    assert [(piece.x, piece.width) for piece in strip.pieces] == [(0, 1080), (1080, 360)]
    assert strip.width == 1440


def test_nobody_knows_that_a_meter_was_gone_while_nobody_listened() -> None:
    meter = make.meter()
    now = timezone.now()
    Watch.objects.all().delete()
    Watch.objects.create(since=now - timedelta(days=6), until=now - timedelta(days=3))
    Watch.objects.create(since=now - timedelta(hours=1), until=now)
    OnlineSpan.objects.create(
        meter=meter, since=now - timedelta(days=6), until=now - timedelta(days=5), ended_by="silent"
    )
    told = [
        (s.status.value, round(s.duration / timedelta(hours=1)))
        for s in history.stretches(meter, now - timedelta(days=6), now)
    ]
    assert told == [("online", 24), ("offline", 48), ("unknown", 71), ("offline", 1)]
