"""The handbook of reception and technicians (docs/staff-da.md): it says what the screen says, its pictures show it.

The pictures are made by `script/test tests/test_handbook.py --screenshots docs/screenshots/handbook`.
"""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from bookings import reports
from bookings.models import Room, Stay
from campsite import translations
from meters import registry
from meters.models import Area, AreaState, Meter, MeterState, Pitch, Source
from meters.zigbee2mqtt import Event
from monitoring import incidents
from monitoring.findings import Finding, Severity
from monitoring.models import Incident
from tests import make
from tests.meters import test_board_browser as boards
from tests.meters.test_board_browser import Server
from tests.monitoring.test_audit import recommended, reported

browser, server = boards.browser, boards.server  # fixtures
HANDBOOK = Path(settings.BASE_DIR) / "docs" / "staff-da.md"
PHONE, BOARD, DESK = ({"width": w, "height": h} for w, h in ((390, 780), (1400, 390), (1200, 660)))
COLOURS = 96
"""Of a kept picture: enough for these pages, and a third of the size."""


# --- what it says ----------------------------------------------------------------------------------------------------


def test_what_the_handbook_quotes_of_the_screen_is_what_the_screen_says() -> None:
    """Words in italics are the pages' own; where a page changes its words, the handbook must."""
    said = {text for message in translations.read("da") for text in _texts(message.string)}
    written = HANDBOOK.read_text(encoding="utf-8").replace("**", "")
    quoted = {" ".join(words.split()) for words in re.findall(r"\*([^*]+)\*", written)}
    assert len(quoted) > 40
    assert quoted - said == set()


def _texts(string: Any) -> list[str]:
    forms = string if isinstance(string, tuple | list) else [string]
    return [form.rstrip(":…").strip() for form in forms] + list(forms)


# --- its pictures ----------------------------------------------------------------------------------------------------

Open = Callable[..., Page]
Shoot = Callable[..., None]
pictures = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_as(browser: Browser, server: Server, transactional_db: None) -> Iterator[Open]:
    """A page, in Danish, before somebody of this group."""
    contexts = []

    def opened(group: str, url: str, screen: Any) -> Page:
        person, client = make.staff(group, first_name="Mette"), Client()
        person.groups.add(Group.objects.get(name=group))
        client.force_login(person)
        base = f"http://127.0.0.1:{server.port}"
        context = browser.new_context(viewport=screen, locale="da-DK", timezone_id="Europe/Copenhagen", base_url=base)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": base}])
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Keeps a picture of what is before one, or of a part of the page."""
    folder: Path | None = request.config.getoption("--screenshots")

    def take(page: Page, name: str, part: str = "") -> None:
        if not folder:
            return
        folder.mkdir(exist_ok=True)
        taken = page.locator(part).first.screenshot() if part else page.screenshot()
        few = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(folder / f"{name}.png", optimize=True)

    return take


@pytest.fixture
def north(transactional_db: None, settings: Any) -> Area:
    """An area that acts, on an ordinary day; one setting of its Zigbee2MQTT is not as recommended."""
    settings.CHECK_OUT_AT = "23:59"  # nobody is overdue, at whatever hour the pictures are made
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    make.tariff(name="Pr. kWh")
    area = reported("Nord", recommended(availability={"active": {"pause_on_backoff_gt": 0}}))
    Area.objects.update(control=Area.Control.ACT)
    for number in range(110, 134):
        hangs(area, str(number), relay=number % 5 != 0, power_w=0 if number % 3 == 0 else number * 7)
    return area


def hangs(area: Area, number: str, *, relay: bool | None = True, power_w: int = 0, **values: Any) -> Meter:
    """A meter on the pitch of its name, heard just now."""
    now = timezone.now()
    device = {"available": values.pop("available", True)}
    meter = make.meter(number, area=area, **device)
    power_w = power_w if relay else 0
    told = {"relay": relay, "relay_at": now, "power_w": power_w, "power_at": now, "linkquality": 120} | values
    make.state(meter, voltage_v=231, voltage_at=now, counter_kwh="812.40", counter_at=now, energy_kwh="812.40", **told)
    make.installed(meter, Pitch.objects.get_or_create(number=number)[0])
    return meter


def comes(area: Area, number: str, first: str, last: str, *, days: int = 3, relay: bool = True, **values: Any) -> Stay:
    """A guest who is here since yesterday and has used 8.40 kWh."""
    meter = hangs(area, number, relay=relay, power_w=640)
    pitch = Pitch.objects.get(number=number)
    today = timezone.localdate()
    booking = make.booking(arrival=today - timedelta(days=1), departure=today + timedelta(days=days - 1))
    room = Room.objects.create(sirvoy_id=booking.pk, name=number, pitch=pitch, named_at=timezone.now())
    told = {"room_id": room.sirvoy_id, "name": number, "arrival": None, "departure": None, "adults": 2}
    type(booking).objects.filter(pk=booking.pk).update(rooms=[told])
    make.guest(
        booking, first_name=first, last_name=last, language="da", email="gaest@example.com", phone="+45 20123456"
    )
    stay = make.stay(pitch, booking=booking, room=room, began_at=timezone.now() - timedelta(days=1), **values)
    make.line(stay, meter, pitch=pitch)
    until = timezone.now() + timedelta(hours=1)
    make.want(meter, True, Source.POLICY, ago_s=300, until=until, hold="" if relay else "unasked_off")
    make.used(stay, "8.40")
    return stay


def sheet(stay: Stay) -> str:
    return reverse("reception_booking", args=[stay.booking.sirvoy_id])


class TestPictures:
    pytestmark = pictures

    @pytest.mark.parametrize(("size", "name"), [(BOARD, "tavle"), (PHONE, "tavle-telefon")])
    def test_the_board_shows_every_symbol(self, open_as: Open, shoot: Shoot, north: Area, size: Any, name: str) -> None:
        every_state(north)
        page = open_as("reception", reverse("board"), size)
        expect(page.locator("#lamp")).to_have_attribute("data-link", "live")
        for state in ("load", "idle", "off", "offline", "unknown"):
            expect(page.locator(f".tile[data-state='{state}']").first).to_be_attached()
        shoot(page, name)

    def test_each_symbol_has_its_words(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", reverse("board"), BOARD)
        for name in ("load", "idle", "on", "off", "offline", "unknown"):
            expect(page.locator(f".legend .sample[data-state={name}]")).to_be_visible()
            shoot(page, f"tegn-{name}", f".legend .sample[data-state={name}]")
        for name in ("should_on", "should_off", "switching"):
            shoot(page, f"tegn-{name}", f".legend [data-wish={name}]")

    def test_a_tile_is_switched_off_after_a_look(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", reverse("board"), PHONE)
        expect(page.locator("#lamp")).to_have_attribute("data-link", "live")
        page.locator(".tile", has_text="112").click()
        expect(page.get_by_role("button", name="Sluk").first).to_be_visible()
        shoot(page, "maaler")

    def test_everything_automatic_is_stopped_with_one_button(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", reverse("board"), PHONE)
        page.get_by_role("button", name="Stop al automatik").click()
        expect(page.locator("#confirm-dialog")).to_be_visible()
        shoot(page, "stop")

    @pytest.mark.parametrize(("size", "name"), [(DESK, "reception"), (PHONE, "reception-telefon")])
    def test_reception_sees_the_day(self, open_as: Open, shoot: Shoot, north: Area, size: Any, name: str) -> None:
        a_day(north)
        page = open_as("reception", reverse("reception"), size)
        expect(page.get_by_text("Skal løses")).to_be_visible()
        expect(page.get_by_text("Ankomster i dag")).to_be_attached()
        shoot(page, name)

    @pytest.mark.parametrize(("size", "name"), [(DESK | {"height": 800}, "gaest"), (PHONE, "gaest-telefon")])
    def test_a_guest_and_all_that_can_be_done(
        self, open_as: Open, shoot: Shoot, north: Area, size: Any, name: str
    ) -> None:
        page = open_as("reception", sheet(comes(north, "101", "Karen", "Holm")), size)
        for words in ("Flyt gæsten", "Check ud her", "Udskriv gæstens link (QR)"):
            expect(page.get_by_text(words).first).to_be_visible()
        shoot(page, name)

    def test_a_guest_without_power(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        stay = comes(north, "101", "Karen", "Holm", relay=False)
        page = open_as("reception", sheet(stay), PHONE)
        expect(page.locator(".obstacle")).to_contain_text("Den slukkede af sig selv")
        shoot(page, "ingen-stroem")

    def test_a_guest_is_moved(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", sheet(comes(north, "101", "Karen", "Holm")), PHONE)
        summary = page.locator("summary", has_text="Flyt gæsten")
        summary.click()
        page.evaluate("scrollTo(0, 330)")
        shoot(page, "flyt")

    def test_a_guests_page_is_printed_as_a_code(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", sheet(comes(north, "101", "Karen", "Holm")), PHONE)
        page.context.add_init_script("window.print = () => {}")
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="Udskriv gæstens link (QR)").click()
        expect(opened.value.locator("svg.qr")).to_be_visible()
        opened.value.set_viewport_size({"width": 560, "height": 760})
        shoot(opened.value, "kort")

    def test_a_package_is_sold(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("reception", sheet(comes(north, "101", "Karen", "Holm")), DESK)
        page.locator("summary", has_text="Sælg en elpakke").click()
        expect(page.get_by_role("button", name="Sælg")).to_be_visible()
        shoot(page, "elpakke", "aside")

    def test_who_leaves_pays(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        a_day(north)
        page = open_as("reception", reverse("admin:bookings_charge_departures"), DESK | {"height": 420})
        expect(page.get_by_text("Skal opkræves").first).to_be_visible()
        shoot(page, "afrejser")

    def test_what_a_guest_reported_stands_first(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        stay = comes(north, "101", "Karen", "Holm")
        meter = Meter.objects.get(device__friendly_name="101")
        reports.report(stay, "no_power", "Køleskabet er slukket siden i morges.", meter.pk, timezone.now(), "da")
        page = open_as("reception", reverse("reception"), PHONE)
        expect(page.get_by_text("Køleskabet er slukket")).to_be_visible()
        shoot(page, "problem")

    def test_a_new_meter_is_let_in(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        until = timezone.now() + timedelta(seconds=200)
        AreaState.objects.filter(area=north).update(permit_join=True, permit_join_until=until)
        joins(north, "0xa4c138ff00000aaa", "IN_PROGRESS")
        page = open_as("technician", reverse("technician_area", args=[north.slug]), PHONE)
        expect(page.locator(".countdown").first).to_be_visible()
        shoot(page, "ny-maaler")

    def test_a_new_meter_gets_its_name_and_its_pitch(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        meter = joins(north, "0xa4c138ff00000aaa", "SUCCESSFUL")
        make.pitch("134")
        page = open_as("technician", reverse("technician_device", args=[meter.device.ieee_address]), PHONE)
        expect(page.get_by_role("button", name="Giv den dette navn")).to_be_attached()
        shoot(page, "navn")

    def test_a_meter_is_exchanged(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        joins(north, "0xa4c138ff00000aaa", "SUCCESSFUL")
        old = Meter.objects.get(device__friendly_name="112").device.ieee_address
        place = f"{reverse('technician_exchange')}?old={old}&new=0xa4c138ff00000aaa"
        page = open_as("technician", place, {"width": 390, "height": 1000})
        expect(page.get_by_text("Tællerstande og begrundelse")).to_be_visible()
        shoot(page, "udskift")

    def test_the_configuration_audit_shows_what_differs(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        page = open_as("technician", reverse("area_page", args=[north.slug]), {"width": 1200, "height": 520})
        expect(page.get_by_role("button", name="Anvend").first).to_be_visible()
        shoot(page, "konfiguration")

    def test_an_incident_tells_what_to_do(self, open_as: Open, shoot: Shoot, north: Area) -> None:
        found = Finding("bridge_offline", Severity.CRITICAL, north.slug, {"area": north.name})
        for ago_min in (3, 2):
            incidents.take([found], timezone.now() - timedelta(minutes=ago_min))
        incident = reverse("admin:monitoring_incident_change", args=[Incident.objects.get().pk])
        page = open_as("reception", incident, PHONE)
        expect(page.get_by_role("button", name="Jeg tager mig af det")).to_be_visible()
        shoot(page, "haendelse")


def every_state(area: Area) -> None:
    """Beside those that are on and off: one offline, one never heard, one that should be off, one that is weak."""
    hangs(area, "134", available=False)
    make.installed(make.meter("135", area=area), make.pitch("135"))
    stuck = hangs(area, "136", power_w=900)
    make.want(stuck, False, Source.STAFF, ago_s=300)
    hangs(area, "137", power_w=60)
    MeterState.objects.filter(meter__device__friendly_name="137").update(linkquality=12)


def a_day(area: Area) -> None:
    """Who comes today, who leaves today, and what is to be solved."""
    today = timezone.localdate()
    comes(area, "101", "Karen", "Holm", days=1)
    comes(area, "102", "Jens", "Bakke", days=1)
    comes(area, "103", "Anna", "Sommer")
    for number, (first, last) in enumerate((("Lise", "Kjær"), ("Sven", "Lindgren"), ("Uwe", "Brandt")), 104):
        booking = make.booking(arrival=today, departure=today + timedelta(days=4), is_checked_in=False)
        make.guest(booking, first_name=first, last_name=last)
        make.stay(make.pitch(str(number)), booking=booking, status=Stay.Status.EXPECTED)
    comes(area, "107", "Peter", "Lund", relay=False)


def joins(area: Area, ieee: str, interview: str) -> Meter:
    about = {"interview_state": interview, "supported": True, "vendor": "Tongou", "model": "TO-Q-SY1-JZT"}
    meter = make.meter(ieee, area=area, ieee=ieee, **about)
    registry.apply_event(area.pk, Event("device_joined", ieee, ieee, ""), timezone.now())
    make.state(meter, relay=True)
    return meter
