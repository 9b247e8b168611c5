"""What pages say while a part is really away: PostgreSQL, the broker, Redis or a Zigbee2MQTT is stopped under them.

Worker and web are processes as they are deployed. `pytest --screenshots docs/screenshots/degraded` keeps pictures, in
Danish.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from bookings import links
from bookings.models import Stay
from bookings.power import follow
from campsite.embedded import mosquitto
from meters import last_known, live, notify
from meters.models import Area, Meter, WorkerState
from tests import make
from tests.conftest import Broker
from tests.meters import harness
from tests.meters import test_board_browser as boards
from tests.meters.harness import Fleet, OwnServices, Workers, until
from tests.meters.surroundings import services_and_broker

pytestmark = [pytest.mark.browser, pytest.mark.services]
browser = boards.browser  # fixture
SIZES = {"390": (390, 844), "1400": (1400, 900)}
NAME = "Müllerschön"
SOON_MS = 60_000


@dataclass
class Site:
    """Two areas, each with a Zigbee2MQTT that talks; a guest on the first meter of the first."""

    services: OwnServices
    broker: Broker
    port: int
    north: Fleet
    south: Fleet
    stay: Stay
    cookies: dict[str, str]
    """A member of staff's session."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def be_well(self) -> None:
        """All is heard, whatever another test has done."""
        for fleet in (self.north, self.south):
            fleet.online()
        self.report()
        until(lambda: {meter["online"] for meter in live.snapshot()["meters"]} == {"online"}, "all meters to be online")
        until(lambda: self.ask("/board/", **self.cookies)[0] == 200, "the web process to have a database")

    def report(self) -> None:
        """Each meter is heard now."""
        for number, fleet in enumerate((self.north, self.south)):
            for meter in range(fleet.meters):
                told = fleet.reading(meter, number, power=300 + 70 * meter, last_seen=datetime.now(UTC).isoformat())
                fleet.talker.say(f"{fleet.base}/{fleet.name(meter)}", told)
            fleet.talker.flush()

    def ask(self, path: str, **cookies: str) -> tuple[int, str]:
        """Status and body, as a browser with these cookies gets them."""
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        request = urllib.request.Request(self.address + path, headers={"Cookie": cookie, "Accept-Language": "en"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()


@pytest.fixture(scope="module")
def site(django_db_blocker: Any) -> Iterator[Site]:
    with ExitStack() as stack:
        kind = "mosquitto" if mosquitto.program() else "iotcore"
        services, broker = stack.enter_context(services_and_broker(kind, OwnServices))
        assert isinstance(services, OwnServices)
        database_url = services.new_database()
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(harness.speaking_to(database_url))
        own = override_settings(REDIS_URL=services.redis_url, CHANNEL_PREFIX=harness.channels(database_url))
        stack.enter_context(own)
        workers = Workers(services, database_url, broker.url)
        stack.callback(workers.end_all)
        workers.start()
        fleets = [Fleet(broker.url, base, meters) for base, meters in (("north", 12), ("south", 5))]
        for fleet in fleets:
            Area.objects.create(
                name=fleet.base.title(), slug=fleet.base, base_topic=fleet.base, in_service=True, control="act"
            )
        notify.touch()
        for fleet in fleets:
            fleet.appear(availability={"active": {"pause_on_backoff_gt": 15}})
        until(lambda: Meter.objects.count() == 17, "the inventories")
        port = harness.free_port()
        web = services.web(database_url=database_url, port=port, SECRET_KEY=settings.SECRET_KEY)
        stack.callback(web.kill)
        client = Client()
        client.force_login(make.superuser())
        cookies = {"sessionid": client.cookies["sessionid"].value}
        stack.callback(lambda: [fleet.talker.stop() for fleet in (site.north, site.south)])
        site = Site(services, broker, port, fleets[0], fleets[1], camper(), cookies)
        yield site


@pytest.fixture(autouse=True)
def all_is_well(site: Site) -> None:
    site.be_well()


def camper() -> Stay:
    """A guest whose power is on."""
    meter = Meter.objects.order_by("device__friendly_name").first()
    assert meter
    now = timezone.now()
    stay = make.stay(make.pitch("100", fuse_a=16), began_at=now - timedelta(hours=5))
    make.guest(stay.booking, language="en", last_name=NAME)
    make.installed(meter, stay.pitch)
    make.line(stay, meter, pitch=stay.pitch, since=now - timedelta(hours=5))
    make.tariff()
    follow.apply([meter.pk], now)
    return stay


@contextmanager
def away(part: Any) -> Iterator[None]:
    """Stopped, and started again whatever comes."""
    part.stop()
    try:
        yield
    finally:
        part.start()
        connection.close()  # ours may have ended, too


@contextmanager
def screen(site: Site, browser: Browser, size: str, language: str = "en-GB", **cookies: str) -> Iterator[Page]:
    width, height = SIZES[size]
    with browser.new_context(
        viewport={"width": width, "height": height}, locale=language, base_url=site.address
    ) as context:
        _give(context, site, cookies)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        # What the Content Security Policy refused stands here, too; that a server is away or refuses is tested.
        is_expected = re.compile("Failed to load resource|ERR_|WebSocket connection")
        assert [text for text in complaints if not is_expected.search(text)] == []


def _give(context: BrowserContext, site: Site, cookies: dict[str, str]) -> None:
    context.add_cookies([{"name": name, "value": value, "url": site.address} for name, value in cookies.items()])


class Camera:
    """Keeps pictures of a page as it is now, on a telephone and on a desk; none where nobody asked for them."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def take(self, page: Page, name: str) -> None:
        if not self.folder:
            return
        self.folder.mkdir(exist_ok=True, parents=True)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            page.screenshot(path=self.folder / f"{name}-{size}.png")


@pytest.fixture
def camera(request: pytest.FixtureRequest) -> Camera:
    return Camera(request.config.getoption("--screenshots"))


def language(camera: Camera) -> str:
    return "da-DK" if camera.folder else "en-GB"


# --- the database ----------------------------------------------------------------------------------------------------


def pass_of(page: Page) -> dict[str, str]:
    """What a browser that has loaded the board keeps."""
    return {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}


def test_without_a_database_staff_see_the_last_known_state_with_its_age_and_nobody_else_does(
    site: Site, browser: Browser, camera: Camera
) -> None:
    guest = guests_cookie(site)
    with screen(site, browser, "1400", language(camera), **site.cookies) as page:
        page.goto("/board/")
        expect(page.locator(".tile[data-state=load]")).to_have_count(17)
        until(lambda: _is_kept(17), "the state to be kept")
        kept = pass_of(page)
        with away(site.services.postgres):
            answer = page.goto("/board/")
            assert answer
            assert answer.status == 503
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            expect(page.locator(".tile[data-state=unknown]")).to_have_count(17)
            expect(page.locator(".tile .power").first).to_contain_text("W")
            banner = page.locator("#banner")
            expect(banner).to_be_visible()
            if not camera.folder:
                expect(banner).to_contain_text("The database cannot be reached: this is the last known state, of")
            expect(page.locator("#lamp")).to_have_attribute("data-link", "lost")
            expect(page.locator("#stop")).to_be_hidden()
            camera.take(page, "database-board")

            logged_out, foreign = {"board": kept["board"]}, {"board": kept["board"], "sessionid": "x" * 32}
            for cookies in ({}, logged_out, foreign, site.cookies):
                status, body = site.ask("/board/", **cookies)
                assert "100,1" not in body
                assert status == 503 if "sessionid" in cookies else "login" in body
            for path in ("/admin/", "/admin/reception/", "/board/", "/board/help/", "/stay/", "/p/nonsense/"):
                status, body = site.ask(path, **kept, stay=guest)
                assert status == 503, path
                assert NAME not in body

            page.goto("/admin/")
            camera.take(page, "database-admin")
        page.goto("/board/")
        expect(page.locator(".tile[data-state=load]")).not_to_have_count(0, timeout=SOON_MS)


def test_when_the_database_is_back_the_last_known_board_becomes_the_real_one_by_itself(
    site: Site, browser: Browser
) -> None:
    with screen(site, browser, "1400", **site.cookies) as page:
        page.goto("/board/")
        until(lambda: _is_kept(17), "the state to be kept")
        with away(site.services.postgres):
            page.goto("/board/")
            expect(page.locator("#banner")).to_contain_text("last known state")
        site.report()
        expect(page.locator("#banner")).to_be_hidden(timeout=SOON_MS)
        expect(page.locator(".tile[data-state=load]")).to_have_count(17, timeout=SOON_MS)


def test_without_a_database_a_guest_is_told_so_calmly_and_programs_in_their_own_words(
    site: Site, browser: Browser, camera: Camera
) -> None:
    with screen(site, browser, "390", language(camera), stay=guests_cookie(site)) as page, away(site.services.postgres):
        answer = page.goto("/stay/")
        assert answer
        assert answer.status == 503
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if not camera.folder:
            expect(page.get_by_text("it stays as it is")).to_be_visible()
            expect(page.get_by_text("tries again by itself")).to_be_visible()
        camera.take(page, "database-guest")
        for path in ("/api/v1/meters/", "/board/state.json"):
            status, body = site.ask(path, **site.cookies)
            assert (status, "database_away" in body) == (503, True)
        assert site.ask("/health/live")[0] == 200
        assert '"database": "database_away"' in site.ask("/health/ready")[1]


def test_without_a_database_a_guests_telephone_shows_the_page_that_it_kept(site: Site, browser: Browser) -> None:
    with screen(site, browser, "390", stay=guests_cookie(site)) as page:
        page.goto("/stay/")
        page.wait_for_function("() => navigator.serviceWorker.controller || navigator.serviceWorker.ready")
        page.goto("/stay/")
        with away(site.services.postgres):
            page.goto("/stay/")
            expect(page.get_by_text("Pitch 100")).to_be_visible()
            expect(page.locator("#offline")).to_be_visible(timeout=SOON_MS)
            expect(page.locator(".outlet")).to_have_attribute("data-old", "")


def test_nothing_of_people_is_kept(site: Site) -> None:
    until(lambda: _is_kept(17), "the state to be kept")
    kept = last_known.read()
    assert kept is not None
    assert {meter["want"] for meter in kept["meters"]} == {None}
    assert kept["switching"] == {"stop": None, "orders": []}
    assert NAME not in str(kept)


def _is_kept(meters: int) -> bool:
    """Whether the worker has kept what so many meters told."""
    kept = last_known.read()
    return kept is not None and sum(meter["power_w"] is not None for meter in kept["meters"]) == meters


def guests_cookie(site: Site) -> str:
    client = Client()
    client.get(links.path(links.make(site.stay, None)))
    return str(client.cookies["stay"].value)


# --- the broker ------------------------------------------------------------------------------------------------------


def test_without_a_broker_every_button_says_that_orders_wait_and_until_when(
    site: Site, browser: Browser, camera: Camera
) -> None:
    guest = {"stay": guests_cookie(site), "stay-language": language(camera)[:2]}
    with screen(site, browser, "1400", language(camera), **site.cookies, **guest) as page, away(site.broker):
        until(lambda: not WorkerState.objects.exclude(connected_at=None).exists(), "the worker to notice")
        page.goto("/board/")
        expect(page.locator("#banner")).to_be_visible()
        page.locator(".tile").first.click()
        page.locator("#meter-dialog [data-act=off]").click()
        plan = page.locator("#order-dialog .plan li.warn").first
        expect(plan).to_be_visible()
        camera.take(page, "broker-board")
        if not camera.folder:
            expect(page.locator("#banner")).to_contain_text("waits, 15 minutes at most")
            expect(plan).to_have_text(re.compile(r"the order waits, until .+ at most"))

        page.goto(reverse("reception_booking", args=[site.stay.booking.sirvoy_id]))
        expect(page.locator(".outlet .state")).to_be_visible()
        camera.take(page, "broker-reception")
        if not camera.folder:
            expect(page.locator(".outlet")).to_contain_text(re.compile(r"waits until it is heard, until .+ at most"))

        page.goto(f"{reverse('admin:meters_meter_switch', args=['off'])}?meter={Meter.objects.first().pk}")
        camera.take(page, "broker-admin")
        if not camera.folder:
            expect(page.locator("form").last).to_contain_text(re.compile(r"the order waits, until .+ at most"))

        page.goto("/stay/")
        expect(page.locator(".outlet")).to_have_attribute("data-old", "")
        camera.take(page, "broker-guest")
        if not camera.folder:
            expect(page.locator(".outlet .hint")).to_have_text(re.compile(r"waits for it, until .+ at most"))
    until(lambda: WorkerState.objects.exclude(connected_at=None).exists(), "the worker to be connected again")


# --- Redis -----------------------------------------------------------------------------------------------------------


def test_without_redis_boards_ask_every_few_seconds_and_say_so(site: Site, browser: Browser, camera: Camera) -> None:
    with screen(site, browser, "1400", language(camera), **site.cookies) as page:
        page.goto("/board/")
        expect(page.locator("#lamp")).to_have_attribute("data-link", "live", timeout=SOON_MS)
        with away(site.services.valkey):
            expect(page.locator("#lamp")).to_have_attribute("data-link", "polling", timeout=SOON_MS)
            page.goto("/board/")
            expect(page.locator("#lamp")).to_have_attribute("data-link", "polling", timeout=SOON_MS)
            site.north.talker.say(f"north/{site.north.name(0)}", told_now(site.north, power=4321))
            expect(page.locator(".tile .power").filter(has_text=re.compile("4.?321"))).to_have_count(1, timeout=SOON_MS)
            expect(page.locator("#banner")).to_be_hidden()
            camera.take(page, "redis-board")
            assert '"redis": "redis_away"' in site.ask("/health/ready")[1]
        expect(page.locator("#lamp")).to_have_attribute("data-link", "live", timeout=SOON_MS)


def told_now(fleet: Fleet, **values: Any) -> dict[str, Any]:
    return fleet.reading(0, 2, last_seen=datetime.now(UTC).isoformat(), **values)


# --- a Zigbee2MQTT ---------------------------------------------------------------------------------------------------


def test_without_one_zigbee2mqtt_its_area_alone_is_greyed_and_says_why(
    site: Site, browser: Browser, camera: Camera
) -> None:
    with screen(site, browser, "1400", language(camera), **site.cookies) as page:
        page.goto("/board/")
        south, north = page.locator("[data-area=south]"), page.locator("[data-area=north]")
        expect(south.locator(".tile[data-state=load]")).to_have_count(5, timeout=SOON_MS)
        site.south.talker.cut()
        expect(south.locator(".tile[data-state=offline]")).to_have_count(5, timeout=SOON_MS)
        expect(south.locator(".area-bridge")).not_to_be_empty()
        expect(north.locator(".tile[data-state=load]")).to_have_count(12)
        camera.take(page, "zigbee2mqtt-board")
        if not camera.folder:
            expect(south.locator(".area-bridge")).to_contain_text("Zigbee2MQTT is not running")
    site.south = Fleet(site.broker.url, "south", 5)
