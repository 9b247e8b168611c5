"""Staff's acts over HTTP: who may, what they lead to, and that nonsense is refused calmly."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from meters import commands
from meters.models import Area, AutomaticStop, Command, Meter, Order, Source, Want
from tests import make

pytestmark = pytest.mark.django_db
ENDPOINTS = [
    "/board/plan/",
    "/board/orders/",
    "/board/orders/1/cancel/",
    "/board/commands/1/cancel/",
    "/board/let-go/",
    "/board/let-go/plan/",
    "/board/stop/",
    "/board/stop/release/",
]


def allowed(*codenames: str) -> User:
    user = make.staff()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="meters"))
    return user


@pytest.fixture
def person() -> User:
    return allowed("switch_meter", "add_automaticstop", "resume_automatic")


@pytest.fixture
def client(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def area() -> Area:
    make.worker()
    return make.area("North")


def post(client: Client, url: str, body: Any = None, **extra: Any) -> tuple[int, Any]:
    """Status and answer."""
    text = body if isinstance(body, str | bytes) else json.dumps(body or {})
    answer = client.post(url, text, content_type="application/json", headers={"accept-language": "en"}, **extra)
    return answer.status_code, answer.json()


def metering(area: Area, relay: bool = False, **device: Any) -> Meter:
    made = make.meter(area=area, **device)
    make.state(made, relay=relay)
    return made


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ENDPOINTS)
def test_who_lacks_the_permission_is_refused(url: str) -> None:
    client = Client()
    assert post(client, url)[0] == 403
    client.force_login(allowed())
    status, answer = post(client, url)
    assert (status, answer["error"]["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("url", ENDPOINTS)
def test_who_is_no_longer_staff_is_refused(url: str) -> None:
    client = Client()
    person = allowed("switch_meter", "add_automaticstop", "resume_automatic")
    client.force_login(person)
    User.objects.update(is_staff=False)
    assert post(client, url)[1]["error"]["code"] == "logged_out"


def test_the_stop_takes_another_permission_than_its_release() -> None:
    client = Client()
    client.force_login(allowed("add_automaticstop"))
    assert post(client, "/board/stop/")[0] == 200
    assert post(client, "/board/stop/release/")[0] == 403


@pytest.mark.parametrize("url", ENDPOINTS)
def test_another_sites_form_is_refused(url: str, person: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    assert client.post(url, "{}", content_type="application/json").status_code == 403
    assert client.get(url).status_code == 405


# --- nonsense --------------------------------------------------------------------------------------------------------

NONSENSE_METERS = [
    *(None, [], {}, "1", 1, [None], ["1"], [1.5], [True], [[1]], [0], [-1], [2**63], [10**400]),
    list(range(1, 3000)),
]


@pytest.mark.parametrize("meters", NONSENSE_METERS, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("url", ["/board/plan/", "/board/orders/", "/board/let-go/", "/board/let-go/plan/"])
def test_nonsense_for_meters_is_refused(client: Client, url: str, meters: Any) -> None:
    status, answer = post(client, url, {"meters": meters, "state": True})
    assert (status, answer["error"]["code"]) == (400, "invalid")


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "null", '"x"', b"\xff", "[" * 100_000, '{"meters": NaN}'])
def test_what_is_no_json_object_is_refused(client: Client, body: Any) -> None:
    assert post(client, "/board/orders/", body)[0] == 400


@pytest.mark.parametrize("state", [None, "on", 1, 0, []])
def test_a_state_is_true_or_false(client: Client, area: Area, state: Any) -> None:
    assert post(client, "/board/plan/", {"meters": [metering(area).pk], "state": state})[0] == 400


@pytest.mark.parametrize("reason", [7, None, [], "a\x00b", "\ud800"])
def test_a_reason_is_text(client: Client, area: Area, reason: Any) -> None:
    body = {"meters": [metering(area).pk], "state": True, "reason": reason}
    assert post(client, "/board/orders/", body)[0] == 400
    assert not Order.objects.exists()


@pytest.mark.parametrize("until", ["x", 7, [], "2020-13-01", "0001-01-01T00:00", "9999-12-31T23:59:59-12:00", True])
def test_an_end_is_a_time_to_come(client: Client, area: Area, until: Any) -> None:
    body = {"meters": [metering(area).pk], "state": True, "until": until}
    status, answer = post(client, "/board/orders/", body)
    assert (status, answer["error"]["code"]) == (400, "bad_time")


def test_a_meter_that_is_not_there_is_told(client: Client, area: Area) -> None:
    body = {"meters": [metering(area).pk, 999_999], "state": True}
    assert post(client, "/board/orders/", body)[0] == 404
    assert post(client, "/board/orders/999999/cancel/")[0] == 404
    assert post(client, "/board/commands/99999999999999999999/cancel/")[0] == 404


# --- what they lead to -----------------------------------------------------------------------------------------------


def test_a_plan_tells_what_would_happen_and_changes_nothing(client: Client, area: Area) -> None:
    on, off = metering(area, relay=True), metering(area)
    away, measuring = metering(area, available=False), metering(area, has_relay=False)
    make.installed(off, make.pitch("101", occupied_until=timezone.now() + timedelta(days=1)))
    ids = [meter.pk for meter in (on, off, away, measuring)]
    status, told = post(client, "/board/plan/", {"meters": ids, "state": False})
    assert status == 200
    assert told | {"meters": 3, "already": 1, "seconds": 1, "needs_reason": True} == told
    assert [meter["id"] for meter in told["offline"]] == [away.pk]
    assert [meter["id"] for meter in told["depending"]] == [off.pk]
    assert [(meter["id"], meter["code"]) for meter in told["skipped"]] == [(measuring.pk, "no_relay")]
    assert not Want.objects.exists()


def test_an_order_makes_wants_of_staff(client: Client, area: Area, person: User) -> None:
    meters = [metering(area), metering(area)]
    body = {"meters": [meter.pk for meter in meters], "state": True, "reason": " new guest ", "key": "k1"}
    status, answer = post(client, "/board/orders/", body)
    assert status == 200
    wants = list(Want.objects.all())
    assert {(w.source, w.state, w.by, w.reason) for w in wants} == {(Source.STAFF, True, person, "new guest")}
    assert Command.objects.filter(order=answer["order"]).count() == 2
    assert post(client, "/board/orders/", body)[1] == answer  # the same click, sent twice
    assert Order.objects.count() == 1


def test_the_power_of_who_may_depend_on_it_is_cut_with_a_reason_only(client: Client, area: Area) -> None:
    meter = metering(area, relay=True)
    make.installed(meter, make.pitch("101", policy="never_cut"))
    body = {"meters": [meter.pk], "state": False}
    status, answer = post(client, "/board/orders/", body)
    assert (status, answer["error"]["code"]) == (400, "needs_reason")
    assert answer["error"]["message"]
    assert post(client, "/board/orders/", body | {"reason": "fire"})[0] == 200


def test_an_end_without_a_zone_is_the_campsites_time(client: Client, area: Area) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    body = {"meters": [metering(area).pk], "state": True, "until": f"{tomorrow}T22:00"}
    assert post(client, "/board/orders/", body)[0] == 200
    until = Want.objects.get().until
    assert until == datetime(tomorrow.year, tomorrow.month, tomorrow.day, 22, tzinfo=ZoneInfo("Europe/Copenhagen"))


def test_an_order_is_cancelled_as_far_as_it_was_not_sent(client: Client, area: Area) -> None:
    meters = [metering(area), metering(area)]
    order = commands.order(meters, True)
    sent = order.commands.first()
    Command.objects.filter(pk=sent.pk).update(claimed_at=timezone.now(), status="sent")
    assert post(client, f"/board/orders/{order.pk}/cancel/") == (200, {"cancelled": 1})
    assert Want.objects.filter(ended_at=None).count() == 1
    assert post(client, f"/board/commands/{sent.pk}/cancel/") == (200, {"cancelled": 0})


def test_letting_go_ends_staffs_want_alone(client: Client, area: Area) -> None:
    meter, other = metering(area), metering(area)
    commands.want(meter, Source.POLICY, False, until=timezone.now() + timedelta(hours=1))
    commands.want(meter, Source.STAFF, True)
    assert post(client, "/board/let-go/", {"meters": [meter.pk, other.pk]}) == (200, {"ended": 1})
    assert [want.source for want in Want.objects.filter(ended_at=None)] == [Source.POLICY]


def test_what_holds_after_letting_go_is_told_before(client: Client, area: Area) -> None:
    on, off, nobody, other = (metering(area, relay=True) for _ in range(4))
    later, soon = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(minutes=1)
    for meter in (on, off, nobody):
        commands.want(meter, Source.STAFF, True)
    commands.want(on, Source.POLICY, False, until=later)
    commands.want(on, Source.CLEANING, True, until=later)
    commands.want(off, Source.POLICY, False, until=later)
    commands.want(nobody, Source.POLICY, False, until=soon)
    Want.objects.filter(until=soon).update(until=timezone.now())  # its time is over
    body = {"meters": [meter.pk for meter in (on, off, nobody, other)]}
    status, told = post(client, "/board/let-go/plan/", body)
    assert (status, told["held"]) == (200, 3)
    seen = {(t["state"], t["source"], t["moving"], *(m["id"] for m in t["meters"])) for t in told["then"]}
    assert seen == {(True, "cleaning", 0, on.pk), (False, "policy", 1, off.pk), (None, None, 0, nobody.pk)}
    assert Want.objects.filter(source=Source.STAFF, ended_at=None).count() == 3


def test_who_may_not_release_a_stop_is_told_whom_to_ask(client: Client, person: User) -> None:
    other = User.objects.create_user("bo", first_name="Bo", last_name="Krogh", is_staff=True)
    other.user_permissions.set(Permission.objects.filter(codename="resume_automatic"))
    User.objects.create_user("guest")
    assert client.get("/board/").context["page"]["releasers"] == []
    person.user_permissions.clear()
    assert client.get("/board/").context["page"]["releasers"] == ["Bo Krogh"]


def test_the_stop_is_pressed_and_released_once(client: Client, person: User) -> None:
    assert post(client, "/board/stop/release/")[1]["error"]["code"] == "not_stopped"
    assert post(client, "/board/stop/", {"reason": "lightning"})[0] == 200
    assert AutomaticStop.objects.get().reason == "lightning"
    status, answer = post(client, "/board/stop/")
    assert (status, answer["error"]["code"]) == (409, "already_stopped")
    assert post(client, "/board/stop/release/") == (200, {})
    assert AutomaticStop.objects.get().ended_by == person


def test_a_superuser_may_do_everything(area: Area) -> None:
    client = Client()
    client.force_login(make.superuser())
    assert post(client, "/board/orders/", {"meters": [metering(area).pk], "state": True})[0] == 200
    assert post(client, "/board/stop/")[0] == 200
