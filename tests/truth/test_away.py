"""What every page says of one meter while a part between it and the reader is away. The table is docs/truth.md."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from bookings import links, problems
from bookings.models import PortalLink, Stay
from bookings.portal import facts, pulse
from meters import commands, live, online, words
from meters.models import Area, AreaState, Device, Meter, MeterState, WorkerState
from tests import make
from tests.bookings.guest import enter
from tests.bookings.guest import page as portal

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def nobody_tried() -> None:
    cache.clear()


def plain(page: str) -> str:
    """In one line, and without the scripts' words."""
    return " ".join(unescape(page.split('<script id="words"')[0]).replace("\xa0", " ").split())


@dataclass
class Scene:
    """A guest's outlet that told all there is to tell, each thing at a time of its own; and a member of staff."""

    area: Area
    meter: Meter
    stay: Stay
    staff: Client

    def read(self, url: str) -> str:
        answer = self.staff.get(url)
        assert answer.status_code == 200
        return plain(answer.content.decode())

    def admin(self, table: str) -> str:
        return self.read(reverse(f"admin:meters_{table}_changelist"))


@pytest.fixture
def scene(db: None) -> Scene:
    now = timezone.now()
    area = make.area("North", in_service=True, control="act")
    meter, pitch = make.switchable("101,1", area=area, relay=True), make.pitch("101")
    told: dict[str, Any] = {
        "relay_at": now - 10 * MINUTE,
        "power_w": 432,
        "power_at": now - 11 * MINUTE,
        "voltage_v": Decimal(230),
        "voltage_at": now - MINUTE,
        "counter_kwh": Decimal(5),
        "counter_at": now - 12 * MINUTE,
        "heard_at": now - MINUTE,
    }
    MeterState.objects.update(**told)
    make.installed(meter, pitch)
    stay = make.stay(pitch)
    make.guest(stay.booking, language="en")
    make.line(stay, meter, pitch=pitch)
    staff = Client(headers={"accept-language": "en"})
    staff.force_login(make.superuser())
    return Scene(area, meter, stay, staff)


def silent_worker() -> None:
    WorkerState.objects.update(heartbeat_at=timezone.now() - online.WORKER_SILENCE)


def never_heard() -> None:
    MeterState.objects.all().delete()


Part = tuple[Callable[[], Any], str, str]
AWAY: dict[str, Part] = {
    "the worker": (silent_worker, "unknown", "worker"),
    "the broker": (lambda: WorkerState.objects.update(connected_at=None), "unknown", "worker"),
    "the worker's store": (lambda: WorkerState.objects.update(lag_s=online.MOST_LAG_S), "unknown", "worker"),
    "Zigbee2MQTT": (lambda: AreaState.objects.update(bridge="offline"), "offline", "bridge"),
    "Zigbee2MQTT's word": (lambda: AreaState.objects.update(bridge="unknown"), "unknown", "bridge_unknown"),
    "the device": (lambda: Device.objects.update(available=False), "offline", "unavailable"),
    "the device's voice": (
        lambda: MeterState.objects.update(heard_at=timezone.now() - online.SHORTEST_EXPECTED),
        "offline",
        "silent",
    ),
    "any word of it": (never_heard, "unknown", "never"),
}


@pytest.mark.parametrize("part", AWAY)
def test_of_a_meter_that_is_not_heard_no_page_claims_that_it_is_as_it_last_was(scene: Scene, part: str) -> None:
    take_away, status, reason = AWAY[part]
    take_away()
    is_told = reason != "never"
    with translation.override("en"):
        why = str(online.REASONS[reason])

    (pushed,) = live.snapshot()["meters"]
    assert (pushed["online"], pushed["reason"], pushed["online_until"]) == (status, reason, None)

    told = scene.staff.get(f"/api/v1/meters/{scene.meter.device.ieee_address}/").json()
    assert (told["online"], told["online_reason"]) == ({"offline": False, "unknown": None}[status], reason)
    assert (told["relay_at"] is not None) is (told["relay"] is not None) is is_told
    assert scene.staff.get("/api/v1/areas/north/").json()["meters"] == {"online": 0, "offline": 0, "unknown": 0} | {
        status: 1
    }

    text = scene.read(f"/board/meters/{scene.meter.device.ieee_address}/")
    assert why in text
    assert text.count('<div class="old">') == 6
    assert text.count("never reported") == (2 if is_told else 6)  # current and radio link were never told here

    text = scene.admin("meter")
    assert why in text
    assert ("10 minutes ago" in text) is ("11 minutes ago" in text) is is_told

    text = plain(portal(enter(scene.stay)))
    assert "data-old" in text
    assert "it may be otherwise by now" in text
    assert ("Last known:" in text) is is_told
    assert facts.gather(scene.stay, timezone.now()).power_w is None
    told_to_page = pulse.of_marks([mark := links.mark(PortalLink.objects.get())], timezone.now())[mark]
    assert told_to_page is not None
    assert told_to_page["outlets"][0]["until"] is None

    text = scene.read(reverse("reception_booking", args=[scene.stay.booking.sirvoy_id]))
    assert f'<span class="mark danger">{why}</span>' in text
    assert ("10 minutes ago" in text) is is_told


def test_a_meter_that_is_heard_is_online_on_every_page(scene: Scene) -> None:
    (pushed,) = live.snapshot()["meters"]
    assert (pushed["online"], pushed["reason"]) == ("online", "ok")
    assert scene.staff.get(f"/api/v1/meters/{scene.meter.device.ieee_address}/").json()["online"] is True
    assert '<div class="old">' not in scene.read(f"/board/meters/{scene.meter.device.ieee_address}/")
    assert "11 minutes ago" not in scene.admin("meter")
    assert "data-old" not in portal(enter(scene.stay))
    assert facts.gather(scene.stay, timezone.now()).power_w == 432
    text = scene.read(reverse("reception_booking", args=[scene.stay.booking.sirvoy_id]))
    assert '<span class="mark success">online</span>' in text


@pytest.mark.parametrize(
    ("part", "bridge", "counts"),
    [
        ("the worker", "unknown", "– / 1"),
        ("the broker", "unknown", "– / 1"),
        ("the worker's store", "unknown", "– / 1"),
        ("Zigbee2MQTT", "offline", "0 / 1"),
        ("Zigbee2MQTT's word", "unknown", "– / 1"),
        ("the device", "online", "0 / 1"),
    ],
)
def test_a_zigbee2mqtt_is_said_to_run_only_while_somebody_listens(
    scene: Scene, part: str, bridge: str, counts: str
) -> None:
    AreaState.objects.update(bridge_since=timezone.now() - timedelta(days=3))
    AWAY[part][0]()
    assert scene.staff.get("/api/v1/areas/north/").json()["bridge"] == bridge
    text = scene.admin("area")
    assert counts in text
    state = scene.read(reverse("admin:meters_area_change", args=[scene.area.pk]))
    for page in (text, state):
        assert [
            word
            for word in ("online", "offline", "unknown")
            if f">{word}<" in page.replace("> ", ">").replace(" <", "<")
        ] == [bridge]


@pytest.mark.parametrize(("part", "word"), [("the worker", "unknown"), ("Zigbee2MQTT", "unknown"), ("", "available")])
def test_a_device_is_said_to_be_available_only_while_its_zigbee2mqtt_is_heard(
    scene: Scene, part: str, word: str
) -> None:
    if part:
        AWAY[part][0]()
    for text in (
        scene.admin("device"),
        scene.read(reverse("admin:meters_device_change", args=[scene.meter.device_id])),
    ):
        assert [
            each
            for each in ("available", "unavailable", "unknown")
            if f">{each}<" in text.replace("> ", ">").replace(" <", "<")
        ] == [word]


def test_a_network_that_was_opened_for_a_while_is_not_said_to_be_open_for_ever(scene: Scene) -> None:
    until = timezone.now() - MINUTE
    AreaState.objects.update(permit_join=True, permit_join_until=until)
    page = reverse("admin:meters_area_change", args=[scene.area.pk])
    assert "until" not in scene.read(page).lower().rsplit("open for new devices", 1)[1].split("needs a restart")[0]
    AreaState.objects.update(permit_join_until=timezone.now() + MINUTE)
    assert "until" in scene.read(page).lower().rsplit("open for new devices", 1)[1].split("needs a restart")[0]


@pytest.mark.parametrize("part", ["the worker", "the device"])
def test_of_who_is_not_heard_it_is_not_said_that_it_is_otherwise_than_wanted(scene: Scene, part: str) -> None:
    make.want(scene.meter, False)
    assert "should be off, is not" in scene.admin("meter")
    AWAY[part][0]()
    for text in (scene.admin("meter"), scene.read(f"/board/meters/{scene.meter.device.ieee_address}/")):
        assert "should be off, its position is not known" in text
        assert "should be off, is not" not in text


def test_the_worker_is_not_said_to_be_connected_once_it_is_silent(scene: Scene) -> None:
    assert "connected" in scene.admin("workerstate")
    silent_worker()
    assert "does not run" in scene.admin("workerstate")


def test_of_who_is_not_heard_it_is_not_said_that_it_is_so_already(scene: Scene) -> None:
    chosen = list(online.meters())
    assert commands.orders.preview(chosen, True, timezone.now()).already == 1
    AWAY["the device"][0]()
    told = commands.orders.preview(list(online.meters()), True, timezone.now())
    assert (told.already, told.offline) == (0, chosen)


def test_a_position_that_was_never_told_is_not_said_to_be_otherwise_than_what_then_holds(scene: Scene) -> None:
    make.want(scene.meter, True)
    make.want(scene.meter, False, "policy", until=timezone.now() + MINUTE)

    def moving() -> int:
        body = {"meters": [scene.meter.pk]}
        answer = scene.staff.post("/board/let-go/plan/", body, content_type="application/json")
        return int(answer.json()["then"][0]["moving"])

    assert moving() == 1
    MeterState.objects.update(relay=None)
    assert moving() == 0


def test_a_booking_says_as_of_when_sirvoy_told_it(scene: Scene) -> None:
    type(scene.stay.booking).objects.update(generated_at=datetime(2026, 7, 1, 10, tzinfo=UTC))
    page = scene.read(reverse("reception_booking", args=[scene.stay.booking.sirvoy_id]))
    assert "as of 07/01/2026 noon" in page


# --- reception's problems --------------------------------------------------------------------------------------------


def kinds() -> list[str]:
    return [problem.kind.value for problem in problems.find(timezone.now())]


def test_a_position_that_was_never_told_is_not_said_to_be_off(scene: Scene) -> None:
    MeterState.objects.update(relay=None, relay_at=None)
    (problem,) = problems.find(timezone.now())
    assert (problem.kind, problem.why) == (problems.Kind.SILENT, words.BOARD["relay_unreported"])
    MeterState.objects.update(relay=False)
    assert kinds() == ["dark"]


def test_watts_of_a_meter_that_is_away_are_not_said_to_be_used(scene: Scene) -> None:
    Stay.objects.update(status=Stay.Status.LEFT)
    scene.stay.lines.all().delete()
    assert kinds() == ["lit"]
    AWAY["the device"][0]()
    assert kinds() == []
