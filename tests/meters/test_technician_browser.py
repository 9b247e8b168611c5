"""The technician's pages in a real browser, as wide as a phone: the countdown runs, who joins appears by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from meters import registry
from meters.models import Area, AreaState, BridgeRequest, Device
from meters.zigbee2mqtt import Event
from tests import make
from tests.meters import test_board_browser as boards
from tests.meters.test_board_browser import Server, browser_page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, server = boards.browser, boards.server  # fixtures
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def page(browser: Browser, server: Server, transactional_db: None) -> Iterator[Page]:
    yield from browser_page(browser, server, make.superuser(), PHONE)


@pytest.fixture
def area(transactional_db: None) -> Area:
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    return make.area("North")


def opened(area: Area, seconds: int) -> None:
    """As its Zigbee2MQTT reports it."""
    until = timezone.now() + timedelta(seconds=seconds)
    AreaState.objects.filter(area=area).update(permit_join=True, permit_join_until=until)


def joins(area: Area, ieee: str, interview: str = "IN_PROGRESS") -> None:
    meter = make.meter(ieee, area=area, ieee=ieee, interview_state=interview, supported=True)
    registry.apply_event(area.pk, Event("device_joined", ieee, ieee, ""), timezone.now())
    make.state(meter, relay=True)


def look_again(page: Page) -> None:
    page.clock.run_for(6_000)


def test_the_countdown_begins_when_zigbee2mqtt_says_so_and_runs(page: Page, area: Area) -> None:
    page.goto("/technician/areas/north/")
    page.get_by_role("button", name="Open for four minutes").click()
    expect(page.locator("#door")).to_contain_text("It is asked to open")
    expect(page.locator(".countdown")).to_have_count(0)
    opened(area, 200)
    BridgeRequest.objects.update(status="done", finished_at=timezone.now())
    look_again(page)
    expect(page.locator("#door .countdown")).to_contain_text("3:")
    before = page.locator("#door .countdown").inner_text()
    page.clock.run_for(2_000)
    expect(page.locator("#door .countdown")).not_to_have_text(before)


def test_who_joins_appears_by_itself_and_is_followed_to_its_name(page: Page, area: Area) -> None:
    opened(area, 200)
    page.goto("/technician/areas/north/")
    expect(page.locator("#arrivals")).to_contain_text("Nobody is on its way.")
    joins(area, "0xa4c138ff00000aaa")
    look_again(page)
    newcomer = page.get_by_role("link", name="…000aaa")
    expect(newcomer).to_contain_text("is being interviewed")
    newcomer.click()
    Device.objects.update(interview_state="SUCCESSFUL")
    look_again(page)
    expect(page.locator("#head")).to_contain_text("Needs a name")


def test_what_is_being_typed_survives_the_page_asking_again(page: Page, area: Area) -> None:
    joins(area, "0xa4c138ff00000aaa", "SUCCESSFUL")
    page.goto("/technician/devices/0xa4c138ff00000aaa/")
    page.locator("[name=name]").fill("101,2")
    page.locator("h1").click()  # the focus goes elsewhere, as when the phone is put away
    Device.objects.update(vendor="Tongou", model="TO-Q-SY1-JZT")
    look_again(page)
    expect(page.locator("#head")).to_contain_text("Tongou")
    expect(page.locator("[name=name]")).to_have_value("101,2")


def test_a_button_pressed_twice_asks_once(page: Page, area: Area) -> None:
    page.goto("/technician/areas/north/")
    page.get_by_role("button", name="Open for four minutes").dblclick()
    expect(page.locator("#door")).to_contain_text("It is asked to open")
    assert BridgeRequest.objects.count() == 1


def test_everything_that_is_touched_is_big_enough_and_nothing_runs_over_the_edge(page: Page, area: Area) -> None:
    joins(area, "0xa4c138ff00000aaa", "SUCCESSFUL")
    opened(area, 200)
    for place in ("", "areas/north/", "devices/0xa4c138ff00000aaa/", "exchange/", "labels/?area=north", "find/?q=x"):
        page.goto(f"/technician/{place}")
        touched = page.locator("main :is(a, button, input, select, summary):visible").all()
        heights = [box["height"] for each in touched if (box := each.bounding_box())]
        assert min(heights) >= 44, place
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], place


def test_a_name_without_a_gap_runs_over_no_edge(page: Page, area: Area) -> None:
    old, new = "0xa4c138ff00000aaa", "0xa4c138ff00000bbb"
    make.installed(make.meter("W" * 250, area=area, ieee=old), make.pitch("101"))
    make.meter("M" * 250, area=area, ieee=new)
    for place in (f"devices/{new}/?pitch=101", f"exchange/?old={old}&new={new}", f"exchange/?old={old}", "find/?q=W"):
        page.goto(f"/technician/{place}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], place


CAMERA = """
  navigator.mediaDevices.getUserMedia = async () => document.createElement("canvas").captureStream();
  HTMLMediaElement.prototype.play = async () => {};
  window.BarcodeDetector = class { async detect() { return window.seen ? [{ rawValue: window.seen }] : []; } };
"""
"""A camera, and a browser that reads codes: headless ones have neither."""


def test_a_label_before_the_camera_leads_to_its_meter(page: Page, area: Area) -> None:
    joins(area, "0xa4c138ff00000aaa", "SUCCESSFUL")
    page.add_init_script(CAMERA)
    page.goto("/technician/")
    page.get_by_role("button", name="Scan").click()
    expect(page.locator(".viewer video")).to_be_visible()
    page.evaluate("seen = 'https://power.example.com/board/meters/0xa4c138ff00000aaa/'")
    page.clock.run_for(500)
    page.wait_for_url("**/technician/devices/0xa4c138ff00000aaa/")


def test_where_the_browser_reads_no_codes_nothing_offers_it(page: Page, area: Area) -> None:
    page.goto("/technician/")
    expect(page.locator("[data-scan]")).to_be_hidden()


def test_without_the_server_it_says_so_and_comes_back_by_itself(page: Page, area: Area, server: Server) -> None:
    page.goto("/technician/areas/north/")
    server.stop()
    look_again(page)
    expect(page.locator("#lost")).to_be_visible()
    server.start()
    look_again(page)
    expect(page.locator("#lost")).to_be_hidden()


def test_a_sheet_is_printed_on_as_many_pages_as_it_needs(page: Page, area: Area) -> None:
    for number in range(1, 26):
        make.meter(f"F{number}", area=area)
    for size, pages in (("a4-24", 2), ("a4-21", 2), ("62x29", 25), ("54x25", 25)):
        page.goto(f"/technician/labels/?area=north&size={size}")
        printed = page.pdf(prefer_css_page_size=True)
        assert printed.count(b"/Type /Page\n") == pages, size
