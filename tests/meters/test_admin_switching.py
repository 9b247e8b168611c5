"""The admin's side of switching: what staff are told first, what then happens, and what they see of it."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import commands
from meters.models import Area, AreaState, AutomaticStop, BridgeRequest, Command, Listing, Meter, Order, Pitch, Want
from tests import make

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def chief() -> Client:
    client = Client(headers=ENGLISH)
    client.force_login(make.superuser())
    return client


def page(client: Client, view: str, *args: object, **query: Any) -> str:
    answer = client.get(reverse(f"admin:{view}", args=args), query)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, table: str, action: str, *rows: Any) -> str:
    """Choose an action for these rows of a list; what the page that follows shows."""
    form = {"action": action, "_selected_action": [row.pk for row in rows]}
    answer = client.post(reverse(f"admin:meters_{table}_changelist"), form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def switch(client: Client, word: str, *meters: Meter, **form: Any) -> Any:
    """Confirm on the page that asked."""
    form = {"meter": [meter.pk for meter in meters], "confirmed": "yes"} | form
    return client.post(reverse("admin:meters_meter_switch", args=[word]), form)


def occupied(meter: Meter) -> Pitch:
    pitch = make.pitch(occupied_until=timezone.now() + timedelta(days=1))
    make.installed(meter, pitch)
    return pitch


# --- on and off ------------------------------------------------------------------------------------------------------


def test_what_would_happen_is_told_before_anything_does(chief):
    area = make.area(commands_per_s=1)
    meters = [make.switchable(f"m{number}", area=area, relay=True) for number in range(3)]
    silent, bare = make.meter("silent", area=area), make.meter("bare", area=area, has_relay=False)
    html = act(chief, "meter", "switch_off", *meters, silent, bare)
    assert "Switch off 5 meters" in html
    assert "4 meters will be switched off, which takes about 3 s." in html
    assert "1 is not online: it is switched when it is heard, if that is within 15 minutes." in html
    assert "This meter has no relay: it measures only." in html
    assert not Want.objects.exists()


def test_of_who_is_not_heard_the_page_that_asks_does_not_say_that_it_is_so_already(chief):
    area = make.area()
    meters = [make.switchable(name, area=area, relay=True) for name in ("heard", "silent")]
    meters[1].device.available = False
    meters[1].device.save()
    form = chief.get(reverse("admin:meters_meter_switch", args=["on"]), {"meter": [meter.pk for meter in meters]})
    told = {row.meter.device.friendly_name: "".join(row.labels) for row in form.context["rows"]}
    assert (">on<" in _bare(told["heard"]), ">on<" in _bare(told["silent"])) == (True, False)
    assert "not online" in told["silent"]


def _bare(html: str) -> str:
    return "".join(html.split())


def test_a_click_orders_it_and_leads_to_the_orders_page(chief):
    meters = [make.switchable() for _ in range(2)]
    until = timezone.localtime() + timedelta(days=1)
    form = {"reason": "Storm", "until_0": f"{until:%Y-%m-%d}", "until_1": f"{until:%H:%M:%S}"}
    answer = switch(chief, "on", *meters, **form)
    order = Order.objects.get()
    assert answer.headers["Location"] == reverse("admin:meters_order_change", args=[order.pk])
    assert (order.state, order.reason, order.by.username) == (True, "Storm", "chief")
    assert order.until == until.replace(microsecond=0)
    assert Command.objects.filter(order=order, automatic=False).count() == 2


def test_a_second_click_on_the_same_page_leads_to_the_same_order(chief):
    meter = make.switchable()
    first = switch(chief, "on", meter, key="k1")
    assert switch(chief, "on", meter, key="k1").headers["Location"] == first.headers["Location"]
    assert Order.objects.count() == 1


def test_cutting_an_occupied_pitch_asks_for_a_reason_beside_the_field(chief):
    meter = make.switchable(relay=True)
    occupied(meter)
    assert "occupied until" in page(chief, "meters_meter_switch", "off", meter=meter.pk)
    answer = switch(chief, "off", meter)
    assert answer.context["form"].errors == {
        "reason": ["Somebody may depend on this power: write why it is switched off."]
    }
    assert not Order.objects.exists()
    assert switch(chief, "off", meter, reason="Cable burnt").status_code == 302


def test_a_pitch_that_was_occupied_since_the_page_was_opened_is_not_cut_without_a_reason(chief):
    meter = make.switchable(relay=True)
    assert 'name="reason"' in page(chief, "meters_meter_switch", "off", meter=meter.pk)
    occupied(meter)
    assert switch(chief, "off", meter).status_code == 200
    assert not Order.objects.exists()


def test_an_end_in_the_past_is_refused_beside_the_field(chief):
    before = timezone.localtime() - timedelta(hours=1)
    form = {"until_0": f"{before:%Y-%m-%d}", "until_1": f"{before:%H:%M:%S}"}
    answer = switch(chief, "on", make.switchable(), **form)
    assert answer.context["form"].errors == {"until": ["The end must lie in the future."]}
    assert not Order.objects.exists()


def test_what_cannot_be_switched_is_not_offered(chief):
    bare = make.meter(has_relay=False)
    html = page(chief, "meters_meter_switch", "on", meter=bare.pk)
    assert "None of these meters can be switched." in html
    assert 'name="reason"' not in html
    assert switch(chief, "on", bare).status_code == 200
    assert not Order.objects.exists()


def test_a_page_for_no_meter_leads_back_to_the_list(chief):
    for meter in ("", "x", "99999", "9" * 40):
        answer = chief.get(reverse("admin:meters_meter_switch", args=["on"]), {"meter": meter})
        assert answer.headers["Location"] == reverse("admin:meters_meter_changelist")
    assert chief.get(reverse("admin:meters_meter_switch", args=["toggle"])).status_code == 404


def test_all_meters_of_an_area_are_switched_but_not_those_of_others(chief):
    here, there = make.acting(), make.acting()
    meter = make.switchable("here", area=here)
    make.meter("gone", area=here, removed_at=timezone.now())
    make.switchable("there", area=there)
    html = act(chief, "area", "switch_all_on", here)
    assert "Switch on here" in html
    assert f'name="meter" value="{meter.pk}"' in html
    assert html.count('name="meter"') == 1
    assert act(chief, "area", "switch_all_on", make.area()).count("There are no meters.") == 1


def test_the_page_asks_as_many_queries_for_50_meters_as_for_2(chief, django_assert_max_num_queries):
    area = make.area()

    def ask() -> int:
        with django_assert_max_num_queries(30) as asked:
            page(chief, "meters_meter_switch", "off", area=area.pk)
        return len(asked)

    def more(count: int) -> None:
        for _ in range(count):
            occupied(make.switchable(area=area))

    more(2)
    ask()  # fills caches
    few = ask()
    more(48)
    assert ask() == few <= 15


# --- let go ----------------------------------------------------------------------------------------------------------


def test_letting_go_tells_what_then_counts_and_ends_what_staff_want(chief):
    held, free, never = (make.switchable(name) for name in ("held", "free", "never"))
    until = timezone.now() + timedelta(minutes=5)
    commands.want(held, "policy", True, "booked", None, until)
    for meter in (held, free):
        commands.want(meter, "staff", False, "Storm")
    html = act(chief, "meter", "let_go", held, free, never)
    for text in ("on, by booking", "nothing is wanted, it stays as it is", "staff want nothing of it"):
        assert text in html
    assert Want.objects.filter(source="staff", ended_at=None).count() == 2
    form = {"meter": [held.pk, free.pk, never.pk], "confirmed": "yes", "reason": "over"}
    done = chief.post(reverse("admin:meters_meter_let_go"), form, follow=True).content.decode()
    assert "Staff want nothing of 2 meters any more." in done
    assert not Want.objects.filter(source="staff", ended_at=None).exists()
    assert commands.in_force([held.pk], timezone.now())[held.pk].source == "policy"


# --- a meter's page and the lists ------------------------------------------------------------------------------------


def test_a_meters_page_shows_what_is_wanted_what_was_done_and_the_ways_to_switch(chief):
    meter, now = make.switchable("m", relay=True), timezone.now()
    want = make.want(meter, False, reason="Storm", hold="failed")
    make.want(meter, True, "policy", until=now + timedelta(hours=1))
    make.command(want, status="failed", failure="not_moved", sent_at=now, acknowledged_at=now, finished_at=now)
    html = page(chief, "meters_meter_change", meter.pk)
    for text in (
        "should be off, is not",
        "the last command failed",
        "stands back",
        "the meter answered, but its relay did not move",
        f"{timezone.localtime(now):%H:%M:%S}",
    ):
        assert text in html
    for word in ("on", "off"):
        assert f'{reverse("admin:meters_meter_switch", args=[word])}?meter={meter.pk}"' in html
    assert f'{reverse("admin:meters_meter_let_go")}?meter={meter.pk}"' in html


def test_a_meter_without_a_relay_has_no_buttons_to_switch(chief):
    assert "Switch on…" not in page(chief, "meters_meter_change", make.meter(has_relay=False).pk)


def listed(client: Client, table: str, **query: Any) -> set[str]:
    answer = client.get(reverse(f"admin:meters_{table}_changelist"), query)
    return {str(row.meter) for row in answer.context["cl"].result_list}


def test_commands_are_found_by_meter_pitch_status_area_and_failure(chief):
    ours, other = make.switchable("ours"), make.switchable("other")
    make.installed(ours, make.pitch("207"))
    failed = {"status": "failed", "failure": "unreachable", "attempts": 3, "finished_at": timezone.now()}
    make.command(make.want(ours), **failed)
    make.command(make.want(other, False), automatic=True)
    assert listed(chief, "command") == {"ours", "other"}
    for query in (
        {"q": "207"},
        {"q": "ours"},
        {"q": ours.device.ieee_address},
        {"status__exact": "failed"},
        {"failure": "unreachable"},
        {"automatic__exact": "0"},
        {"state": "on"},
        {"meter__device__area__id__exact": ours.device.area_id},
    ):
        assert listed(chief, "command", **query) == {"ours"}, query
    assert "the meter could not be reached by radio · 3 attempts" in page(chief, "meters_command_changelist")


def test_open_wants_come_first_and_are_found_by_source_and_hold(chief):
    ended, held, other = (make.meter(name) for name in ("ended", "held", "other"))
    make.want(held, hold="offline")
    make.want(other, source="guest")
    make.want(ended, ended_at=timezone.now(), end="ended")
    html = page(chief, "meters_want_changelist")
    assert html.rindex(">ended<") > max(html.index(">held<"), html.index(">other<"))
    assert listed(chief, "want", ended="no") == {"held", "other"}
    assert listed(chief, "want", ended="yes") == {"ended"}
    assert listed(chief, "want", hold="offline") == {"held"}
    assert listed(chief, "want", source__exact="guest") == {"other"}


def test_selected_commands_are_cancelled_unless_they_are_under_way(chief):
    waiting = make.command(make.want(make.switchable()))
    sent = make.command(make.want(make.switchable()), sent_ago_s=1)
    assert "1 command was cancelled." in act(chief, "command", "cancel", waiting, sent)
    waiting.refresh_from_db()
    sent.refresh_from_db()
    assert (waiting.status, sent.status) == ("cancelled", "sent")
    assert "what was sent cannot be called back" in act(chief, "command", "cancel", sent)


# --- orders ----------------------------------------------------------------------------------------------------------


def test_an_orders_page_shows_its_progress_and_looks_again_while_something_is_to_come(chief):
    meters = [make.switchable(f"m{number}") for number in range(3)]
    order = commands.order(meters, True, "", None)
    Command.objects.filter(meter=meters[0]).update(status="confirmed", finished_at=timezone.now())
    url = reverse("admin:meters_order_change", args=[order.pk])
    answer = chief.get(url)
    assert [(count, str(words)) for count, words, _ in answer.context["counts"]] == [(1, "done"), (2, "waiting")]
    assert answer.headers["Refresh"].endswith(url)
    assert "Cancel the 2 that wait" in answer.content.decode()
    done = chief.post(reverse("admin:meters_order_cancel", args=[order.pk]), follow=True)
    assert "2 commands were cancelled." in done.content.decode()
    assert "Refresh" not in chief.get(url).headers


# --- areas: observing and acting -------------------------------------------------------------------------------------


def test_before_an_area_acts_the_page_lists_what_it_would_switch_at_once(chief):
    area, other = make.area("North"), make.area("South")
    make.want(make.switchable("here", area=area), False, "policy", hold="observe", reason="Booking over")
    make.want(make.switchable("there", area=other), False, "policy", hold="observe")
    html = act(chief, "area", "act", area)
    assert "1 meter would be switched at once:" in html
    assert "Booking over" in html
    assert "there" not in html
    assert Area.objects.filter(control="act").count() == 0


def test_an_area_is_let_act_and_stopped_again_by_a_click_that_is_noted(chief):
    area = make.area("North")
    for control in ("act", "observe"):
        answer = chief.post(reverse("admin:meters_area_control", args=[control]), {"area": area.pk})
        assert answer.headers["Location"] == reverse("admin:meters_area_change", args=[area.pk])
        area.refresh_from_db()
        assert area.control == control
    newest = LogEntry.objects.get_for_object(area).order_by("-pk").first()
    assert newest is not None
    assert (newest.actor.username, set(newest.changes)) == ("chief", {"control"})


def test_the_form_of_an_area_changes_the_pace_but_never_lets_it_act(chief):
    area = make.area("North")
    form = {"name": "North", "slug": "north", "base_topic": area.base_topic, "control": "act"}
    inline = {"state-TOTAL_FORMS": "0", "state-INITIAL_FORMS": "0"}
    pace = {"commands_per_s": "2", "most_unanswered": "4"}
    chief.post(reverse("admin:meters_area_change", args=[area.pk]), form | inline | pace)
    area.refresh_from_db()
    assert (area.commands_per_s, area.most_unanswered, area.control) == (2, 4, "observe")


def test_commands_that_lie_on_the_broker_are_warned_of(chief):
    area = make.area(reported={"retained_commands": ["101/set"]})
    assert "Commands lie on the broker" in page(chief, "meters_area_change", area.pk)
    AreaState.objects.update(retained_commands=[])
    assert "Commands lie on the broker" not in page(chief, "meters_area_change", area.pk)


# --- the stop --------------------------------------------------------------------------------------------------------


def test_everything_automatic_is_stopped_and_let_go_on(chief):
    stop, resume = (reverse(f"admin:meters_automaticstop_{word}") for word in ("stop", "resume"))
    html = chief.post(stop, {"reason": "Storm"}, follow=True).content.decode()
    assert "nothing is switched by itself" in html
    assert "Storm" in html
    assert "stopped already" in chief.post(stop, follow=True).content.decode()
    assert "The software switches by itself again." in chief.post(resume, follow=True).content.decode()
    assert "Nothing is stopped." in chief.post(resume, follow=True).content.decode()
    made = AutomaticStop.objects.get()
    assert (made.by.username, made.ended_by.username, made.reason) == ("chief", "chief", "Storm")


# --- requests to a Zigbee2MQTT ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "request_", "payload"),
    [
        ("health", "health_check", {}),
        ("restart", "restart", {}),
    ],
)
def test_an_area_is_asked_and_its_page_waits_for_the_answer(chief, word, request_, payload):
    area = make.area()
    answer = chief.post(reverse("admin:meters_area_ask", args=[area.pk, word]))
    asked = BridgeRequest.objects.get()
    url = reverse("admin:meters_bridgerequest_change", args=[asked.pk])
    assert answer.headers["Location"] == url
    assert (asked.area, asked.request, asked.payload, asked.by.username) == (area, request_, payload, "chief")
    assert chief.get(url).headers["Refresh"].endswith(url)
    BridgeRequest.objects.update(status="done", response={"healthy": True}, finished_at=timezone.now())
    shown = chief.get(url)
    assert "Refresh" not in shown.headers
    assert "&quot;healthy&quot;: true" in shown.content.decode()
    assert f'href="{reverse("area_page", args=[area.slug])}"' in shown.content.decode()


def test_a_restart_is_asked_about_first(chief):
    html = page(chief, "meters_area_ask", make.area("North").pk, "restart")
    assert "Zigbee2MQTT of North restarts." in html
    assert not BridgeRequest.objects.exists()


def rename(client: Client, meter: Meter, name: str) -> Any:
    return client.post(reverse("admin:meters_device_rename", args=[meter.device.pk]), {"name": name})


def test_a_device_is_renamed_by_its_address(chief):
    meter = make.meter("101", area=make.area())
    rename(chief, meter, "101,2")
    asked = BridgeRequest.objects.get()
    assert asked.request == "device/rename"
    assert asked.payload == {"from": meter.device.ieee_address, "to": "101,2"}


@pytest.mark.parametrize(
    "name", ["", " ", "bridge", "a/set", "a/get/b", "a/availability", "a+b", "a#", "/a", "a/", "a/1", "a\x01b", "101"]
)
def test_a_name_that_zigbee2mqtt_cannot_take_is_refused(chief, name):
    meter = make.meter("101", area=make.area())
    assert rename(chief, meter, name).context["form"].errors["name"]
    assert not BridgeRequest.objects.exists()


def test_a_name_that_another_device_of_the_area_has_is_refused(chief):
    area, now = make.area(), timezone.now()
    meter, other = make.meter("101", area=area), make.meter("102", area=area)
    Listing.objects.create(area=area, device=other.device, friendly_name="102", named_at=now)
    assert "Another device" in rename(chief, meter, "102").content.decode()


def test_a_device_is_configured_again_unless_no_area_lists_it(chief):
    meter, gone = make.meter(area=make.area()), make.meter(area=make.area(), removed_at=timezone.now())
    chief.post(reverse("admin:meters_device_configure", args=[meter.device.pk]))
    asked = BridgeRequest.objects.get()
    assert (asked.request, asked.payload) == ("device/configure", {"id": meter.device.ieee_address})
    assert chief.post(reverse("admin:meters_device_configure", args=[gone.device.pk])).status_code == 404
    assert "Configure again" not in page(chief, "meters_device_change", gone.device.pk)


# --- who did what ----------------------------------------------------------------------------------------------------


def test_the_history_of_a_meter_tells_who_wanted_what_instead_of_what_and_why(chief):
    meter, until = make.switchable(), timezone.now() + timedelta(hours=1)
    commands.want(meter, "policy", True, "booked", None, until)
    commands.want(meter, "staff", False, "Cable burnt", make.staff("Anna"))
    rows = chief.get(reverse("admin:meters_meter_history", args=[meter.pk])).context["rows"]
    newest, first = [(who, text(what)) for _, who, what in rows[:2]]
    assert newest == ("Anna", "wanted: on → off · wanted by: staff · reason: Cable burnt")
    assert first[0] == "the software"
    assert first[1].startswith("wanted: nothing → on · wanted by: booking · reason: booked · until: ")


def text(html: str) -> str:
    return html.replace('<span class="text-base-500">', "").replace("</span>", "")


def test_the_audit_log_tells_an_areas_change_in_words(chief):
    area = make.area("North")
    chief.post(reverse("admin:meters_area_control", args=["act"]), {"area": area.pk})
    html = page(chief, "auditlog_logentry_changelist")
    assert "Observe: show what would be switched, switch nothing by itself → Act: switch by itself" in html
    assert "area North" in html


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_cancelled_order_tells_how_many_were_cancelled_and_when(chief):
    commands.order([make.switchable(f"m{number}") for number in range(3)], True, "", None)
    order = Order.objects.get()
    commands.cancel(list(order.commands.values_list("pk", flat=True)[:2]), None)
    order.cancelled_at = timezone.now()
    order.save()
    html = page(chief, "meters_order_changelist")
    for text in ("0 of 3 done", "2 cancelled or overtaken", "1 to come"):
        assert text in html
    fields = chief.get(reverse("admin:meters_order_change", args=[order.pk])).context["adminform"].fieldsets[0][1]
    assert "cancelled_when" in fields["fields"]


def test_a_request_tells_its_content_in_words_and_nothing_twice(chief):
    values = {"area": make.area(), "created_at": timezone.now()}
    BridgeRequest.objects.create(request="permit_join", payload={"time": 60}, transaction="a", **values)
    names = {"to": "101,2", "from": "0x01"}
    BridgeRequest.objects.create(request="device/rename", payload=names, transaction="b", **values)
    html = page(chief, "meters_bridgerequest_changelist")
    assert "open for new devices for 60 s" in html
    assert "time: 60" not in html
    assert "from: 0x01, to: 101,2" in html


def test_danish_numbers_and_times_are_written_as_in_danish(chief):
    area = make.area("North")
    chief.defaults["HTTP_ACCEPT_LANGUAGE"] = "da"
    answer = chief.get(reverse("admin:meters_area_change", args=[area.pk]))
    assert 'value="4,0"' in answer.content.decode()
    made = make.command(make.want(make.switchable()), sent_ago_s=1)
    html = page(chief, "meters_command_changelist")
    assert f"{timezone.localtime(made.created_at):%d.%m.%Y %H.%M}" in html


def test_the_page_that_explains_switching_is_reached_from_the_menu_and_the_board(chief):
    link = f'href="{reverse("board-help")}"'
    for address in (reverse("admin:index"), reverse("board")):
        assert link in chief.get(address).content.decode()
    assert "From the click to the proof" in chief.get(reverse("board-help")).content.decode()
    assert Client().get(reverse("board-help")).status_code == 302
