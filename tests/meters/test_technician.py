"""The technician's pages: devices that join, are told apart, named and put up; who may, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import registry, requests
from meters.installations import InstallationError
from meters.models import AreaState, BridgeRequest, Device, Installation, Meter, MeterState, Want
from meters.technician import acts, door, exchange, stages
from meters.technician.errors import TechnicianError
from meters.technician.stages import Stage
from meters.zigbee2mqtt import Event
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now()
ENGLISH = {"accept-language": "en"}
MOST_QUERIES = 24


@pytest.fixture
def chief() -> Client:
    client = Client(headers=ENGLISH)
    client.force_login(make.superuser())
    return client


@pytest.fixture
def area(db: None) -> Any:
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    return make.area("North", in_service=True)


def newcomer(area: Any, ieee: str = "0xa4c138ff00000aaa", **values: Any) -> Meter:
    """A meter that has just joined: Zigbee2MQTT calls it by its address."""
    told = {"interview_state": "SUCCESSFUL", "supported": True, "joined_at": timezone.now()} | values
    return make.meter(ieee, area=area, ieee=ieee, **told)


def report(area: Any, **values: Any) -> None:
    """As if the area's Zigbee2MQTT had said so."""
    AreaState.objects.filter(area=area).update(**values)


def opened(area: Any, seconds: int = 200) -> None:
    report(area, permit_join=True, permit_join_until=timezone.now() + timedelta(seconds=seconds))


def at(area: Any) -> str:
    return reverse("technician_area", args=[area.slug])


def of(meter: Meter) -> str:
    return reverse("technician_device", args=[meter.device.ieee_address])


def act(client: Client, meter: Meter, verb: str, **form: Any) -> str:
    """The page that is led to."""
    answer = client.post(reverse("technician_act", args=[meter.device.ieee_address, verb]), form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


# --- the door --------------------------------------------------------------------------------------------------------


def test_an_area_is_opened_for_as_long_as_zigbee_allows(chief, area):
    chief.post(reverse("technician_open", args=[area.slug]))
    asked = BridgeRequest.objects.get()
    assert (asked.area, asked.request, asked.payload) == (area, "permit_join", {"time": 254})


def test_the_countdown_runs_to_what_zigbee2mqtt_reported_not_to_what_we_wished(chief, area):
    chief.post(reverse("technician_open", args=[area.slug]))
    assert "data-until" not in page(chief, at(area))
    assert "It is asked to open" in page(chief, at(area))
    opened(area, 100)
    until = AreaState.objects.get(area=area).permit_join_until
    assert until
    assert f'data-until="{int(until.timestamp())}000"' in page(chief, at(area))


def test_an_area_whose_time_is_over_is_shown_closed_before_its_zigbee2mqtt_says_so(area):
    opened(area, -1)
    assert door.doors(timezone.now())[0].is_open is False


def test_pressed_twice_it_is_asked_once(chief, area):
    for _ in range(2):
        chief.post(reverse("technician_open", args=[area.slug]))
    assert BridgeRequest.objects.count() == 1


@pytest.mark.parametrize("is_reported", [True, False])
def test_two_areas_are_not_open_at_once_without_saying_so(chief, area, is_reported):
    other = make.area("South")
    if is_reported:
        opened(other)
    else:
        door.open_area(other, None)
    answer = chief.post(reverse("technician_open", args=[area.slug]), follow=True)
    assert "South is open for new devices too" in answer.content.decode()
    assert not BridgeRequest.objects.filter(area=area).exists()
    chief.post(reverse("technician_open", args=[area.slug]), {"beside": "yes"})
    assert BridgeRequest.objects.filter(area=area).exists()


def test_an_area_whose_zigbee2mqtt_is_not_running_is_not_asked_and_it_says_what_to_do(chief, area):
    report(area, bridge="offline")
    answer = chief.post(reverse("technician_open", args=[area.slug]), follow=True)
    assert "Look whether its antenna has power and network" in answer.content.decode()
    assert not BridgeRequest.objects.exists()


def test_an_area_is_closed_again(chief, area):
    opened(area)
    chief.post(reverse("technician_close", args=[area.slug]))
    assert BridgeRequest.objects.get().payload == {"time": 0}


def test_who_closes_another_area_first_stays_where_he_wants_to_let_one_in(chief, area):
    other = make.area("South")
    opened(other)
    assert f'name="back" value="{area.slug}"' in page(chief, at(area))
    answer = chief.post(reverse("technician_close", args=[other.slug]), {"back": area.slug})
    assert (answer["Location"], BridgeRequest.objects.get().area) == (at(area), other)


def test_an_area_that_only_observes_says_that_what_is_pressed_is_done(chief, area):
    assert "This area only observes" in page(chief, at(area))


# --- who has come ----------------------------------------------------------------------------------------------------


def test_who_joined_appears_with_what_it_waits_for(chief, area):
    newcomer(area)
    html = page(chief, at(area))
    assert "…000aaa" in html
    assert "needs a name" in html


@pytest.mark.parametrize(
    ("told", "stage"),
    [
        ({"interview_state": "IN_PROGRESS"}, Stage.INTERVIEWING),
        ({"interview_state": "FAILED"}, Stage.FAILED),
        ({"supported": False}, Stage.UNSUPPORTED),
        ({"left_at": NOW}, Stage.LEFT),
        ({"removed_at": NOW}, Stage.LEFT),
        ({}, Stage.UNNAMED),
        ({"friendly_name": "101"}, Stage.FREE),
    ],
)
def test_each_device_says_how_far_it_has_come(area, told, stage):
    device = newcomer(area).device
    Device.objects.filter(pk=device.pk).update(**told)
    assert stages.of(device, timezone.now()).stage is stage


def test_an_interview_that_does_not_end_is_slow(area):
    joined_at = timezone.now() - timedelta(minutes=3)
    meter = newcomer(area, interview_state="IN_PROGRESS", joined_at=joined_at)
    assert stages.of(meter.device, timezone.now()).is_slow


def test_who_hangs_is_done_once_it_was_heard_there(area):
    meter = newcomer(area)
    Device.objects.filter(pk=meter.device_id).update(friendly_name="101")
    make.state(meter, heard_at=timezone.now() - timedelta(hours=1))
    make.installed(meter, make.pitch("101"), timezone.now() - timedelta(minutes=1))
    assert stages.of(meter.device, timezone.now()).stage is Stage.UNHEARD
    meter.state.heard_at = timezone.now()
    meter.state.save()
    assert stages.of(meter.device, timezone.now()).stage is Stage.DONE


def test_one_that_fell_silent_on_its_pitch_is_not_said_to_be_heard_and_each_value_has_its_age(chief, area):
    meter = newcomer(area)
    Device.objects.filter(pk=meter.device_id).update(friendly_name="101")
    make.installed(meter, make.pitch("101"), NOW - timedelta(days=9))
    day = timedelta(days=1)
    make.state(meter, heard_at=NOW - 2 * day, relay=True, power_w=38, power_at=NOW - 3 * day)
    html = page(chief, of(meter))
    assert "Hangs, and is not heard just now: 101</strong> Has not been heard for longer than usual." in html
    assert "Nothing is left to do." not in html
    assert "It told 38 W 3 days ago: it is not cut to find it." in html
    assert "38 W <small>3 days ago</small>" in html
    assert "Times are approximate." not in html
    AreaState.objects.update(configuration={"advanced": {"last_seen": "disable"}})
    MeterState.objects.update(heard_at=timezone.now())
    assert "Times are approximate." in page(chief, of(meter))
    assert "Hangs, and is heard: 101</strong> Nothing is left to do." in page(chief, of(meter))


def test_a_device_that_joins_again_is_new_again(area):
    device = newcomer(area, joined_at=None).device
    Device.objects.filter(pk=device.pk).update(first_seen_at=timezone.now() - timedelta(days=90))
    assert stages.arrivals(area.pk, timezone.now())[0] == []
    registry.apply_event(area.pk, Event("device_joined", device.ieee_address, device.ieee_address, ""), timezone.now())
    assert [each.device for each in stages.arrivals(area.pk, timezone.now())[0]] == [device]


def test_who_has_hung_nowhere_for_long_is_listed_apart(chief, area):
    long_ago = timezone.now() - timedelta(days=90)
    meter = newcomer(area, joined_at=None)
    Device.objects.filter(pk=meter.device_id).update(first_seen_at=long_ago, friendly_name="spare")
    assert "1 older device hangs nowhere" in page(chief, at(area))
    assert "Nobody is on its way." in page(chief, at(area))


def test_on_the_day_when_an_area_is_set_up_who_waits_is_not_hidden_by_who_came_after(chief, area):
    waits = newcomer(area, joined_at=NOW - timedelta(hours=2))
    pitch = make.pitch("101")
    for number in range(60):
        meter = make.meter(f"m{number}", area=area, joined_at=NOW, interview_state="SUCCESSFUL")
        make.installed(meter, pitch, NOW - timedelta(minutes=1))
        make.state(meter)
    html = page(chief, at(area))
    assert "60 that joined within a day hang and are heard" in html
    assert of(waits) in html


# --- which one is it -------------------------------------------------------------------------------------------------


def test_a_meter_that_hangs_nowhere_clicks_and_is_let_go_by_itself(chief, area):
    meter = newcomer(area)
    make.state(meter, relay=True)
    act(chief, meter, "identify")
    want = Want.objects.get()
    assert (want.state, want.source) == (False, "staff")
    assert want.until
    assert want.until - timezone.now() < acts.IDENTIFYING


def test_it_clicks_again_while_the_first_click_is_still_wanted(chief, area):
    meter = newcomer(area)
    state = make.state(meter, relay=True)
    act(chief, meter, "identify")
    state.relay = False
    state.save()
    act(chief, meter, "identify")
    assert Want.objects.get(ended_at=None).state is True


def test_where_it_is_not_known_how_the_relay_stands_nobody_is_told_to_listen(chief, area):
    meter = newcomer(area)
    assert "Where its relay stands has not been told yet." in act(chief, meter, "identify")
    assert not Want.objects.exists()


def test_nobody_is_told_to_listen_for_a_meter_that_is_not_heard(chief, area):
    meter = newcomer(area)
    make.state(meter, relay=True, heard_at=NOW - timedelta(days=1))
    assert "It is not heard just now: what you press waits for it, until" in page(chief, of(meter))
    assert "The order waits for it." in act(chief, meter, "identify")
    assert Want.objects.filter(ended_at=None).exists()


def test_a_meter_that_no_area_lists_any_more_is_not_let_click(chief, area):
    meter = newcomer(area, removed_at=NOW)
    make.state(meter, relay=True)
    assert "No area lists this device any more." in act(chief, meter, "identify")
    assert not Want.objects.exists()


def occupied(meter: Meter) -> None:
    make.installed(meter, make.pitch("101", occupied_until=timezone.now() + timedelta(days=1)))


def never_cut(meter: Meter) -> None:
    make.installed(meter, make.pitch("101", policy="never_cut"))


def drawn_from(meter: Meter) -> None:
    meter.state.power_w = 300
    meter.state.save()


def wanted(meter: Meter) -> None:
    """A guest's chosen outlet hangs on no pitch of his."""
    make.want(meter, True, "guest", until=timezone.now() + timedelta(hours=1))


@pytest.mark.parametrize("case", [occupied, never_cut, drawn_from, wanted])
def test_nobody_is_cut_to_find_a_meter(chief, area, case):
    meter = newcomer(area)
    make.state(meter, relay=True)
    case(meter)
    before = Want.objects.count()
    html = act(chief, meter, "identify")
    assert "left as it is" in html or "not cut to find it" in html
    assert Want.objects.count() == before


# --- name and pitch --------------------------------------------------------------------------------------------------


def test_a_name_is_asked_of_zigbee2mqtt_by_the_address(chief, area):
    meter = newcomer(area)
    html = act(chief, meter, "name", name=" 101,2 ")
    asked = BridgeRequest.objects.get()
    assert (asked.request, asked.payload) == ("device/rename", {"from": meter.device.ieee_address, "to": "101,2"})
    assert "Waits until the worker has the broker" in html


@pytest.mark.parametrize(
    "name",
    [
        *("101/set", "bridge 5", "a/availability", "a+b", "x#", "/101", "101/2", "a\x01b", ""),
        *("Coordinator", "0xa4c138ff00000bbb", "101\u202e2"),
    ],
)
def test_a_name_that_zigbee2mqtt_cannot_work_with_is_refused(chief, area, name):
    act(chief, newcomer(area), "name", name=name)
    assert not BridgeRequest.objects.exists()


def test_a_name_that_another_device_of_the_area_has_is_refused(chief, area):
    registry.apply_inventory(area.pk, [], NOW)
    other = make.meter("101", area=area)
    area.listings.create(device=other.device, friendly_name="101", named_at=NOW)
    assert "Another device of this area has this name." in act(chief, newcomer(area), "name", name="101")


def test_the_pitch_that_the_name_speaks_of_is_offered(chief, area):
    make.pitch("101")
    meter = newcomer(area)
    Device.objects.filter(pk=meter.device_id).update(friendly_name="101,2")
    assert '<input name="pitch" value="101"' in page(chief, of(meter))


def test_a_meter_is_put_up_with_the_counter_that_was_read(chief, area):
    pitch, meter = make.pitch("101"), newcomer(area)
    act(chief, meter, "install", pitch="101", read_kwh="12,5")
    made = Installation.objects.get()
    assert (made.meter, made.pitch, str(made.start_kwh)) == (meter, pitch, "12.500")


def test_pressed_twice_it_hangs_once(chief, area):
    make.pitch("101")
    meter = newcomer(area)
    for _ in range(2):
        act(chief, meter, "install", pitch="101")
    assert Installation.objects.count() == 1


def test_what_was_wanted_to_hear_it_click_ends_when_it_is_put_up(chief, area):
    make.pitch("101")
    meter = newcomer(area)
    make.state(meter, relay=True)
    act(chief, meter, "identify")
    act(chief, meter, "install", pitch="101")
    assert not Want.objects.filter(ended_at=None).exists()


def test_a_meter_that_somebody_else_hung_elsewhere_meanwhile_is_not_moved(chief, area):
    make.pitch("101")
    meter = newcomer(area)
    make.installed(meter, make.pitch("102"))
    assert "It hangs on 102 by now" in act(chief, meter, "install", pitch="101")
    assert Installation.objects.count() == 1


def test_where_another_meter_hangs_one_says_beside_it_or_in_its_place(chief, area):
    there = make.meter("101", area=area)
    make.installed(there, make.pitch("101"))
    meter = newcomer(area)
    html = act(chief, meter, "install", pitch="101")
    assert "On pitch 101 hangs 101 already." in html
    assert f"?old={there.device.ieee_address}&amp;new={meter.device.ieee_address}" in html
    assert Installation.objects.count() == 1
    act(chief, meter, "install", pitch="101", beside="yes")
    assert Installation.objects.count() == 2


def test_a_pitch_that_is_none_is_refused(chief, area):
    assert "There is no pitch of this number." in act(chief, newcomer(area), "install", pitch="9999")


def test_a_meter_is_taken_down_with_a_reason_and_its_counter(chief, area):
    meter = newcomer(area)
    make.installed(meter, make.pitch("101"))
    act(chief, meter, "take-down", reason="", read_kwh="")
    assert Installation.objects.get().period.upper is None
    act(chief, meter, "take-down", reason="burnt", read_kwh="99.25")
    ended = Installation.objects.get()
    assert (ended.end_reason, str(ended.end_kwh)) == ("burnt", "99.250")
    assert ended.period.upper is not None


# --- interview, removal ----------------------------------------------------------------------------------------------


def test_an_interview_that_failed_is_asked_for_again_once(chief, area):
    meter = newcomer(area, interview_state="FAILED")
    for _ in range(2):
        act(chief, meter, "interview")
    asked = BridgeRequest.objects.get()
    assert (asked.request, asked.payload) == ("device/interview", {"id": meter.device.ieee_address})


def test_a_meter_that_hangs_is_not_removed(chief, area):
    meter = newcomer(area)
    make.installed(meter, make.pitch("101"))
    assert "It hangs on 101: take it down first." in act(chief, meter, "remove")
    assert not BridgeRequest.objects.exists()


def removed(name: str, **values: Any) -> BridgeRequest:
    """A device that we had removed just now."""
    area = make.area("North", base_topic="z2m")
    device = make.meter(name, area=area, removed_at=timezone.now()).device
    told = {"status": "done", "finished_at": timezone.now()} | values
    requests.ask(area, "device/remove", {"id": device.ieee_address, "force": False})
    BridgeRequest.objects.update(**told)
    return BridgeRequest.objects.get()


def test_the_last_word_on_a_removed_device_is_to_be_taken_off_the_broker():
    asked = removed("101,2")
    assert requests.leftovers(timezone.now()) == [(asked.pk, "z2m/101,2/availability")]


@pytest.mark.parametrize("values", [{"status": "refused"}, {"finished_at": NOW - timedelta(hours=1)}])
def test_of_who_was_not_removed_or_long_ago_nothing_is_taken_off(values):
    removed("101,2", **values)
    assert requests.leftovers(timezone.now()) == []


def test_the_word_on_another_device_of_that_name_is_left():
    asked = removed("101,2")
    asked.area.listings.create(device=make.meter("101,2").device, friendly_name="101,2", named_at=NOW)
    assert requests.leftovers(timezone.now()) == []


def test_a_device_that_left_in_the_middle_says_how_to_go_on(chief, area):
    meter = newcomer(area, removed_at=NOW)
    html = act(chief, meter, "name", name="101")
    assert "Let it join again" in html
    assert "Hold its button until its lamp flashes" in html


def test_who_does_not_answer_can_be_forgotten_by_force(chief, area):
    meter = newcomer(area)
    act(chief, meter, "remove")
    BridgeRequest.objects.update(status="refused", error="Failed to remove device", finished_at=timezone.now())
    assert "Failed to remove device" in page(chief, of(meter))
    assert "Forget it all the same" in page(chief, of(meter))
    act(chief, meter, "remove", force="yes")
    assert BridgeRequest.objects.first().payload == {"id": meter.device.ieee_address, "force": True}


def test_a_request_that_nobody_answered_says_what_to_do(chief, area):
    meter = newcomer(area)
    act(chief, meter, "name", name="101")
    BridgeRequest.objects.update(status="timed_out", finished_at=timezone.now())
    assert "Nobody answered. Look at the board" in page(chief, of(meter))


def test_what_was_asked_before_it_joined_this_time_is_told_no_more(chief, area):
    meter = newcomer(area, joined_at=timezone.now() - timedelta(hours=2))
    act(chief, meter, "remove")
    BridgeRequest.objects.update(status="done", finished_at=timezone.now() - timedelta(minutes=5))
    assert "Removal" in page(chief, of(meter))
    Device.objects.update(joined_at=timezone.now())
    assert "Removal" not in page(chief, of(meter))


# --- two at once -----------------------------------------------------------------------------------------------------


def both(first: Callable[[], Any], second: Callable[[], Any]) -> list[str]:
    """What became of two acts at the same moment: the name of what was raised, "" where it was done."""

    def done(do: Callable[[], Any]) -> str:
        try:
            do()
        except (TechnicianError, InstallationError) as error:
            return type(error).__name__
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(done, (first, second)))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_open_two_areas_at_once_one_is_told():
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    areas = make.area("North"), make.area("South")
    assert both(lambda: door.open_area(areas[0], None), lambda: door.open_area(areas[1], None)) == ["", "OtherOpen"]
    assert BridgeRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_put_one_meter_up_at_once_one_is_told():
    meter, pitches = make.meter(area=make.area()), (make.pitch(), make.pitch())
    found = both(lambda: acts.install(meter, pitches[0], None), lambda: acts.install(meter, pitches[1], None))
    assert found == ["", "StillInstalled"]
    assert Installation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_put_two_meters_up_on_one_pitch_at_once_one_is_asked():
    meters, pitch = [make.meter(area=make.area()) for _ in range(2)], make.pitch()
    found = both(lambda: acts.install(meters[0], pitch, None), lambda: acts.install(meters[1], pitch, None))
    assert found == ["", "Occupied"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_exchange_a_meter_at_once_one_is_told():
    old, new, other = (make.meter(area=make.area()) for _ in range(3))
    make.installed(old, make.pitch())
    now = timezone.now()
    found = both(
        lambda: exchange.exchange(old, new, now, None, "burnt"),
        lambda: exchange.exchange(old, other, now, None, "burnt"),
    )
    assert found == ["", "NotInstalled"]
    assert Installation.objects.filter(period__upper_inf=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_same_asked_twice_at_once_is_asked_once():
    device = make.meter("a", area=make.area()).device
    assert both(lambda: acts.rename(device, "b", None), lambda: acts.rename(device, "b", None)) == ["", ""]
    assert BridgeRequest.objects.count() == 1


# --- hostile words, who may, how many queries ------------------------------------------------------------------------


def test_names_from_the_radio_are_only_text(chief, area):
    meter = newcomer(area)
    Device.objects.filter(pk=meter.device_id).update(friendly_name="<script>x</script>", model="<b>", vendor="'\"")
    assert "<script>x" not in page(chief, of(meter)) + page(chief, at(area))


def staff_with(*may: str) -> Client:
    client, person = Client(headers=ENGLISH), make.staff()
    person.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(person)
    return client


def test_reception_sees_nothing_of_it(area):
    client = staff_with("view_meter", "switch_meter")
    assert client.get(reverse("technician")).status_code == 403
    assert client.get(at(area)).status_code == 403


@pytest.mark.parametrize("verb", ["identify", "install", "take-down"])
def test_each_act_needs_its_own_permission_besides(area, verb):
    client, meter = staff_with("view_meter", "add_bridgerequest"), newcomer(area)
    assert client.get(of(meter)).status_code == 200
    assert client.post(reverse("technician_act", args=[meter.device.ieee_address, verb])).status_code == 403


def test_the_pages_ask_as_many_queries_for_40_newcomers_as_for_2(chief, area, django_assert_max_num_queries):
    def join(first: int, last: int) -> None:
        for number in range(first, last):
            make.state(newcomer(area, f"0xa4c138ff000000{number:02x}"), relay=True)

    def asked(address: str) -> int:
        with django_assert_max_num_queries(MOST_QUERIES) as queries:
            chief.get(address)
        return len(queries)

    join(0, 2)
    hung, free = Meter.objects.order_by("pk")
    make.installed(hung, make.pitch())
    addresses = [reverse("technician"), at(area), of(hung), of(free)]
    for address in addresses:
        chief.get(address)  # fills caches
    few = [asked(address) for address in addresses]
    join(2, 42)
    assert [asked(address) for address in addresses] == few
