"""Switching by the API: bodies, keys, permissions, and what is told of commands and wants."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.authtoken.models import Token

from meters import commands
from meters.commands import queue
from meters.models import Area, Command, Meter, Order, Pitch, Source, Want
from tests import make
from tests.meters.harness import until

IEEE = "0xa4c1380000000001"
POWER = f"meters/{IEEE}/power/"
RELEASE = f"meters/{IEEE}/release/"


def client_of(user: User) -> Client:
    token, _ = Token.objects.get_or_create(user=user)
    return Client(headers={"authorization": f"Token {token.key}"})


def switcher(name: str = "machine") -> User:
    user = make.staff(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=["switch_meter", "view_command"]))
    return user


@pytest.fixture
def user(db: None) -> User:
    return switcher()


@pytest.fixture
def api(user: User) -> Client:
    return client_of(user)


@pytest.fixture
def meter(db: None) -> Meter:
    make.worker()
    return make.meter("101,2", area=make.area("Area 2"), ieee=IEEE)


def get(api: Client, path: str, status: int = 200) -> Any:
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == status, answer.content
    return answer.json()


def post(api: Client, path: str, body: Any = None, status: int = 200, key: str | None = None) -> Any:
    headers = {} if key is None else {"idempotency-key": key}
    answer = api.post(f"/api/v1/{path}", body or {}, content_type="application/json", headers=headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def refused(api: Client, path: str, body: Any = None, status: int = 400, key: str | None = None) -> Any:
    return post(api, path, body, status, key)["error"]


def switch(api: Client, state: str = "on", key: str | None = None, **body: Any) -> Any:
    return post(api, POWER, {"state": state, **body}, 202, key)


def occupied(meter: Meter) -> None:
    make.installed(meter, make.pitch("101", occupied_until=timezone.now() + timedelta(days=1)))


def claimed(command_id: int) -> datetime:
    """As when the worker has taken it to send it."""
    now = timezone.now()
    area = Area.objects.get()
    assert queue.claim(command_id, area.pk, now)
    return now


# --- switching -------------------------------------------------------------------------------------------------------


def test_switching_answers_at_once_with_the_command(api, meter):
    told = switch(api, "on")
    command = Command.objects.get()
    stamp = "%Y-%m-%dT%H:%M:%S.%fZ"
    assert told == {
        "id": command.pk, "meter": IEEE, "state": "on", "status": "queued", "automatic": False, "source": "staff",
        "reason": "", "by": "machine", "until": None, "order": command.order_id, "attempts": 0, "failure": None,
        "failure_text": None, "detail": "", "load": None, "created_at": command.created_at.strftime(stamp),
        "expires_at": command.expires_at.strftime(stamp), "next_attempt_at": None, "sent_at": None,
        "acknowledged_at": None, "confirmed_at": None, "load_at": None, "finished_at": None,
    }  # fmt: skip


def test_the_answer_says_where_the_command_is_read(api, meter):
    answer = api.post(f"/api/v1/{POWER}", {"state": "on"}, content_type="application/json")
    assert api.get(answer["Location"]).json() == answer.json()


def test_reason_and_end_become_the_wants_and_the_audit_logs(api, user, meter):
    told = switch(api, "off", reason="  Water in the outlet ", until="2099-07-02T12:00:00+02:00")
    want = Want.objects.get()
    assert (want.meter, want.source, want.state, want.by) == (meter, Source.STAFF, False, user)
    assert (want.reason, want.until) == ("Water in the outlet", datetime(2099, 7, 2, 10, tzinfo=UTC))
    assert (told["reason"], told["until"]) == ("Water in the outlet", "2099-07-02T10:00:00Z")
    entry = LogEntry.objects.get_for_object(meter).latest("pk")
    assert (entry.actor, entry.changes["wanted"]) == (user, ["None", "off"])
    assert entry.changes["reason"][1] == "Water in the outlet"


def test_an_address_in_capitals_is_switched(api, meter):
    assert post(api, "meters/0xA4C1380000000001/power/", {"state": "on"}, 202)["meter"] == IEEE


def test_a_newer_command_overtakes_the_older_one(api, meter):
    first = switch(api, "on")
    second = switch(api, "off")
    assert get(api, f"commands/{first['id']}/")["status"] == "superseded"
    assert get(api, f"commands/{second['id']}/")["status"] == "queued"


def test_what_is_under_way_for_the_same_serves_the_new_request_too(api, meter):
    first = switch(api, "on")
    claimed(first["id"])
    second = switch(api, "on", reason="again")
    assert (second["id"], second["reason"]) == (first["id"], "again")
    assert second["order"] != first["order"]


def test_a_meter_that_is_offline_is_switched_later(api, meter):
    meter.device.available = False
    meter.device.save()
    assert switch(api)["status"] == "queued"


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [POWER, RELEASE, "commands/1/cancel/"])
def test_without_a_token_nothing_is_switched(meter, path):
    assert refused(Client(), path, {"state": "on"}, 401)["code"] == "not_authenticated"


@pytest.mark.parametrize("path", [POWER, RELEASE, "commands/1/cancel/"])
def test_staff_without_the_permission_may_not_switch(meter, path):
    api = client_of(make.staff("onlooker"))
    error = refused(api, path, {"state": "on"}, 403)
    assert (error["code"], error["message"]) == ("permission_denied", "This needs the permission to switch meters.")
    assert get(api, "meters/")["count"] == 1


@pytest.mark.parametrize("path", ["", "{}/"])
def test_commands_are_told_to_those_who_may_see_them_in_the_admin(api, meter, path):
    address = "commands/" + path.format(switch(api)["id"])
    onlooker = make.staff("onlooker")
    error = get(client_of(onlooker), address, 403)["error"]
    assert (error["code"], error["message"]) == ("permission_denied", "This needs the permission to see commands.")
    onlooker.user_permissions.add(Permission.objects.get(codename="view_command"))
    assert get(client_of(onlooker), address)


def test_the_permission_alone_does_not_make_staff(meter):
    guest = switcher()
    guest.is_staff = False
    guest.save()
    assert refused(client_of(guest), POWER, {"state": "on"}, 403)["code"] == "permission_denied"
    assert client_of(guest).get("/api/v1/commands/").status_code == 403


def test_a_superuser_may(meter):
    assert switch(client_of(make.superuser()))["by"] == "chief"


def test_a_session_needs_the_csrf_token(user, meter):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    error = refused(browser, POWER, {"state": "on"}, 403)
    assert (error["code"], error["message"].startswith("CSRF Failed")) == ("permission_denied", True)
    assert not Command.objects.exists()


def test_a_session_with_the_csrf_token_may(user, meter):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    browser.get("/admin/login/")
    browser.get("/admin/password_change/")
    token = browser.cookies["csrftoken"].value
    answer = browser.post(
        f"/api/v1/{POWER}", {"state": "on"}, content_type="application/json", headers={"x-csrftoken": token}
    )
    assert answer.status_code == 202, answer.content


@pytest.mark.parametrize("path", [POWER, RELEASE])
def test_a_meter_is_not_switched_by_reading(api, meter, path):
    assert get(api, path, 405)["error"]["code"] == "method_not_allowed"


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "state"),
        ({"state": "toggle"}, "state"),
        ({"state": "ON"}, "state"),
        ({"state": ""}, "state"),
        ({"state": None}, "state"),
        ({"state": True}, "state"),
        ({"state": 1}, "state"),
        ({"state": ["on"]}, "state"),
        ({"state": {"on": True}}, "state"),
        ({"state": "on", "reason": 5}, "reason"),
        ({"state": "on", "reason": True}, "reason"),
        ({"state": "on", "reason": None}, "reason"),
        ({"state": "on", "reason": ["because"]}, "reason"),
        ({"state": "on", "reason": "x" * 251}, "reason"),
        ({"state": "on", "reason": "a\x00b"}, "reason"),
        ({"state": "on", "until": ""}, "until"),
        ({"state": "on", "until": "tomorrow"}, "until"),
        ({"state": "on", "until": 1800000000}, "until"),
        ({"state": "on", "until": False}, "until"),
        ({"state": "on", "until": {}}, "until"),
        ({"state": "on", "until": "2099-02-30T00:00:00Z"}, "until"),
        ({"state": "on", "until": "2099-07-01T12:00:00"}, "until"),
        ({"state": "on", "until": "2099-07-01"}, "until"),
        ({"state": "on", "until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"state": "on", "until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"state": "on", "untill": None}, "untill"),
        ({"state": "on", "by": "chief"}, "by"),
        ({"state": "on", "": 1}, ""),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_field(api, meter, body, field):
    error = refused(api, POWER, body)
    assert (error["code"], list(error["fields"])) == ("invalid", [field])
    assert error["message"].startswith(f"{field}: ")
    assert not Want.objects.exists()


def test_a_time_without_its_zone_is_refused_in_words(api, meter):
    error = refused(api, POWER, {"state": "on", "until": "2099-07-01T12:00:00"})
    assert error["fields"]["until"][0].startswith("Has no time zone.")


@pytest.mark.parametrize("text", ["[]", '["on"]', '"on"', "1", "true", "null"])
def test_a_body_that_is_no_object_is_refused(api, meter, text):
    error = refused(api, POWER, text)
    assert (error["code"], error["fields"]) == ("invalid", {})
    assert error["message"]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{'state': 'on'}",
        '{"state": NaN}',
        '{"state": "\\ud800"}',
        '{"\\ud800": 1}',
        '{"state": "on", "reason": "\\udfff"}',
        b"\xff\xfe",
        '{"state": ' + "[" * 50_000 + "]" * 50_000 + "}",
        '{"state": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_json_is_refused(api, meter, text):
    assert refused(api, POWER, text)["code"] == "parse_error"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_only_json_is_taken(api, meter, kind):
    answer = api.post(f"/api/v1/{POWER}", "state=on", content_type=kind)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_a_query_parameter_is_refused(api, meter):
    assert list(refused(api, f"{POWER}?state=on", {"state": "on"})["fields"]) == ["state"]


def test_any_text_may_be_a_reason(api, meter):
    reason = "Strøm væk 🏕️\nsiden «i går»" + "x" * 200
    assert switch(api, reason=reason)["reason"] == reason


def test_errors_are_english_whatever_the_browser_prefers(api, meter):
    occupied(meter)
    answer = api.post(
        f"/api/v1/{POWER}", {"state": "off"}, content_type="application/json", headers={"accept-language": "da"}
    )
    assert answer.json()["error"]["message"] == "Somebody may depend on this power: write why it is switched off."


# --- what is not switched --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Pitch.Policy.NEVER_CUT, Pitch.Policy.MANUAL])
def test_switching_off_a_protected_pitch_needs_a_reason(api, meter, policy):
    make.installed(meter, make.pitch("101", policy=policy))
    error = refused(api, POWER, {"state": "off", "reason": "  "})
    assert (error["code"], list(error["fields"])) == ("needs_reason", ["reason"])
    assert switch(api, "off", reason="Repair")["status"] == "queued"


def test_switching_off_an_occupied_pitch_needs_a_reason_and_switching_on_none(api, meter):
    occupied(meter)
    assert refused(api, POWER, {"state": "off"})["code"] == "needs_reason"
    assert switch(api, "on")["status"] == "queued"


def test_an_end_in_the_past_is_refused(api, meter):
    error = refused(api, POWER, {"state": "on", "until": "2020-01-01T00:00:00Z"})
    assert (error["code"], error["fields"]) == ("bad_time", {"until": ["The end must lie in the future."]})


@pytest.mark.parametrize(
    ("device", "code"), [({"has_relay": False}, "no_relay"), ({"removed_at": datetime(2026, 1, 1, tzinfo=UTC)}, "gone")]
)
def test_a_meter_that_cannot_be_switched_is_a_conflict(api, meter, device, code):
    type(meter.device).objects.filter(pk=meter.device.pk).update(**device)
    error = refused(api, POWER, {"state": "on"}, 409)
    assert (error["code"], error["fields"]) == (code, {})


@pytest.mark.parametrize("path", ["meters/0x1/power/", "meters/%00/power/", "meters/0x1/release/", "meters/0x1/pow/"])
def test_what_does_not_exist_is_not_switched(api, meter, path):
    assert refused(api, path, {"state": "on"} if "power" in path else {}, 404)["code"] == "not_found"


# --- the key of a request that may come twice ------------------------------------------------------------------------


def test_the_same_key_with_the_same_body_leads_to_the_same_command(api, meter):
    first = switch(api, "off", "k1", reason="Repair")
    assert switch(api, "off", "k1", reason=" Repair ", until=None) == first
    assert Order.objects.count() == Want.objects.count() == Command.objects.count() == 1


def test_the_same_key_tells_how_far_the_command_is_meanwhile(api, meter):
    first = switch(api, "off", "k1")
    at = claimed(first["id"])
    queue.note_sent(first["id"], at, at)
    again = switch(api, "off", "k1")
    assert (again["id"], again["status"], again["attempts"]) == (first["id"], "sent", 1)


def test_the_same_key_leads_to_the_first_command_even_when_a_newer_one_stands(api, meter):
    first = switch(api, "off", "k1")
    switch(api, "on", "k2")
    again = switch(api, "off", "k1")
    assert (again["id"], again["status"]) == (first["id"], "superseded")
    assert get(api, f"meters/{IEEE}/")["wanted"] == "on"


def test_the_same_key_leads_to_the_command_that_a_later_request_took_over(api, meter):
    first = switch(api, "on", "k1")
    claimed(first["id"])
    switch(api, "on", "k2", reason="again")
    assert switch(api, "on", "k1")["id"] == first["id"]


def test_the_same_key_is_answered_though_its_end_has_passed(api, meter):
    end = timezone.now() + timedelta(hours=1)
    first = switch(api, "on", "k1", until=end.isoformat())
    past = timezone.now() - timedelta(minutes=1)
    Order.objects.update(until=past)
    assert switch(api, "on", "k1", until=past.isoformat())["id"] == first["id"]


@pytest.mark.parametrize(
    "body",
    [
        {"state": "off", "reason": "r", "until": "2099-01-01T00:00:00Z"},
        {"state": "on", "reason": "s", "until": "2099-01-01T00:00:00Z"},
        {"state": "on", "reason": "r", "until": "2099-01-01T00:00:01Z"},
        {"state": "on", "reason": "r"},
    ],
)
def test_the_same_key_with_another_body_is_refused(api, meter, body):
    switch(api, "on", "k1", reason="r", until="2099-01-01T00:00:00Z")
    error = refused(api, POWER, body, 409, "k1")
    assert (error["code"], error["fields"]) == ("key_used", {})
    assert Command.objects.count() == 1


def test_the_same_time_in_another_zone_is_the_same_body(api, meter):
    first = switch(api, "on", "k1", until="2099-01-01T00:00:00Z")
    assert switch(api, "on", "k1", until="2099-01-01T01:00:00+01:00") == first


def test_the_same_key_for_another_meter_is_refused(api, meter):
    make.meter(area=meter.device.area, ieee="0xa4c1380000000002")
    switch(api, "on", "k1")
    assert refused(api, "meters/0xa4c1380000000002/power/", {"state": "on"}, 409, "k1")["code"] == "key_used"


def test_the_same_key_for_another_meter_is_refused_when_a_later_request_took_the_command_over(api, meter):
    make.meter(area=meter.device.area, ieee="0xa4c1380000000002")
    claimed(switch(api, "on", "k1")["id"])
    switch(api, "on", "k2")
    assert refused(api, "meters/0xa4c1380000000002/power/", {"state": "on"}, 409, "k1")["code"] == "key_used"


def test_the_same_key_of_somebody_else_is_another_one(api, meter):
    first = switch(api, "on", "k1")
    second = switch(client_of(switcher("other")), "on", "k1")
    assert second["id"] != first["id"]


def test_a_request_that_was_refused_does_not_use_up_its_key(api, meter):
    occupied(meter)
    assert refused(api, POWER, {"state": "off"}, 400, "k1")["code"] == "needs_reason"
    assert switch(api, "off", "k1", reason="Repair")["status"] == "queued"


@pytest.mark.parametrize("key", ["", "x" * 101, "nøgle", "a\tb", "a\x7fb", "a\x00b"])
def test_a_key_that_is_empty_too_long_or_not_printable_is_refused(api, meter, key):
    error = refused(api, POWER, {"state": "on"}, 400, key)
    assert (error["code"], list(error["fields"])) == ("invalid", ["Idempotency-Key"])


@pytest.mark.parametrize("key", ["x", "x" * 100, '"8e03978e-40d5"', "a b"])
def test_a_key_may_be_any_printable_text(api, meter, key):
    assert switch(api, "on", key) == switch(api, "on", key)


# --- two at once -----------------------------------------------------------------------------------------------------


def at_once(asks: list[Callable[[], Any]], lock: str, waiting: str) -> list[Any]:
    """What these, each in a thread, answer when none can pass `lock` before all of them wait at it.

    `waiting`: a part of the statement that waits.
    """
    answers: list[Any] = [None] * len(asks)

    def run(number: int) -> None:
        try:
            answers[number] = asks[number]()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[number]) for number in range(len(asks))]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(lock)
        for thread in threads:
            thread.start()
        until(lambda: _blocked(waiting) == len(asks), f"all wait at {waiting}")
    for thread in threads:
        thread.join(30)
    return answers


def _blocked(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s",
            [f"%{statement}%"],
        )
        return int(cursor.fetchone()[0])


def asking(user: User, ieee: str, body: Any, key: str) -> Callable[[], Any]:
    api = client_of(user)
    api.raise_request_exception = False  # it would raise the other threads' errors, too

    def ask() -> Any:
        answer = api.post(
            f"/api/v1/meters/{ieee}/power/",
            body,
            content_type="application/json",
            headers={"idempotency-key": key},
        )
        return answer.status_code, answer.json()

    return ask


METERS_LOCKED = "SELECT id FROM meters_meter FOR UPDATE"
ORDERS_LOCKED = "LOCK TABLE meters_order IN SHARE MODE"


@pytest.mark.django_db(transaction=True)
def test_the_same_request_twice_at_once_is_carried_out_once(transactional_db, user, meter):
    ask = asking(user, IEEE, {"state": "on"}, "k1")
    answers = at_once([ask] * 4, METERS_LOCKED, "FOR NO KEY UPDATE")
    assert [status for status, _ in answers] == [202] * 4
    assert len({told["id"] for _, told in answers}) == 1
    assert Order.objects.count() == Want.objects.count() == Command.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_bodies_with_one_key_at_once_one_is_carried_out(transactional_db, user, meter):
    asks = [asking(user, IEEE, {"state": state}, "k1") for state in ("on", "off")]
    answers = at_once(asks, METERS_LOCKED, "FOR NO KEY UPDATE")
    assert sorted(status for status, _ in answers) == [202, 409]
    assert Command.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_meters_with_one_key_at_once_one_is_switched(transactional_db, user, meter):
    other = make.meter(area=meter.device.area, ieee="0xa4c1380000000002")
    asks = [asking(user, ieee, {"state": "on"}, "k1") for ieee in (IEEE, other.device.ieee_address)]
    answers = at_once(asks, ORDERS_LOCKED, 'INSERT INTO "meters_order"')
    assert sorted(status for status, _ in answers) == [202, 409]
    assert next(told for status, told in answers if status == 409)["error"]["code"] == "key_used"
    assert Order.objects.count() == Want.objects.count() == Command.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_different_requests_at_once_the_last_one_stands(transactional_db, user, meter):
    asks = [asking(user, IEEE, {"state": state}, state) for state in ("on", "off", "on", "off")]
    answers = at_once(asks, METERS_LOCKED, "FOR NO KEY UPDATE")
    assert [status for status, _ in answers] == [202] * 4
    newest = Command.objects.latest("pk")
    assert list(Command.objects.filter(status="queued")) == [newest]
    assert Want.objects.get(ended_at=None) == newest.want


# --- letting go ------------------------------------------------------------------------------------------------------


def test_after_a_release_nobody_wants_anything(api, user, meter):
    command = switch(api, "off")
    told = post(api, RELEASE, {"reason": "Done"})
    assert (told["ieee_address"], told["wanted"], told["want"]) == (IEEE, None, None)
    assert get(api, f"commands/{command['id']}/")["status"] == "cancelled"
    entry = LogEntry.objects.get_for_object(meter).latest("pk")
    assert (entry.actor, entry.changes["wanted"]) == (user, ["off", "None"])
    assert entry.changes["reason"][1] == "Done"


def test_after_a_release_what_others_want_is_in_force(api, meter):
    commands.want(meter, Source.POLICY, True, "stay", until=timezone.now() + timedelta(hours=1))
    switch(api, "off")
    told = post(api, RELEASE)
    assert (told["wanted"], told["want"]["source"], told["want"]["by"]) == ("on", "policy", None)


def test_a_release_without_a_body_is_one(api, meter):
    switch(api, "on")
    assert api.generic("POST", f"/api/v1/{RELEASE}").json()["wanted"] is None


def test_a_release_where_staff_wanted_nothing_changes_nothing(api, meter):
    before = LogEntry.objects.count()
    assert post(api, RELEASE)["wanted"] is None
    assert LogEntry.objects.count() == before


def test_a_release_knows_no_state(api, meter):
    assert list(refused(api, RELEASE, {"state": "on"})["fields"]) == ["state"]


# --- cancelling ------------------------------------------------------------------------------------------------------


def test_a_command_that_waits_can_be_cancelled_and_what_was_wanted_before_stands(api, meter):
    switch(api, "on")
    told = post(api, f"commands/{switch(api, 'off')['id']}/cancel/")
    assert told["status"] == "cancelled"
    assert told["finished_at"] is not None
    assert get(api, f"meters/{IEEE}/")["wanted"] == "on"


def test_a_command_between_two_attempts_can_be_cancelled(api, meter):
    command = switch(api)
    at = claimed(command["id"])
    queue.fail_attempt(command["id"], at, Command.Failure.NOT_MOVED, timezone.now())
    told = post(api, f"commands/{command['id']}/cancel/")
    assert (told["status"], told["attempts"], told["failure"]) == ("cancelled", 1, "not_moved")


def test_cancelling_twice_is_no_error(api, meter):
    path = f"commands/{switch(api)['id']}/cancel/"
    assert post(api, path) == post(api, path)


def test_what_is_under_way_cannot_be_cancelled(api, meter):
    command = switch(api)
    claimed(command["id"])
    assert refused(api, f"commands/{command['id']}/cancel/", status=409)["code"] == "under_way"
    assert get(api, f"meters/{IEEE}/")["wanted"] == "on"


def test_what_is_finished_cannot_be_cancelled(api, meter):
    command = switch(api)
    queue.confirm(command["id"], claimed(command["id"]), timezone.now())
    error = refused(api, f"commands/{command['id']}/cancel/", status=409)
    assert (error["code"], error["message"]) == ("finished", "It is finished: confirmed.")


def test_cancelling_takes_no_body(api, meter):
    assert list(refused(api, f"commands/{switch(api)['id']}/cancel/", {"reason": "x"})["fields"]) == ["reason"]


@pytest.mark.parametrize("path", ["commands/0/", "commands/99999999999999999999/", "commands/x/", "commands/-1/"])
def test_a_command_that_does_not_exist_is_not_found(api, path):
    assert get(api, path, 404)["error"]["code"] == "not_found"
    assert refused(api, f"{path}cancel/", status=404)["code"] == "not_found"


# --- what is told of commands ----------------------------------------------------------------------------------------


def test_a_command_tells_each_grade_of_proof(api, meter):
    path = f"commands/{switch(api, 'off')['id']}/"
    pk = Command.objects.get().pk
    at = claimed(pk)
    assert get(api, path)["status"] == "queued"
    queue.note_sent(pk, at, at)
    assert (get(api, path)["status"], get(api, path)["sent_at"]) == ("sent", at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    queue.acknowledge(pk, at, at)
    assert get(api, path)["status"] == "acknowledged"
    queue.confirm(pk, at, at)
    told = get(api, path)
    assert (told["status"], told["load"], told["load_at"]) == ("confirmed", None, None)
    queue.settle_load(pk, Command.Load.NONE, at)
    assert (get(api, path)["status"], get(api, path)["load"]) == ("confirmed", "none")


def test_a_confirmed_off_with_current_still_flowing_has_failed(api, meter):
    pk = switch(api, "off")["id"]
    now = timezone.now()
    queue.confirm(pk, claimed(pk), now)
    queue.settle_load(pk, Command.Load.FLOWING, now, "6.50 A")
    told = get(api, f"commands/{pk}/")
    assert (told["status"], told["failure"], told["load"], told["detail"]) == ("failed", "load", "flowing", "6.50 A")
    assert told["failure_text"] == "the relay says off, but current still flows"
    assert get(api, f"meters/{IEEE}/")["want"]["hold"] == "load"


def test_a_failed_attempt_is_told_while_the_next_one_waits(api, meter):
    pk = switch(api)["id"]
    queue.fail_attempt(pk, claimed(pk), Command.Failure.UNREACHABLE, timezone.now(), "MAC_NO_ACK")
    told = get(api, f"commands/{pk}/")
    assert (told["status"], told["attempts"], told["finished_at"]) == ("queued", 1, None)
    assert (told["failure"], told["detail"]) == ("unreachable", "MAC_NO_ACK")
    assert told["failure_text"] == "the meter could not be reached by radio"
    assert told["next_attempt_at"] is not None


def test_an_automatic_command_tells_whose_want_it_serves(api, meter):
    want = commands.want(meter, Source.POLICY, False, "unpaid", until=timezone.now() + timedelta(minutes=5))
    queue.make([want], timezone.now(), automatic=True)
    told = get(api, "commands/")["results"][0]
    assert (told["automatic"], told["source"], told["reason"], told["by"], told["order"]) == (
        True, "policy", "unpaid", None, None,
    )  # fmt: skip


def test_who_switched_is_still_named_when_he_no_longer_works_here(api, meter):
    gone = switcher("gone")
    pk = switch(client_of(gone))["id"]
    type(gone).objects.filter(pk=gone.pk).update(is_active=False)
    assert get(api, f"commands/{pk}/")["by"] == "gone"
    assert get(api, f"meters/{IEEE}/")["want"]["by"] == "gone"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["automatic", "second", "first"]),
        (f"meter={IEEE}", ["second", "first"]),
        (f"meter={IEEE.upper().replace('X', 'x')}", ["second", "first"]),
        ("area=area-2", ["second", "first"]),
        ("area=north", ["automatic"]),
        ("status=superseded", ["first"]),
        ("status=queued", ["automatic", "second"]),
        ("automatic=true", ["automatic"]),
        ("automatic=false", ["second", "first"]),
        ("open=true", ["automatic", "second"]),
        ("open=false", ["first"]),
        ("open=true&area=north", ["automatic"]),
        ("limit=1&offset=1", ["second"]),
    ],
)
def test_commands_are_told_the_newest_first_and_can_be_chosen(api, meter, query, expected):
    switch(api, "on", reason="first")
    switch(api, "off", reason="second")
    other = make.meter(area=make.area("North"))
    want = commands.want(other, Source.POLICY, False, "automatic", until=timezone.now() + timedelta(minutes=5))
    queue.make([want], timezone.now(), automatic=True)
    assert [row["reason"] for row in get(api, f"commands/?{query}")["results"]] == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("meter=0x1", "meter"),
        ("meter=%00", "meter"),
        ("area=nowhere", "area"),
        ("status=done", "status"),
        ("automatic=1", "automatic"),
        ("open=yes", "open"),
        ("ordering=id", "ordering"),
        ("limit=501", "limit"),
        ("open=true&open=false", "open"),
    ],
)
def test_a_filter_that_is_unknown_or_wrong_is_refused_by_name(api, query, field):
    error = get(api, f"commands/?{query}", 400)["error"]
    assert (error["code"], list(error["fields"])) == ("invalid", [field])


def test_commands_are_not_made_or_deleted_directly(api, meter):
    pk = switch(api)["id"]
    assert refused(api, "commands/", {"state": "on"}, 405)["code"] == "method_not_allowed"
    assert api.delete(f"/api/v1/commands/{pk}/").status_code == 405


# --- what is told of wants -------------------------------------------------------------------------------------------


def test_a_meter_tells_who_wants_what_and_why(api, meter):
    switch(api, "off", reason="Repair", until="2099-01-01T00:00:00Z")
    want = Want.objects.get()
    told = get(api, f"meters/{IEEE}/")
    assert told["wanted"] == "off"
    assert told["want"] == {
        "state": "off", "source": "staff", "reason": "Repair", "by": "machine", "until": "2099-01-01T00:00:00Z",
        "since": want.since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "hold": None, "hold_text": None,
    }  # fmt: skip
    assert get(api, "meters/")["results"][0]["want"] == told["want"]


def test_the_want_of_the_highest_source_is_told(api, meter):
    commands.want(meter, Source.POLICY, False, until=timezone.now() + timedelta(hours=1))
    assert get(api, f"meters/{IEEE}/")["wanted"] == "off"
    switch(api, "on")
    assert get(api, f"meters/{IEEE}/")["want"]["source"] == "staff"


def test_a_want_whose_time_ran_out_is_not_told(api, meter):
    switch(api, "on")
    Want.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert get(api, f"meters/{IEEE}/")["wanted"] is None


def test_a_want_tells_why_it_is_not_pursued(api, meter):
    switch(api, "on")
    Want.objects.update(hold=Want.Hold.FLIPS)
    told = get(api, f"meters/{IEEE}/")["want"]
    assert (told["hold"], told["hold_text"]) == (
        "flips",
        "it was switched back again and again: somebody may be standing there",
    )


@pytest.mark.parametrize(("path", "queries"), [("meters/", 7), ("commands/", 5), (f"meters/{IEEE}/", 6)])
def test_wants_and_commands_cost_a_constant_number_of_queries(
    api, meter, path, queries, django_assert_num_queries: DjangoAssertNumQueries
):
    meters = [meter]
    for user in (switcher("one"), switcher("two")):
        meters += [make.meter(area=meter.device.area) for _ in range(10)]
        commands.order(meters, True, by=user)
        with django_assert_num_queries(queries):
            get(api, path)


@pytest.mark.parametrize("key", [None, "k1"])
def test_switching_costs_few_queries(api, meter, key, django_assert_max_num_queries: DjangoAssertNumQueries):
    with django_assert_max_num_queries(30):
        switch(api, "on", key)


# --- the description -------------------------------------------------------------------------------------------------


def schema(client: Client, **headers: str) -> Any:
    return client.get("/api/v1/schema/?format=json", headers=headers)


def test_the_schema_refuses_the_anonymous_as_the_rest_does():
    answer = schema(Client(), **{"accept-language": "da"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "not_authenticated")
    assert answer.json()["error"]["message"] == "Authentication credentials were not provided."


@pytest.mark.django_db
def test_the_schema_alone_describes_the_api(api, meter):
    assert api.options(f"/api/v1/{POWER}").status_code == 405


@pytest.mark.django_db
def test_the_schema_is_english_for_danes_too():
    answer = schema(client_of(make.staff()), **{"accept-language": "da"})
    assert answer.status_code == 200
    described = json.dumps(answer.json(), ensure_ascii=False)
    assert "still flows" in described
    assert "strømmen" not in described
    assert "måler" not in described


@pytest.mark.django_db
def test_the_schema_describes_switching():
    paths = schema(client_of(make.staff())).json()["paths"]
    power = paths["/api/v1/meters/{ieee}/power/"]["post"]
    assert [parameter["name"] for parameter in power["parameters"]] == ["Idempotency-Key", "ieee"]
    assert set(power["responses"]) == {"202", "400", "401", "403", "404", "409", "415", "429"}
    assert list(power["requestBody"]["content"]) == ["application/json"]
    assert "Location" in power["responses"]["202"]["headers"]
    for path in ("/api/v1/commands/", "/api/v1/commands/{id}/"):
        assert set(paths[path]) == {"get"}
    filters = [parameter["name"] for parameter in paths["/api/v1/commands/"]["get"]["parameters"]]
    assert filters == ["area", "automatic", "limit", "meter", "offset", "open", "status"]


@pytest.mark.django_db
def test_the_example_of_a_command_has_its_fields(api, meter):
    paths = schema(api).json()["paths"]
    examples = paths["/api/v1/meters/{ieee}/power/"]["post"]["responses"]["202"]["content"]["application/json"]
    assert set(examples["examples"]["Accepted"]["value"]) == set(switch(api))


@pytest.mark.django_db
def test_each_example_of_a_request_is_taken(api, meter):
    paths = schema(api).json()["paths"]
    body = paths["/api/v1/meters/{ieee}/power/"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        value = example["value"]
        if value.get("until"):
            value["until"] = value["until"].replace("2026", "2099")
        assert post(api, POWER, value, 202)["state"] == value["state"]
