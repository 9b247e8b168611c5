"""Switching on the live board and on a meter's page, in a real browser: what people see, click and are told."""

import json
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from meters import commands, wishes, words
from meters.models import Area, AutomaticStop, Command, Meter, Order, Source, Want
from tests import make
from tests.meters import test_board_browser as boards
from tests.meters.test_board_browser import metering, open_board, send_tick, tile

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOUR = timedelta(hours=1)
area, browser, page, server = boards.area, boards.browser, boards.page, boards.server  # fixtures


@pytest.fixture
def person(transactional_db: None) -> User:
    return make.superuser()


def wanted(meter: Meter, state: bool, hold: str = "", source: str = Source.POLICY) -> Want:
    want = commands.want(meter, source, state, "check-out", until=timezone.now() + HOUR)
    Want.objects.filter(pk=want.pk).update(hold=hold)
    return want


def open_panel(page: Page, meter: Meter) -> Any:
    tile(page, meter).click()
    panel = page.locator("#meter-dialog")
    expect(panel).to_be_visible()
    return panel


# --- what is seen ----------------------------------------------------------------------------------------------------


def test_a_tile_shows_the_relay_as_fact_and_the_wanted_state_beside_it(page: Page, area: Area) -> None:
    on, off, right = metering("1", area), metering("2", area, relay=False, power_w=0), metering("3", area)
    loaded = metering("4", area, relay=False, power_w=0)
    for meter, state, hold in ((on, False, "observe"), (off, True, "unasked_off"), (right, True, "")):
        wanted(meter, state, hold)
    wanted(loaded, False, "load")
    open_board(page)
    seen = [(tile(page, m).get_attribute("data-state"), tile(page, m).get_attribute("data-wish")) for m in (on, off)]
    assert seen == [("load", "should_off"), ("off", "should_on")]
    assert tile(page, right).get_attribute("data-wish") is None
    assert tile(page, loaded).get_attribute("data-wish") == "should_off"
    chip = page.locator("#filter-state button[data-state=otherwise]")
    expect(chip.locator("b")).to_have_text("3")
    chip.click()
    expect(page.locator(".tile:visible")).to_have_count(3)


def test_a_command_that_waits_for_an_offline_meter_is_not_being_switched(page: Page, area: Area) -> None:
    here, away = metering("1", area), metering("2", area)
    away.device.available = False
    away.device.save()
    commands.order([here, away], False, reason="x")
    open_board(page)
    expect(tile(page, here)).to_have_attribute("data-wish", "switching")
    expect(tile(page, away)).to_have_attribute("data-wish", "should_off")


def test_an_offline_meter_is_not_said_to_be_switched_at_once(page: Page, area: Area) -> None:
    away = metering("1", area)
    away.device.available = False
    away.device.save()
    open_board(page)
    open_panel(page, away).locator("[data-act=off]").click()
    expect(page.locator("#order-dialog .plan li")).to_have_count(1)
    expect(page.locator("#order-dialog .plan")).to_contain_text("switched when it is heard")
    expect(page.locator("#order-dialog .confirm")).to_be_enabled()


def test_an_area_that_observes_says_what_it_would_do(page: Page, area: Area) -> None:
    meters = [metering(str(number), area) for number in range(3)]
    for meter in meters[:2]:
        wanted(meter, False, "observe")
    acting = make.area("Acting", in_service=True, control="act")
    wanted(metering("9", acting), False, "stopped")
    open_board(page)
    marks = page.locator("[data-area=north] .marks summary")
    expect(marks.first).to_contain_text("2")
    marks.first.click()
    expect(page.locator("[data-area=north] .marks .names")).to_have_text("0 · 1")
    expect(page.locator("[data-area=acting] .marks .names")).to_have_count(0)


def test_retained_commands_on_the_broker_are_warned_about(page: Page, area: Area) -> None:
    area.state.retained_commands = ["z2m_north/101/set"]
    area.state.save()
    open_board(page)
    page.locator("[data-area=north] .marks details", has_text="broker").locator("summary").click()
    expect(page.locator("[data-area=north] .marks .names", has_text="z2m_north/101/set")).to_be_visible()


def test_who_may_not_switch_sees_no_buttons_but_all_facts(page: Page, area: Area, person: User) -> None:
    User.objects.update(is_superuser=False, is_staff=True)
    meter = metering("1", area)
    wanted(meter, False, "observe")
    open_board(page)
    expect(page.locator("#select")).to_be_hidden()
    expect(page.locator("#stop")).to_be_hidden()
    panel = open_panel(page, meter)
    expect(panel.locator(".buttons")).to_be_hidden()
    expect(panel.locator(".want")).to_contain_text("check-out")


# --- switching -------------------------------------------------------------------------------------------------------


def test_one_meter_is_switched_and_its_proof_is_followed(page: Page, area: Area, person: User) -> None:
    meter = metering("101,1", area, relay=False, power_w=0)
    open_board(page)
    panel = open_panel(page, meter)
    panel.locator("[data-act=on]").click()
    confirm = page.locator("#order-dialog .confirm")
    expect(confirm).to_be_enabled()
    confirm.click()
    expect(page.locator("#order-dialog")).to_be_hidden()
    want = Want.objects.get()
    assert (want.source, want.state, want.by, want.until) == (Source.STAFF, True, person, None)
    expect(panel.locator(".wish-line")).to_have_attribute("data-wish", "switching")
    now = timezone.now()
    sent = {"status": "acknowledged", "attempts": 1, "claimed_at": now, "sent_at": now, "acknowledged_at": now}
    Command.objects.update(**sent)
    send_tick(2, meter, switching=True)
    expect(panel.locator(".grades li[data-mark=done]")).to_have_count(3)
    expect(panel.locator(".grades li").last).to_have_attribute("data-mark", "now")
    Command.objects.update(status="failed", failure="not_moved", finished_at=now)
    send_tick(3, meter, switching=True)
    expect(panel.locator(".grades li").last).to_have_attribute("data-mark", "failed")
    expect(panel.locator(".wish-line")).to_have_attribute("data-wish", "should_on")


def test_a_reason_is_asked_for_where_somebody_may_depend_on_the_power(page: Page, area: Area) -> None:
    meter = metering("1", area)
    make.installed(meter, make.pitch("101", occupied_until=timezone.now() + HOUR))
    open_board(page)
    open_panel(page, meter).locator("[data-act=off]").click()
    dialog = page.locator("#order-dialog")
    expect(dialog.locator(".plan .warn")).to_be_visible()
    dialog.locator(".confirm").click()  # the browser holds it back
    expect(dialog).to_be_visible()
    dialog.locator("[name=reason]").fill("fire")
    dialog.locator(".confirm").click()
    expect(dialog).to_be_hidden()
    assert Order.objects.get().reason == "fire"


def test_a_refusal_is_shown_and_nothing_typed_is_lost(page: Page, area: Area) -> None:
    meter = metering("1", area)
    open_board(page)
    open_panel(page, meter).locator("[data-act=off]").click()
    dialog = page.locator("#order-dialog")
    dialog.locator("[name=reason]").fill("because")
    dialog.locator(".pills label").nth(3).click()
    dialog.locator("[name=at]").evaluate("node => { node.min = ''; node.value = '2020-01-01T10:00'; }")
    dialog.locator(".confirm").click()
    expect(dialog.locator(".error")).to_be_visible()
    expect(dialog.locator("[name=reason]")).to_have_value("because")
    page.route("**/board/orders/", lambda route: route.abort())
    dialog.locator(".pills label").first.click()
    dialog.locator(".confirm").click()
    expect(dialog.locator(".error")).to_contain_text("server", ignore_case=True)
    page.unroute("**/board/orders/")
    dialog.locator(".confirm").click()
    expect(dialog).to_be_hidden()
    assert Order.objects.get().reason == "because"


def test_a_whole_area_is_switched_and_its_progress_is_seen_and_cancelled(page: Page, area: Area) -> None:
    meters = [metering(str(number), area, relay=False, power_w=0) for number in range(5)]
    metering("elsewhere", make.area("South", in_service=True))
    open_board(page)
    page.locator("#select").click()
    page.locator("[data-area=north] .choose").click()
    tile(page, meters[0]).click()
    expect(page.locator(".tile[aria-checked=true]")).to_have_count(4)
    page.locator("#selection [data-act=on]").click()
    page.locator("#order-dialog .confirm").click()
    expect(page.locator("#order-dialog")).to_be_hidden()
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.locator("#select")).to_be_focused()
    expect(page.locator(".tile[aria-checked]")).to_have_count(0)
    strip = page.locator("#orders .order")
    expect(strip.locator(".order-text")).to_contain_text("0")
    first, second, *_ = Command.objects.order_by("pk")
    Command.objects.filter(pk=first.pk).update(status="confirmed", finished_at=timezone.now())
    Command.objects.filter(pk=second.pk).update(status="failed", failure="no_answer", finished_at=timezone.now())
    send_tick(2, *meters, switching=True)
    expect(strip.locator("progress")).to_have_attribute("value", "1")
    expect(strip.locator(".order-failed button")).to_have_count(1)
    send_tick(3)  # one that tells nothing of orders
    expect(strip).to_have_count(1)
    strip.locator(".cancel").click()
    page.locator("#confirm-dialog .confirm").click()
    expect(page.locator("#confirm-dialog")).to_be_hidden()
    assert Command.objects.filter(status="cancelled").count() == 2
    send_tick(4, *meters, switching=True)
    expect(strip).to_have_attribute("data-done", "")
    page.clock.fast_forward(130_000)
    expect(strip).to_have_count(0)


def test_the_way_to_a_selection_stays_in_the_first_line(page: Page, area: Area) -> None:
    metering("1", area)
    Area.objects.update(name="An area with a rather long name")
    open_board(page)
    for width in (1400, 1024, 800):
        page.set_viewport_size({"width": width, "height": 800})
        tops = [page.locator(f"#{name}").evaluate("node => node.offsetTop") for name in ("filter-text", "select")]
        assert tops[0] == tops[1], width


def test_an_order_under_way_stays_in_sight_on_a_phone(page: Page, area: Area) -> None:
    meters = [metering(str(number), area, relay=False, power_w=0) for number in range(30)]
    commands.order(meters, True)
    page.set_viewport_size({"width": 390, "height": 844})
    open_board(page)
    tile(page, meters[29]).scroll_into_view_if_needed()
    expect(page.locator("#orders .order")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("hold", "text"), [("observe", "Switch off, as wanted"), ("failed", "Switch off again")])
def test_what_the_software_leaves_alone_a_person_is_offered(page: Page, area: Area, hold: str, text: str) -> None:
    page.set_extra_http_headers({"Accept-Language": "en"})
    meter, cut = metering("1", area), metering("2", area)
    wanted(meter, False, hold)
    wanted(cut, False, "never_cut")
    open_board(page)
    expect(open_panel(page, cut).locator("[data-act=again]")).to_be_hidden()
    page.keyboard.press("Escape")
    offer = open_panel(page, meter).locator("[data-act=again]")
    expect(offer).to_have_text(text)
    offer.click()
    page.locator("#order-dialog .confirm").click()
    expect(page.locator("#order-dialog")).to_be_hidden()
    assert (Want.objects.get(source=Source.STAFF).meter, Command.objects.get().state) == (meter, False)


# --- letting go ------------------------------------------------------------------------------------------------------


def test_letting_go_shows_first_what_will_hold(page: Page, area: Area) -> None:
    page.set_extra_http_headers({"Accept-Language": "en"})
    meter, free = metering("1", area), metering("2", area)
    wanted(meter, False)
    wanted(meter, True, source=Source.STAFF)
    open_board(page)
    page.locator("#select").click()
    for each in (meter, free):
        tile(page, each).click()
    page.locator("#selection [data-act=let-go]").click()
    dialog = page.locator("#confirm-dialog")
    expect(dialog.locator(".plan")).to_contain_text("1 shall be off (booking)")
    expect(dialog.locator(".plan")).to_contain_text("1 is left out")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    open_panel(page, meter).locator("[data-act=let-go]").click()
    expect(dialog.locator(".plan")).to_contain_text("It shall be off (booking)")
    assert Want.objects.filter(source=Source.STAFF, ended_at=None).exists()
    dialog.locator("[name=reason]").fill("guest left")
    dialog.locator(".confirm").click()
    expect(dialog).to_be_hidden()
    assert not Want.objects.filter(source=Source.STAFF, ended_at=None).exists()


def test_nothing_is_let_go_where_it_is_not_known_what_would_hold(page: Page, area: Area) -> None:
    meter = metering("1", area)
    wanted(meter, True, source=Source.STAFF)
    page.goto(f"/board/meters/{meter.device.ieee_address}/")
    page.route("**/board/let-go/plan/", lambda route: route.abort())
    page.locator("#switch [data-act=let-go]").click()
    dialog = page.locator("#confirm-dialog")
    expect(dialog.locator(".error")).to_be_visible()
    expect(dialog.locator(".confirm")).to_be_disabled()
    page.keyboard.press("Escape")
    page.unroute("**/board/let-go/plan/")
    page.locator("#switch [data-act=let-go]").click()
    dialog.locator(".confirm").click()
    expect(page.locator("#switch [data-act=let-go]")).to_have_count(0)
    assert not Want.objects.filter(ended_at=None).exists()


def test_keys_alone_choose_and_switch(page: Page, area: Area) -> None:
    meter = metering("1", area, relay=False, power_w=0)
    open_board(page)
    page.locator("#select").focus()
    page.keyboard.press("Enter")
    tile(page, meter).focus()
    page.keyboard.press("Space")
    expect(tile(page, meter)).to_have_attribute("aria-checked", "true")
    page.locator("#selection [data-act=on]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#order-dialog .confirm")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.locator("#order-dialog")).to_be_hidden()
    expect(page.locator("#selection")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()


# --- the stop --------------------------------------------------------------------------------------------------------


def test_the_stop_is_seen_by_everybody_and_released(page: Page, area: Area) -> None:
    open_board(page)
    page.locator("#stop").click()
    page.locator("#confirm-dialog [name=reason]").fill("lightning")
    page.locator("#confirm-dialog .confirm").click()
    expect(page.locator("#confirm-dialog")).to_be_hidden()
    assert AutomaticStop.objects.get().reason == "lightning"
    send_tick(2, switching=True)
    banner = page.locator("#stop-banner")
    expect(banner).to_contain_text("lightning")
    expect(page.locator("#stop")).to_be_hidden()
    banner.locator("button").click()
    page.locator("#confirm-dialog .confirm").click()
    expect(page.locator("#confirm-dialog")).to_be_hidden()
    send_tick(3, switching=True)
    expect(banner).to_be_hidden()


def test_a_stop_by_the_software_says_why(page: Page, area: Area) -> None:
    commands.stop.press(None, "41", AutomaticStop.Cause.LIMIT)
    open_board(page)
    expect(page.locator("#stop-banner")).to_contain_text("40")  # the limit of an hour


def test_a_stop_says_who_may_release_it(page: Page, area: Area, person: User) -> None:
    User.objects.update(is_superuser=False, is_staff=True)
    User.objects.create_superuser("carla", first_name="Carla", last_name="Chief")
    commands.stop.press(None, "lightning")
    open_board(page)
    expect(page.locator("#stop-banner")).to_contain_text("Carla Chief")
    expect(page.locator("#stop-banner button")).to_be_hidden()


# --- a meter's page --------------------------------------------------------------------------------------------------


def test_a_meters_page_switches_it_and_follows(page: Page, area: Area) -> None:
    meter = metering("1", area, relay=False, power_w=0)
    page.goto(f"/board/meters/{meter.device.ieee_address}/")
    page.locator("#switch [data-act=on]").click()
    page.locator("#order-dialog .confirm").click()
    expect(page.locator("#order-dialog")).to_be_hidden()
    expect(page.locator("#switch .efforts li")).to_have_attribute("data-status", "queued")
    page.locator("#switch [data-act=cancel]").click()
    page.clock.run_for(3_000)
    expect(page.locator("#switch .efforts li")).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#switch .wants")).to_have_count(0)


def test_a_meters_page_asks_often_only_while_something_is_under_way(page: Page, area: Area) -> None:
    here, away = metering("1", area), metering("2", area)
    away.device.available = False
    away.device.save()
    commands.order([here, away], False, reason="x")
    for meter, moving in ((here, 1), (away, 0)):
        page.goto(f"/board/meters/{meter.device.ieee_address}/")
        expect(page.locator("#switch[data-moving]")).to_have_count(moving)


# --- pure rules ------------------------------------------------------------------------------------------------------


def in_truth(page: Page, body: str) -> Any:
    return page.evaluate(f'async () => {{ const truth = await import("/static/js/board/truth.js"); {body} }}')


def test_the_next_evening_is_the_campsites_also_when_the_clock_changes(page: Page, area: Area) -> None:
    open_board(page)
    moments = ["2026-07-01T19:59:00Z", "2026-07-01T20:00:00Z", "2026-10-24T20:30:00Z", "2026-12-31T21:30:00Z"]
    told = in_truth(page, f"return {moments}.map((at) => truth.nextEvening(Date.parse(at), 'Europe/Copenhagen'));")
    assert told == ["2026-07-01T22:00", "2026-07-02T22:00", "2026-10-25T22:00", "2027-01-01T22:00"]


def test_grades_tell_how_far_a_command_has_come(page: Page, area: Area) -> None:
    open_board(page)
    marks = in_truth(
        page,
        """
        const untold = { sent_at: null, acknowledged_at: null, confirmed_at: null, load_at: null, not_before: null };
        const waiting = { state: false, status: "queued", created_at: 1, load: "", failure: "", ...untold };
        const command = (told) => ({ ...waiting, ...told });
        const taken = { sent_at: 2, acknowledged_at: 2 };
        const marks = (told) => truth.grades(command(told)).map(({ mark }) => mark[0]).join("");
        return [
            marks({}),
            marks({ status: "sent", sent_at: 2 }),
            marks({ status: "confirmed", sent_at: 2, confirmed_at: 3 }),
            marks({ status: "confirmed", ...taken, confirmed_at: 3, load: "none", load_at: 4 }),
            marks({ status: "confirmed", ...taken, confirmed_at: 3, load: "unknown", load_at: 4 }),
            marks({ status: "failed", ...taken, confirmed_at: 3, load: "flowing", failure: "load" }),
            marks({ ...taken, failure: "not_moved", not_before: 9 }),
            marks({ status: "cancelled" }),
            truth.grades(command({ state: true })).length,
        ];
        """,
    )
    assert marks == ["dnlll", "ddnll", "ddsdn", "ddddd", "dddds", "ddddf", "dddfl", "dllll", 4]


def test_board_and_server_say_the_same_of_every_wish(page: Page, area: Area) -> None:
    efforts: list[Command | None] = [None]
    wants: list[Want | None] = [None]
    for status, state, failure in product(["queued", "sent", "confirmed", "failed"], [True, False], ["", "no_answer"]):
        efforts.append(Command(status=status, state=state, failure=failure))
    for state, hold in product([True, False], ["", "observe", "load"]):
        wants.append(Want(state=state, hold=hold))
    cases = list(product(wants, [True, False, None], efforts, [True, False]))
    told = [
        {
            "isOnline": is_online,
            "relay": relay,
            "wanted": want and want.state,
            "want": want and {"hold": want.hold},
            "command": command and {"status": command.status, "state": command.state, "failure": command.failure},
        }
        for want, relay, command, is_online in cases
    ]
    open_board(page)
    seen = in_truth(page, f"return {json.dumps(told)}.map((meter) => truth.wishOf(meter, meter.isOnline));")
    assert seen == [wishes.of(want, relay, command, is_online=online) for want, relay, command, online in cases]
    signs = in_truth(page, f"return {json.dumps(sorted(set(seen)))}.map((wish) => [wish, truth.signOf(wish)]);")
    assert dict(signs) == {
        "": "",
        "being_switched_off": "switching",
        "being_switched_on": "switching",
        "should_off": "should_off",
        "should_off_load": "should_off",
        "should_off_unknown": "should_off",
        "should_on": "should_on",
        "should_on_unknown": "should_on",
    }
    assert set(filter(None, seen)) <= set(words.BOARD)
