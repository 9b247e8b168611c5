"""The guided exchange, finding a meter by its label, reporting, labels, and what should not be done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from meters import installations, requests
from meters.models import AreaState, BridgeRequest, Device, Installation, Meter, Snapshot, Want
from meters.technician import exchange, find, reminders, reporting
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
ENGLISH = {"accept-language": "en"}
OLD, NEW = "0xa4c138ff00000111", "0xa4c138ff00000222"


@pytest.fixture
def chief() -> Client:
    client = Client(headers=ENGLISH)
    client.force_login(make.superuser())
    return client


@pytest.fixture
def old() -> Meter:
    """A meter that has hung on 101 for a day and told its counter."""
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    meter = make.meter("101", area=make.area("North"), ieee=OLD)
    make.state(meter, counter_kwh=Decimal("858.3"), counter_at=NOW - timedelta(minutes=40), relay=True)
    make.reading(meter, NOW - timedelta(hours=25), counter_wh=858_300, epoch=1)
    make.installed(meter, make.pitch("101"), NOW - timedelta(days=1))
    return meter


@pytest.fixture
def new(old: Meter) -> Meter:
    meter = make.meter("spare", area=old.device.area, ieee=NEW)
    make.state(meter, counter_kwh=Decimal(0), counter_at=NOW, relay=True)
    return meter


def post(client: Client, old: str = OLD, new: str = NEW, **form: Any) -> str:
    """The page that is led to."""
    place = reverse("technician_exchange", query={"old": old, "new": new})
    answer = client.post(place, {"reason": "burnt"} | form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def page(client: Client, name: str = "technician_exchange", **query: Any) -> str:
    return client.get(reverse(name, query=query)).content.decode()


# --- the way there ---------------------------------------------------------------------------------------------------


def test_step_by_step_old_new_counters(chief, old, new):
    assert "Which one comes?" not in page(chief)
    chosen = page(chief, old=f"https://power.example.com/board/meters/{OLD}/")
    assert "It hangs on <b>101</b>" in chosen
    assert f"?old={OLD}&amp;new={NEW}" in chosen
    last = page(chief, old=OLD, new="000222")
    assert "Counters, and why" in last
    assert "told 858.30 kWh" in last


def test_an_old_meter_that_hangs_nowhere_is_not_exchanged(chief, old, new):
    assert "The meter hangs on no pitch." in page(chief, old=NEW)


def test_where_no_meter_is_free_it_says_what_to_do(chief, old):
    assert "Pair the new meter first; it appears here by itself." in page(chief, old=OLD)


def test_both_are_asked_for_their_counters_before_the_old_one_is_unscrewed(chief, old, new):
    answer = chief.post(reverse("technician_exchange_ask"), {"old": OLD, "new": NEW}, follow=True)
    assert set(Snapshot.objects.values_list("meter", flat=True)) == {old.pk, new.pk}
    assert answer.content.decode().count("is being asked") == 2


# --- the exchange ----------------------------------------------------------------------------------------------------


def test_the_new_one_takes_the_place_with_reason_and_both_counters(chief, old, new):
    html = post(chief, old_kwh="860,5", new_kwh="0.02")
    assert "spare has taken the place of 101 on pitch 101." in html
    ended, begun = Installation.objects.order_by("period")
    assert (ended.meter, ended.end_reason, ended.end_kwh) == (old, "burnt", Decimal("860.500"))
    assert (begun.meter, begun.pitch, begun.start_kwh) == (new, ended.pitch, Decimal("0.020"))
    assert ended.period.upper == begun.period.lower
    asked = Snapshot.objects.filter(at=begun.period.lower).values_list("meter", flat=True)
    assert set(asked) == {old.pk, new.pk}


def test_what_the_old_one_showed_and_never_told_is_told_to_reception(chief, old, new):
    html = post(chief, old_kwh="860.5")
    assert "101 showed 2.20 kWh more than it told." in html
    assert "tell reception" in html


def test_what_the_old_one_tells_on_another_pitch_is_not_of_this_exchange(chief, old, new):
    post(chief, old_kwh="860.5")
    (at,) = Snapshot.objects.filter(meter=old).values_list("at", flat=True)
    make.reading(old, at + timedelta(minutes=30), counter_wh=999_000, epoch=1)
    assert exchange.last_of(new).old_counter.untold_kwh == Decimal("2.2")
    make.reading(old, at + timedelta(seconds=3), counter_wh=860_490, epoch=1)  # its answer
    assert exchange.last_of(new).old_counter.untold_kwh is None


def test_the_new_one_inherits_the_name_once_the_old_one_is_gone(chief, old, new):
    Device.objects.filter(pk=new.device_id).update(friendly_name=NEW)
    html = post(chief)
    assert "The old one is called 101 still." in html
    assert '<input name="name" value="101"' in html
    Device.objects.filter(pk=old.device_id).update(removed_at=NOW)
    html = chief.get(reverse("technician_device", args=[NEW])).content.decode()
    assert "The old one was called 101: this one may be called so now." in html


def test_what_cannot_be_read_is_left_open(chief, old, new):
    assert "read as" not in post(chief)
    assert Installation.objects.get(meter=old).end_kwh is None


def test_without_a_reason_nothing_is_exchanged_and_what_was_typed_stays(chief, old, new):
    html = post(chief, reason=" ", old_kwh="860.5", at="2026-07-01T09:00")
    assert "Say why the meter is exchanged." in html
    assert 'name="old_kwh" value="860.5"' in html
    assert "<details open>" in html  # pressed again, it is not of now
    assert 'name="at" value="2026-07-01T09:00"' in html
    assert Installation.objects.count() == 1


@pytest.mark.parametrize("typed", ["-1", "abc", "1e99", "NaN", "99999999999"])
def test_a_counter_that_is_none_is_refused(chief, old, new, typed):
    post(chief, old_kwh=typed)
    assert Installation.objects.count() == 1


def test_of_two_technicians_the_second_is_told_that_the_new_one_hangs(chief, old, new):
    make.installed(new, make.pitch("102"))
    assert "It hangs on 102 by now: choose another one." in post(chief)
    with pytest.raises(exchange.NotFree):
        exchange.exchange(old, new, NOW, None, "burnt")


def test_pressed_twice_it_is_exchanged_once(chief, old, new):
    post(chief)
    post(chief)
    assert Installation.objects.count() == 2


def test_what_people_wanted_of_the_old_one_they_want_of_the_new_one(old, new):
    later = timezone.now() + timedelta(hours=1)
    make.want(old, False, "guest", until=later)
    make.want(old, True, "policy", until=later)
    make.want(old, True, "staff", reason="tent", until=timezone.now() - timedelta(hours=1))
    exchange.exchange(old, new, NOW, make.superuser("other"), "burnt")
    wanted = [(want.source, want.state) for want in Want.objects.filter(meter=new, ended_at=None)]
    assert wanted == [("guest", False)]
    assert list(Want.objects.filter(meter=old, ended_at=None).values_list("source", flat=True)) == ["policy"]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(-60 * 48, "The meter hangs on 101 only since"), (60, "That time has not come yet.")],
)
def test_a_time_that_cannot_be_is_refused(chief, old, new, minutes, said):
    at = timezone.localtime(NOW + timedelta(minutes=minutes))
    assert said in post(chief, at=f"{at:%Y-%m-%dT%H:%M}")
    assert Installation.objects.count() == 1


def test_an_exchange_of_an_hour_ago_is_told_with_its_time(chief, old, new):
    at = timezone.localtime(NOW - timedelta(hours=1)).replace(second=0)
    post(chief, at=f"{at:%Y-%m-%dT%H:%M}")
    assert Installation.objects.get(meter=new).period.lower == at


def test_a_new_meter_that_hung_elsewhere_then_is_refused(chief, old, new):
    make.installed(new, make.pitch("102"), NOW - timedelta(hours=3), NOW - timedelta(hours=1))
    at = timezone.localtime(NOW - timedelta(hours=2))
    assert "The meter hung somewhere else at that time." in post(chief, at=f"{at:%Y-%m-%dT%H:%M}")
    assert Installation.objects.filter(meter=old).get().period.upper is None


def test_a_removed_meter_can_still_be_exchanged(chief, old, new):
    Device.objects.filter(pk=old.device_id).update(removed_at=NOW)
    post(chief)
    assert Installation.objects.filter(meter=new).exists()


def test_a_meter_that_no_area_lists_is_nobodys_new_one(chief, old, new):
    Device.objects.filter(pk=new.device_id).update(removed_at=NOW)
    assert "No area lists this device any more." in post(chief)
    form = {"pitch": "101", "beside": "on"}
    answer = chief.post(reverse("technician_act", args=[NEW, "install"]), form, follow=True)
    assert "No area lists this device any more." in answer.content.decode()
    assert not Installation.objects.filter(meter=new).exists()


def test_the_log_tells_who_took_one_down_and_put_the_other_up(chief, old, new):
    post(chief, old_kwh="860.5")
    entries = LogEntry.objects.filter(content_type__model="installation").order_by("pk")
    told = [(entry.actor.username, entry.action, entry.changes.get("end_kwh")) for entry in entries]
    assert told == [
        ("chief", LogEntry.Action.UPDATE, ["None", "860.5"]),
        ("chief", LogEntry.Action.CREATE, None),
    ]


def test_the_free_are_offered_the_newest_first_in_as_many_queries_for_30_as_for_2(
    chief, old, new, django_assert_max_num_queries
):
    def asked() -> int:
        with django_assert_max_num_queries(20) as queries:
            page(chief, old=OLD)
        return len(queries)

    few = asked()
    for number in range(28):
        make.meter(f"newer {number}", area=make.area())
    assert asked() == few
    html = page(chief, old=OLD)
    assert html.index("newer 27") < html.index("spare")


def test_what_was_taken_down_just_now_is_offered_last_and_says_so(chief, old, new):
    """It is the newest of all, and for the next exchange hardly the one that comes."""
    used, broken = make.meter("used before", area=make.area()), make.meter("broken", area=make.area())
    make.installed(used, make.pitch("7"), NOW - timedelta(days=90), NOW - timedelta(days=60))
    make.installed(broken, make.pitch("8"), NOW - timedelta(days=2), NOW - timedelta(minutes=5))
    assert list(installations.free()) == [new, used, broken]
    html = page(chief, old=OLD)
    assert html.count("taken down ") == 2
    assert html.index("used before") < html.index("broken")


@pytest.mark.parametrize(("may", "code"), [(["view_meter", "add_bridgerequest"], 403), (["add_installation"], 403)])
def test_only_who_may_put_meters_up_may_exchange(old, new, may, code):
    client, person = Client(headers=ENGLISH), make.staff()
    person.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(person)
    assert client.get(reverse("technician_exchange")).status_code == code
    card = reverse("technician_device", args=[OLD])
    assert "/technician/exchange/" not in client.get(card).content.decode()


def test_a_meter_that_hangs_leads_from_the_admin_to_its_exchange(chief, old):
    html = chief.get(reverse("admin:meters_meter_change", args=[old.pk])).content.decode()
    assert f"/technician/exchange/?old={OLD}" in html


# --- finding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["101", " 101 ", OLD, OLD.upper().replace("0X", "0x"), f"http://x/board/meters/{OLD}/", "0111", "000111"]
)
def test_a_meter_is_found_by_label_name_pitch_and_the_end_of_its_address(chief, old, new, text):
    answer = chief.get(reverse("technician_find", query={"q": text}))
    assert answer.headers["Location"] == reverse("technician_device", args=[OLD])


def test_who_is_meant_by_several_is_asked(chief, old, new):
    make.meter("spare 2")
    assert [str(each) for each in find.find("spar")] == ["spare", "spare 2"]
    assert "spare 2" in page(chief, "technician_find", q="spar")


@pytest.mark.parametrize("text", ["", "   ", "nothing", "\0", "%", "0x", "x" * 5000, "<script>"])
def test_words_that_mean_nothing_find_nothing(chief, old, text):
    assert not find.find(text)
    assert "<script>x" not in page(chief, "technician_find", q=text)


# --- reporting -------------------------------------------------------------------------------------------------------


def reports(meter: Meter, least: int, most: int, change: int) -> None:
    told = {"minimum_report_interval": least, "maximum_report_interval": most, "reportable_change": change}
    entry = {"endpoint": 1, "cluster": "seMetering", "attribute": "currentSummDelivered"} | told
    Device.objects.filter(pk=meter.device_id).update(reportings=[entry])


def test_a_meter_is_asked_to_tell_its_counter_more_often(chief, old):
    chief.post(reverse("technician_act", args=[OLD, "report"]), {"preset": "billing"})
    asked = BridgeRequest.objects.get()
    assert asked.request == "device/reporting/configure"
    assert asked.payload == {
        "id": OLD,
        "endpoint": 1,
        "cluster": "seMetering",
        "attribute": "currentSummDelivered",
        "minimum_report_interval": 60,
        "maximum_report_interval": 900,
        "reportable_change": 10,
    }


def test_no_other_intervals_are_asked_for(chief, old):
    answer = chief.post(reverse("technician_act", args=[OLD, "report"]), {"preset": "each second"})
    assert (answer.status_code, BridgeRequest.objects.count()) == (404, 0)


def test_what_it_was_asked_and_what_it_does_are_told_apart(chief, old):
    reports(old, 60, 900, 10)
    for minutes in (30, 20, 10):
        make.reading(old, NOW - timedelta(minutes=minutes), counter_wh=858_000)
    seen = reporting.seen(old, timezone.now())
    assert (seen.times, seen.gap) == (3, timedelta(minutes=10))
    html = chief.get(reverse("technician_device", args=[OLD])).content.decode()
    assert "at the latest after 900 s" in html
    assert "its counter came 3 times" in html
    assert "Finer, for settling ✓" in html


def test_the_counter_is_counted_since_it_was_asked_not_since_something_else_was(chief, old):
    asked = {"id": OLD, "cluster": "seMetering", "attribute": "currentSummDelivered"}
    power = asked | {"cluster": "haElectricalMeasurement", "attribute": "activePower"}
    for payload, minutes in ((asked, 60), (power, 5)):
        made = requests.ask(old.device.area, "device/reporting/configure", payload)
        finished_at = NOW - timedelta(minutes=minutes)
        BridgeRequest.objects.filter(pk=made.pk).update(status="done", finished_at=finished_at)
    assert reporting.seen(old, timezone.now()).since == NOW - timedelta(minutes=60)


def test_a_three_phase_meter_is_not_asked_in_words_that_it_does_not_know(old):
    Device.objects.filter(pk=old.device_id).update(kind="three_phase")
    with pytest.raises(reporting.NotReporting):
        reporting.ask(Device.objects.get(pk=old.device_id), "billing", None)


# --- labels ----------------------------------------------------------------------------------------------------------


def test_a_label_leads_to_the_meters_page(chief, old, settings):
    settings.SITE_URL = "https://power.example.com"
    html = page(chief, "technician_labels", meter=OLD)
    assert "…000111" in html
    assert html.count('class="qr"') == 1


def test_an_areas_labels_are_on_one_sheet_and_hostile_names_are_only_text(chief, old, new):
    Device.objects.filter(pk=new.device_id).update(friendly_name="<script>x")
    make.meter("elsewhere", area=make.area("South"))
    html = page(chief, "technician_labels", area="north", size="a4-21", skip="3")
    assert html.count('class="qr"') == 2
    assert html.count("is-gone") == 3
    assert "<script>x" not in html


@pytest.mark.parametrize("query", [{"skip": "x"}, {"skip": "9" * 99}, {"size": "<b>"}, {"area": "\0"}, {"meter": "0x"}])
def test_labels_of_nothing_are_an_empty_sheet(chief, old, query):
    assert 'class="qr"' not in page(chief, "technician_labels", **query)


def test_the_labels_of_80_meters_take_as_many_queries_as_of_2(chief, old, new, django_assert_max_num_queries):
    def asked() -> int:
        with django_assert_max_num_queries(6) as queries:
            page(chief, "technician_labels", area="north")
        return len(queries)

    few = asked()
    for _ in range(80):
        make.meter(area=old.device.area)
    assert asked() == few


# --- what not to do --------------------------------------------------------------------------------------------------

DAY = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


def said_at(moment: datetime) -> list[str]:
    with translation.override("en"):
        return [str(text) for text in reminders.reminders(moment)]


def test_nothing_is_said_where_nothing_is_wrong(old):
    assert said_at(DAY) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"group_sizes": {"all": 40, "lamp": 2}}, "big Zigbee groups: all (40)"),
        ({"permit_join": True}, "open for new devices without an end"),
        ({"permit_join": True, "permit_join_until": DAY + timedelta(hours=1)}, "without an end"),
    ],
)
def test_what_should_not_be_done_is_said_where_it_is_done(chief, old, told, said):
    AreaState.objects.update(**told)
    (text,) = said_at(DAY)
    assert said in text


def test_firmware_that_is_replaced_by_day_is_said_and_by_night_is_not(old):
    Device.objects.update(updating_at=DAY)
    assert "The firmware of 101 is being replaced." in said_at(DAY)[0]
    night = DAY + timedelta(hours=13)
    Device.objects.update(updating_at=night)
    assert said_at(night) == []
