"""The live board in a real browser, against a real server: what people see when things go right and wrong."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from campsite.asgi import application
from meters import consumers, live
from meters.models import Area, Meter, MeterState, WorkerState
from tests import chromium, make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = timedelta(hours=1)
PATIENCE_MS = 15_000


class Server:
    """uvicorn in a thread, on a port that stays the same when it comes back."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))  # requests wait in it until the server is up
        self.port = listener.getsockname()[1]
        self._server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=[[listener]], daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Server]:
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)  # none stays open in another thread
    monkeypatch.setattr(live, "GROUP", f"board-{uuid4().hex}")  # the channel layer is shared with other tests
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright runs a loop in this thread; our rows are made beside it
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def person(transactional_db: None) -> User:
    """Whose page it is."""
    return make.staff()


@pytest.fixture
def page(browser: Browser, server: Server, person: User) -> Iterator[Page]:
    yield from browser_page(browser, server, person, {"width": 1400, "height": 900})


def browser_page(browser: Browser, server: Server, person: User, screen: Any) -> Iterator[Page]:
    """A page of a member of staff, with a clock that can be put forward."""
    client = Client()
    client.force_login(person)
    context = browser.new_context(viewport=screen, locale="en-GB", base_url=f"http://127.0.0.1:{server.port}")
    context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": f"http://127.0.0.1:{server.port}"}]
    )
    page = context.new_page()
    page.clock.install()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text))
    yield page
    context.close()
    # What the Content Security Policy refused stands here, too; that a server is away or refuses is tested.
    assert not [text for text in complaints if "Failed to load resource" not in text and "ERR_" not in text]


@pytest.fixture
def area(transactional_db: None) -> Area:
    make.worker(tick=1, heartbeat_at=timezone.now() + LONG)
    return make.area("North", in_service=True)


def metering(name: str, area: Area, **values: Any) -> Meter:
    now = timezone.now()
    meter = make.meter(name, area=area)
    make.state(meter, **{"relay": True, "power_w": 100, "power_at": now, "linkquality": 90} | values)
    return meter


def open_board(page: Page, query: str = "") -> None:
    """The board with its socket open."""
    page.goto(f"/board/{query}")
    expect(page.locator("#lamp")).to_have_attribute("data-link", "live")


def tile(page: Page, meter: Meter) -> Any:
    return page.locator(f".tile[data-id='{meter.pk}']")


def send_tick(number: int, *meters: Meter, switching: bool = False, **told: Any) -> None:
    """What the worker does; in a thread, for Playwright's loop runs in this one. `told` stands instead of what is."""
    message = live.changes("b", number, [meter.pk for meter in meters], [], switching=switching) | told
    WorkerState.objects.update(tick=number)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(live.send, message).result()


def set_power(meter: Meter, power_w: int) -> None:
    MeterState.objects.filter(meter=meter).update(power_w=power_w)


def test_400_meters_fit_into_a_laptops_window(page: Page, area: Area) -> None:
    areas = [area, *(make.area(f"Area {number}", in_service=True) for number in range(2, 7))]
    for number in range(400):
        metering(f"{number // 2},{number % 2 + 1}", areas[number % 6])
    open_board(page)
    expect(page.locator(".tile:visible")).to_have_count(400)
    assert page.locator("#areas").bounding_box()["y"] + page.locator("#areas").bounding_box()["height"] <= 900
    assert page.evaluate("document.documentElement.scrollWidth") == 1400


def test_a_tick_changes_a_tile(page: Page, area: Area) -> None:
    meter = metering("101,1", area)
    open_board(page)
    expect(tile(page, meter)).to_have_attribute("data-state", "load")
    set_power(meter, 0)
    send_tick(2, meter)
    expect(tile(page, meter)).to_have_attribute("data-state", "idle")


def test_a_missed_tick_makes_the_page_ask_for_the_whole_state(
    page: Page, area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SNAPSHOT_EVERY_S", 0)
    meter, other = metering("101,1", area), metering("101,2", area)
    open_board(page)
    set_power(meter, 777)
    send_tick(2, other)
    expect(tile(page, meter)).to_contain_text("100")  # nothing is missing yet
    send_tick(4, other)
    expect(tile(page, meter)).to_contain_text("777", timeout=3_000)  # sooner than it would ask by HTTP


def test_html_in_a_name_does_nothing(page: Page, area: Area) -> None:
    name = "<img src=x onerror=\"document.title='hacked'\">"
    meter = metering(name, area)
    open_board(page)
    expect(tile(page, meter).locator(".name")).to_have_text(name)
    tile(page, meter).hover()
    expect(page.locator("#card strong")).to_have_text(name)
    assert page.locator("#areas img, #card img").count() == 0
    assert page.title() != "hacked"


def test_everything_turns_unknown_when_the_server_is_gone_and_comes_back_with_it(
    page: Page, server: Server, area: Area
) -> None:
    WorkerState.objects.update(heartbeat_at=timezone.now())
    meter = metering("101,1", area)
    open_board(page)
    server.stop()
    page.clock.fast_forward(30_000)
    expect(page.locator("#banner")).to_be_visible()
    expect(page.locator("#lamp")).to_have_attribute("data-link", "lost")
    expect(tile(page, meter)).to_have_attribute("data-state", "unknown")
    expect(tile(page, meter)).to_contain_text("100")  # the last state stays, greyed
    expect(tile(page, meter)).to_have_attribute("data-old", "")
    WorkerState.objects.update(heartbeat_at=timezone.now() + LONG)
    server.start()
    page.clock.fast_forward(60_000)
    expect(tile(page, meter)).to_have_attribute("data-state", "load")
    expect(page.locator("#banner")).to_be_hidden()


def test_areas_that_nobody_hears_are_named_and_the_others_go_on(page: Page, area: Area) -> None:
    """Each has a worker of its own, and one of them dies."""
    other = make.area("South", in_service=True)
    WorkerState.objects.update(areas=[area.pk])
    make.worker(name="mqtt-south", areas=[other.pk], heartbeat_at=timezone.now() + LONG)
    here, there = metering("101,1", area), metering("201,1", other)
    open_board(page)
    expect(tile(page, there)).to_have_attribute("data-state", "load")
    expect(page.locator("#banner")).to_be_hidden()
    WorkerState.objects.filter(pk="mqtt-south").update(heartbeat_at=timezone.now() - LONG)
    send_tick(2)
    expect(page.locator("#banner")).to_contain_text("Nothing is heard of South")
    expect(page.locator("#banner")).not_to_contain_text("North")
    expect(tile(page, there)).to_have_attribute("data-state", "unknown")
    expect(tile(page, here)).to_have_attribute("data-state", "load")
    expect(page.locator("#lamp")).to_have_attribute("data-link", "live")
    WorkerState.objects.update(heartbeat_at=timezone.now() + LONG)
    send_tick(3)
    expect(page.locator("#banner")).to_be_hidden()
    expect(tile(page, there)).to_have_attribute("data-state", "load")


def test_a_silent_meter_turns_offline_by_itself(page: Page, area: Area) -> None:
    meter = metering("101,1", area, heard_at=timezone.now() - timedelta(minutes=14))
    open_board(page)
    expect(tile(page, meter)).to_have_attribute("data-state", "load")
    page.route("**/board/state.json", lambda route: None)  # the server's clock, which has not moved, keeps silent
    page.clock.fast_forward("02:00")
    expect(tile(page, meter)).to_have_attribute("data-state", "offline")


def test_who_is_logged_out_is_told_so(page: Page, area: Area) -> None:
    metering("101,1", area)
    open_board(page)
    page.context.clear_cookies()
    page.clock.fast_forward(40_000)
    expect(page.locator("#banner a")).to_be_visible()


def test_a_view_can_be_bookmarked(page: Page, area: Area) -> None:
    on, off = metering("101,1", area), metering("101,2", area, relay=False, power_w=0)
    removed = make.meter("gone", area=area, removed_at=timezone.now())
    open_board(page)
    expect(tile(page, removed)).to_be_hidden()
    page.locator("#filter-state button[data-state=off]").click()
    expect(tile(page, on)).to_be_hidden()
    expect(page).to_have_url(re.compile(r"\?state=off$"))
    page.reload()
    expect(tile(page, off)).to_be_visible()
    expect(tile(page, on)).to_be_hidden()
    open_board(page, "?state=removed")
    expect(tile(page, removed)).to_be_visible()
    open_board(page, "?q=101,1&area=north")
    expect(page.locator(".tile:visible")).to_have_count(1)


def test_a_risky_area_says_why_and_one_being_commissioned_says_nothing(page: Page, area: Area) -> None:
    told = {"info_at": timezone.now(), "channel": 25, "permit_join": True}
    make.area("Risky", in_service=True, expected_channel=11, reported=told)
    make.area("New", expected_channel=11, reported=told)
    open_board(page)
    expect(page.locator("[data-area=risky] .marks li")).to_have_count(3)
    expect(page.locator("[data-area=new] .marks li")).to_have_count(0)
    expect(page.locator("#areas .area").last).to_have_attribute("data-area", "new")
    page.locator("[data-area=risky] .marks summary").first.click()
    expect(page.locator("[data-area=risky] .marks p").first).to_contain_text("pause_on_backoff_gt")


def test_a_phone_shows_a_list_without_scrolling_sideways(page: Page, area: Area) -> None:
    name = "repeater - plads 207 v hæk, lang"
    meter = metering(name, area, counter_kwh=858, counter_at=timezone.now())
    page.set_viewport_size({"width": 390, "height": 844})
    open_board(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    expect(tile(page, meter).locator(".energy")).to_be_visible()
    assert tile(page, meter).bounding_box()["height"] >= 44
    page.goto(f"/board/meters/{meter.device.ieee_address}/")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_phone_says_above_all_meters_which_area_cannot_be_heard_and_leads_there(page: Page, area: Area) -> None:
    heard, silent = metering("1", area), metering("2", make.area("South", in_service=True, bridge="offline"))
    make.area("New", bridge="offline")
    page.set_viewport_size({"width": 390, "height": 844})
    open_board(page)
    told = page.locator("#silent-areas a")
    expect(told).to_have_text("South: Zigbee2MQTT is not running")
    assert told.bounding_box()["height"] >= 44
    told.click()
    expect(tile(page, silent)).to_be_visible()
    expect(tile(page, heard)).to_be_hidden()


@pytest.mark.parametrize("may_see", [True, False])
def test_an_areas_name_leads_to_its_page_for_who_may_see_that(
    page: Page, area: Area, person: User, may_see: bool
) -> None:
    if may_see:
        person.user_permissions.add(Permission.objects.get(codename="view_area"))
    open_board(page)
    way = page.locator(f"[data-area=north] a[href='/admin/meters/area/{area.pk}/change/']")
    expect(page.locator("[data-area=north] h2")).to_have_text("North")
    expect(way).to_have_count(1 if may_see else 0)


def test_an_old_message_does_not_make_old_values_look_fresh(page: Page, area: Area) -> None:
    open_board(page)
    now = page.evaluate(
        """async () => {
            const { Store } = await import("/static/js/board/store.js");
            const store = new Store();
            const whole = { type: "snapshot", boot: "b", tick: 1, worker: {}, areas: [], meters: [], devices: [] };
            store.apply({ ...whole, now: 50_000 }, 1_000_000);
            store.apply({ ...whole, now: 10_000 }, 1_030_000);  // was long on its way
            const later = store.now(1_030_000);
            store.apply({ ...whole, now: 70_000 }, 1_030_000, true);
            return [later, store.now(1_030_000)];
        }"""
    )
    assert now == [80_000, 70_000]


def test_a_server_whose_clock_was_ahead_is_believed_again_once_it_is_set_back(page: Page, area: Area) -> None:
    WorkerState.objects.update(heartbeat_at=timezone.now())
    open_board(page)
    page.clock.pause_at(timezone.now() + timedelta(seconds=2))  # so that no silence makes it ask
    send_tick(2, now=live.ms(timezone.now() + LONG))
    expect(page.locator("#lamp")).to_have_attribute("data-link", "lost")
    WorkerState.objects.update(heartbeat_at=timezone.now() + timedelta(minutes=1))
    send_tick(3)
    expect(page.locator("#lamp")).to_have_attribute("data-link", "live")


def test_a_meters_page_follows_its_meter(page: Page, area: Area) -> None:
    meter = metering("101,1", area)
    page.goto(f"/board/meters/{meter.device.ieee_address}/")
    expect(page.locator("#now")).to_contain_text("100 W")
    set_power(meter, 777)
    page.clock.run_for(11_000)
    expect(page.locator("#now")).to_contain_text("777 W")
