"""The socket of a guest's page: his own stay alone, asked anew each time, closed when it ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from uvicorn.protocols.utils import ClientDisconnected

from bookings import links, reports
from bookings.models import PortalLink, Stay, StayMeter
from bookings.portal import app, consumer, door, hub, pulse
from meters.models import Meter
from tests import make
from tests.bookings.guest import enter
from tests.meters import test_board as boards

group = boards.group
HOUR = timedelta(hours=1)


def camper(number: str = "101") -> tuple[Stay, Meter]:
    stay = make.stay(make.pitch(number), began_at=timezone.now() - HOUR)
    make.guest(stay.booking)
    meter = make.switchable(number, relay=True)
    type(meter.state).objects.filter(pk=meter.pk).update(power_w=1240, power_at=timezone.now())
    make.line(stay, meter, pitch=stay.pitch, since=timezone.now() - HOUR)
    return stay, meter


def socket_of(stay: Stay | None, **values: Any) -> boards.Socket:
    return boards.Socket(enter(stay) if stay else Client(), path="/stay/live/", **values)


async def open_page(stay: Stay) -> boards.Socket:
    socket = await sync_to_async(socket_of)(stay)
    assert await socket.connect()
    return socket


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "REST_S", 0.01)
    monkeypatch.setattr(hub, "TICK_S", 0.0)


@pytest.fixture
async def page(group: str) -> AsyncIterator[tuple[boards.Socket, Stay, Meter]]:
    stay, meter = await sync_to_async(camper)()
    socket = await open_page(stay)
    yield socket, stay, meter
    await socket.leave()


async def tell(meter: Meter, group: str, **values: Any) -> None:
    """The meter tells something, and the worker that it did."""
    await type(meter.state).objects.filter(pk=meter.pk).aupdate(**values)
    await boards.say(group, {"type": "tick", "meters": [{"id": meter.pk}], "areas": []})


async def test_a_page_that_opens_is_told_all_there_is(page: Any) -> None:
    socket, _stay, meter = page
    (outlet,) = (await socket.hear())["outlets"]
    assert (outlet["id"], outlet["power_w"]) == (meter.pk, 1240)
    assert outlet["until"] > outlet["heard_at"]


async def test_what_a_page_is_told_fits_what_it_shows(page: Any) -> None:
    """Else each page would load itself anew as soon as it stands."""
    socket, stay, _meter = page
    told = await socket.hear()
    shown = await sync_to_async(lambda: enter(stay).get(reverse("portal-page")).content.decode())()
    assert f'data-key="{told["key"]}"' in shown


async def test_new_watts_are_told_and_are_no_reason_to_load_the_page_anew(page: Any, group: str) -> None:
    socket, _stay, meter = page
    first = await socket.hear()
    await tell(meter, group, power_w=300)
    second = await socket.hear()
    assert second["outlets"][0]["power_w"] == 300
    assert second["key"] == first["key"]


async def test_another_position_is_a_reason_to_load_the_page_anew(page: Any, group: str) -> None:
    socket, _stay, meter = page
    first = await socket.hear()
    await tell(meter, group, relay=False)
    assert (await socket.hear())["key"] != first["key"]


async def test_what_others_meters_tell_is_not_told(page: Any, group: str) -> None:
    socket, _stay, meter = page
    await socket.hear()
    _other, foreign = await sync_to_async(camper)("102")
    await tell(foreign, group, power_w=5)
    await tell(meter, group, power_w=6)
    told = await socket.hear()
    assert [outlet["id"] for outlet in told["outlets"]] == [meter.pk]
    assert told["outlets"][0]["power_w"] == 6


async def test_a_page_hears_nothing_where_nothing_changed(page: Any, group: str) -> None:
    socket, _stay, meter = page
    await socket.hear()
    await boards.say(group, {"type": "tick", "meters": [{"id": meter.pk}], "areas": []})
    assert await socket.receive_nothing(timeout=0.3)


async def test_a_meter_that_is_the_guests_no_more_is_told_no_more(page: Any, group: str) -> None:
    socket, _stay, meter = page
    await socket.hear()
    await StayMeter.objects.all().adelete()
    await tell(meter, group, power_w=7)
    assert (await socket.hear())["outlets"] == []


async def end_stay(stay: Stay) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    await Stay.objects.filter(pk=stay.pk).aupdate(
        status=Stay.Status.LEFT, ended_at=long_ago, departure=long_ago.date(), arrival=long_ago.date()
    )


async def revoke(stay: Stay) -> None:
    await PortalLink.objects.filter(stay=stay).aupdate(revoked_at=timezone.now())


@pytest.mark.parametrize("over", [end_stay, revoke])
async def test_it_is_closed_when_the_stay_or_the_link_is_over(
    over: Any, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no meter tells anything any more."""
    monkeypatch.setattr(hub, "CHECKED_EVERY_S", 0.1)
    socket, stay, _meter = page
    await socket.hear()
    await over(stay)
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": hub.NOT_OPEN}


@pytest.mark.parametrize("cookie", [None, "1-abc:forged"])
async def test_without_a_cookie_that_proves_a_stay_nothing_is_told(cookie: str | None, group: str) -> None:
    client = Client()
    if cookie:
        client.cookies[door.COOKIE] = cookie
    socket = boards.Socket(client, path="/stay/live/")
    assert await socket.connect()
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": hub.NOT_OPEN}


async def test_a_page_on_another_site_is_refused(group: str) -> None:
    stay, _meter = await sync_to_async(camper)()
    socket = await sync_to_async(socket_of)(stay, origin="http://evil.example")
    assert not await socket.connect()


async def test_a_guest_is_told_nothing_of_the_boards(page: Any, group: str) -> None:
    _socket, stay, _meter = page
    board = await sync_to_async(lambda: boards.Socket(enter(stay)))()
    assert not await board.connect()


async def test_what_a_page_says_is_not_listened_to(page: Any, group: str) -> None:
    socket, _stay, meter = page
    await socket.hear()
    await socket.say('{"type": "snapshot"}')
    await socket.send_input({"type": "websocket.receive", "bytes": b"\xff"})
    await tell(meter, group, power_w=8)
    assert (await socket.hear())["outlets"][0]["power_w"] == 8


async def test_a_quiet_page_gets_a_sign_of_life(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "CHECKED_EVERY_S", 0.1)
    monkeypatch.setattr(hub, "SIGN_OF_LIFE_S", 0.0)
    socket, _stay, _meter = page
    first = await socket.hear()
    assert (await socket.hear())["now"] > first["now"]


async def test_a_telephone_that_takes_nothing_is_dropped(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    socket, _stay, _meter = page
    await socket.hear()
    monkeypatch.setattr(consumer, "SEND_TIMEOUT_S", 0)
    monkeypatch.setattr(hub, "CHECKED_EVERY_S", 0.1)
    monkeypatch.setattr(hub, "SIGN_OF_LIFE_S", 0.0)
    assert await socket.receive_output(timeout=5) == {"type": "websocket.close", "code": hub.TOO_SLOW}


async def test_the_end_of_a_page_that_has_gone_is_no_failure() -> None:
    async def send(message: dict[str, Any]) -> None:
        raise ClientDisconnected

    gone = consumer.StayConsumer()
    gone.base_send = send
    await gone.end(hub.TOO_SLOW)


async def test_a_database_that_fails_for_a_moment_ends_no_page(
    page: Any, group: str, caplog: pytest.LogCaptureFixture
) -> None:
    socket, _stay, meter = page
    await socket.hear()
    await run("ALTER TABLE bookings_portallink RENAME TO taken_away")
    try:
        await tell(meter, group, power_w=9)
        async with asyncio.timeout(10):
            while "could not be told" not in caplog.text:
                await asyncio.sleep(0)
    finally:
        await run("ALTER TABLE taken_away RENAME TO bookings_portallink")
    await tell(meter, group, power_w=10)
    assert (await socket.hear())["outlets"][0]["power_w"] == 10


@sync_to_async
def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_many_pages_take_as_many_queries_as_one() -> None:
    marks = set()
    for number in range(12):
        stay, _meter = camper(str(200 + number))
        links.make(stay, None)
        marks.add(links.mark(PortalLink.objects.get(stay=stay)))
    with CaptureQueriesContext(connection) as seen:
        told = pulse.of_marks(marks, timezone.now())
    assert all(told.values())
    assert len(seen) == 4


# --- the app ---------------------------------------------------------------------------------------------------------


def test_the_manifest_names_icons_that_are_there() -> None:
    told = Client().get(reverse("portal-manifest"))
    assert told["Content-Type"] == "application/manifest+json"
    assert told.json()["start_url"] == told.json()["scope"] == "/stay/"
    for icon in told.json()["icons"]:
        assert finders.find(icon["src"].removeprefix("/static/")), icon
    assert {icon["sizes"] for icon in told.json()["icons"]} == {f"{size}x{size}" for size in app.SIZES}


def test_the_worker_is_asked_for_each_time_and_knows_no_guest() -> None:
    answer = Client().get(reverse("portal-worker"))
    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    assert not answer.cookies


# --- the hub ---------------------------------------------------------------------------------------------------------


class Phone:
    """A page whose line may take nothing, and that may take its time to close."""

    def __init__(self, mark: str, *, is_stuck: bool = False) -> None:
        self.mark, self.is_stuck = mark, is_stuck
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def tell(self, told: Any) -> None:
        if self.is_stuck:
            raise TimeoutError
        self.told.put_nowait(told)

    async def end(self, code: int) -> None:
        await asyncio.sleep(0)  # a close that has to wait
        if self.is_stuck:
            await asyncio.Event().wait()
        self.ended.set_result(code)


async def mark_of(stay: Stay) -> str:
    secret = await sync_to_async(links.make)(stay, None)
    link = await sync_to_async(links.check)(secret, timezone.now())
    assert link
    return links.mark(link)


async def test_a_telephone_that_takes_nothing_holds_up_no_other(group: str) -> None:
    stay, meter = await sync_to_async(camper)()
    mark, ours = await mark_of(stay), hub.Hub()
    stuck, well = Phone(mark, is_stuck=True), Phone(mark)
    async with asyncio.timeout(10):
        for phone in (stuck, well):
            ours.join(phone)
        await well.told.get()
        await tell(meter, group, power_w=7)
        assert (await well.told.get())["outlets"][0]["power_w"] == 7
    ours.leave(well)


async def test_the_last_page_is_closed_too_however_long_that_takes(group: str) -> None:
    stay, _meter = await sync_to_async(camper)()
    ours = hub.Hub()
    phone = Phone(await mark_of(stay))
    await revoke(stay)
    async with asyncio.timeout(10):
        ours.join(phone)
        assert await phone.ended == hub.NOT_OPEN


async def test_of_too_many_pages_of_one_link_the_oldest_is_closed(group: str) -> None:
    stay, _meter = await sync_to_async(camper)()
    mark, ours = await mark_of(stay), hub.Hub()
    phones = [Phone(mark) for _ in range(hub.MOST_OF_A_LINK + 1)]
    async with asyncio.timeout(10):
        for phone in phones:
            ours.join(phone)
        assert await phones[0].ended == hub.TOO_MANY
        await phones[-1].told.get()
    for phone in phones:
        ours.leave(phone)


async def test_a_report_that_is_solved_is_a_reason_to_load_the_page_anew(page: Any, group: str) -> None:
    socket, stay, meter = page
    first = await socket.hear()
    report = await sync_to_async(reports.report)(stay, "no_power", "", None, timezone.now(), "en")
    await tell(meter, group, power_w=11)
    second = await socket.hear()
    assert second["key"] != first["key"]
    await sync_to_async(reports.solve)(report, await sync_to_async(make.staff)("b"), "", timezone.now())
    await tell(meter, group, power_w=12)
    assert (await socket.hear())["key"] not in (first["key"], second["key"])
