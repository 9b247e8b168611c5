"""What open pages claim while a part of what they tell of is not known: in a real browser, for their scripts decide."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from meters.models import Area, AreaState, Meter
from tests import make
from tests.bookings.test_portal_browser import camper, enter
from tests.bookings.test_reception import settled, sheet
from tests.meters import test_board_browser as boards
from tests.meters.test_board_browser import Server, metering, open_board, tile

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
area, browser, page, server = boards.area, boards.browser, boards.page, boards.server  # fixtures
HOUR = timedelta(hours=1)


@pytest.fixture
def person(transactional_db: None) -> User:
    return make.superuser()


def words(page: Page, meter: Meter) -> Any:
    """What a tile says to who cannot see it."""
    return tile(page, meter).locator(".state")


# --- watts that nobody told ------------------------------------------------------------------------------------------


def test_watts_that_nobody_told_are_neither_0_nor_nothing_in_use(page: Page, area: Area) -> None:
    page.set_extra_http_headers({"accept-language": "en"})
    meter = metering("101,1", area, power_w=None, power_at=None)
    old = metering("101,2", area, power_at=timezone.now() - 2 * HOUR)
    open_board(page)
    for each in (meter, old):
        expect(tile(page, each)).to_have_attribute("data-state", "on")
        expect(words(page, each)).to_contain_text("On, use not known")
    expect(tile(page, meter).locator(".power")).to_have_text("–")
    expect(page.locator("#total-power")).to_have_text("– kW now")
    expect(page.locator("#total-lacking")).to_have_text("without 2 whose power is not known")
    expect(page.locator("[data-area=north] .area-count")).to_have_text("2 of 2 online")
    page.locator("#filter-state button[data-state=on]").click()
    expect(page.locator(".tile:visible")).to_have_count(2)


def test_a_sum_says_how_many_it_is_without(page: Page, area: Area) -> None:
    page.set_extra_http_headers({"accept-language": "en"})
    metering("101,1", area, power_w=1200)
    metering("101,2", area, power_w=None, power_at=None)
    commissioned = make.area("South", in_service=False)
    make.meter("201,1", area=commissioned)
    open_board(page)
    expect(page.locator("[data-area=north] .area-count")).to_have_text(
        "2 of 2 online · 1.2 kW · without 1 whose power is not known"
    )
    expect(page.locator("#total-power")).to_have_text("1.2 kW now")
    expect(page.locator("#total-online")).to_have_text("2 of 2 online")
    expect(page.locator("#total-lacking")).to_have_text("without 2 whose power is not known")


def test_three_phases_that_are_told_are_not_said_to_stand_still(page: Page, area: Area) -> None:
    now = timezone.now()
    meter = metering("3p", area, power_w=0, power_at=now - 2 * HOUR, phases_at=now)
    open_board(page)
    expect(tile(page, meter)).to_have_attribute("data-state", "idle")
    assert tile(page, meter).get_attribute("data-old") is None


# --- what a Zigbee2MQTT said -----------------------------------------------------------------------------------------


def test_a_zigbee2mqtt_that_is_away_is_not_said_to_be_open_for_new_devices(page: Page, area: Area) -> None:
    AreaState.objects.update(permit_join=True, restart_required=True)
    open_board(page)
    expect(page.locator("[data-area=north] .marks summary")).to_have_count(2)
    AreaState.objects.update(bridge="offline")
    page.reload()
    expect(page.locator("[data-area=north] .area-bridge")).not_to_be_empty()
    expect(page.locator("[data-area=north] .marks summary")).to_have_count(0)


def test_repeaters_are_unknown_where_their_zigbee2mqtt_is_not_heard(page: Page, area: Area) -> None:
    for name, is_there in (("near", True), ("far", False)):
        device = make.meter(name, area=area, kind="repeater", available=is_there).device
        device.meter.delete()
    metering("101,1", area)
    open_board(page)
    repeaters = page.locator("[data-area=north] .repeaters")
    expect(repeaters.locator("summary")).to_contain_text("1 of 2")
    expect(repeaters.locator("li.repeater[data-state=offline]")).to_have_count(1)
    AreaState.objects.update(bridge="offline")
    page.reload()
    expect(repeaters.locator("summary")).to_contain_text("– of 2")
    expect(repeaters.locator("li.repeater[data-state=unknown]")).to_have_count(2)


def test_the_card_of_a_meter_that_is_away_says_how_old_its_radio_link_is(page: Page, area: Area) -> None:
    page.set_extra_http_headers({"accept-language": "en"})
    meter = metering("101,1", area, linkquality_at=timezone.now() - 3 * HOUR, heard_at=timezone.now() - 3 * HOUR)
    open_board(page)
    expect(tile(page, meter)).to_have_attribute("data-state", "offline")
    tile(page, meter).hover()
    expect(page.locator("#card")).to_contain_text("fair (90)3 hours ago")


def test_a_socket_that_is_open_and_tells_nothing_is_not_live(page: Page, area: Area) -> None:
    """Redis is away: the worker's ticks do not come."""
    meter, dead = metering("101,1", area), []
    page.route_web_socket("**/ws/board/", lambda socket: dead.append(socket))
    page.goto("/board/")
    page.clock.run_for(12_000)
    expect(page.locator("#lamp")).to_have_attribute("data-link", "polling")
    boards.set_power(meter, 777)
    page.clock.run_for(12_000)
    expect(tile(page, meter).locator(".power")).to_contain_text("777")
    expect(page.locator("#lamp")).to_have_attribute("data-link", "polling")
    page.clock.run_for(40_000)
    expect(page.locator("#lamp")).to_have_attribute("data-link", "polling")
    assert len(dead) > 1, "another socket is tried"


# --- a server that knows nothing -------------------------------------------------------------------------------------


def broken(page: Page, url: str) -> None:
    """The server answers, but its database is away."""
    page.route(f"**{url}", lambda route: route.fulfill(status=500, body="no database"))


def test_a_guests_page_whose_server_knows_nothing_says_so(browser: Browser, server: Server) -> None:
    stay, _meter = camper("en")
    with browser.new_context(base_url=f"http://127.0.0.1:{server.port}", locale="en-GB") as context:
        page = context.new_page()
        page.clock.install()
        page.route_web_socket("**/live/", lambda socket: socket.close())
        enter(page, stay)
        expect(page.locator("#offline")).to_be_hidden()
        expect(page.locator(".outlet .stale").first).to_be_hidden()
        broken(page, "/stay/")
        page.clock.run_for(30_000)
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator(".outlet")).to_have_attribute("data-old", "")
        expect(page.get_by_text("Last known:")).to_be_visible()
        page.unroute("**/stay/")
        page.clock.run_for(10_000)
        expect(page.locator("#offline")).to_be_hidden()


@pytest.mark.parametrize("where", ["home", "booking"])
def test_receptions_pages_whose_server_knows_nothing_say_so(page: Page, where: str) -> None:
    make.worker(heartbeat_at=timezone.now() + HOUR)
    stay, _meter = settled()
    url = reverse("reception") if where == "home" else sheet(stay)
    page.goto(url)
    expect(page.locator(".lost")).to_be_hidden()
    broken(page, url)
    page.clock.run_for(6_000)
    expect(page.locator(".lost")).to_be_visible()
    page.unroute(f"**{url}")
    page.clock.run_for(6_000)
    expect(page.locator(".lost")).to_be_hidden()


def test_receptions_page_whose_server_does_not_answer_says_so(page: Page) -> None:
    make.worker(heartbeat_at=timezone.now() + HOUR)
    page.add_init_script(
        "const { timeout } = AbortSignal; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 20);"
    )
    page.goto(reverse("reception"))
    page.route(f"**{reverse('reception')}", lambda route: None)
    page.clock.run_for(6_000)
    expect(page.locator(".lost")).to_be_visible()


@pytest.mark.parametrize("url", ["/board/", "/board/meters/{ieee}/"])
def test_the_boards_pages_whose_server_knows_nothing_say_so(page: Page, area: Area, url: str) -> None:
    meter = metering("101,1", area)
    url = url.format(ieee=meter.device.ieee_address)
    page.route_web_socket("**/ws/board/", lambda socket: socket.close())
    page.goto(url)
    banner = page.locator("#banner" if url == "/board/" else "#lost")
    expect(banner).to_be_hidden()
    broken(page, "/board/state.json" if url == "/board/" else url)
    page.clock.run_for(40_000)
    expect(banner).to_be_visible()
