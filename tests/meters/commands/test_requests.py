"""Everything else that is asked of a Zigbee2MQTT: one row, one answer."""

import json
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from meters import requests
from meters.ingest import Ingest
from meters.models import Area, BridgeRequest
from meters.zigbee2mqtt import Response
from tests import make
from tests.meters.messages import message

pytestmark = pytest.mark.django_db

RENAME = "device/rename"


@pytest.fixture
def area() -> Area:
    return make.area()


def sent(area: Area, request: str = RENAME, **values: Any) -> BridgeRequest:
    made = requests.ask(area, request, {"from": "a", "to": "b"}, **values)
    assert requests.claim(made.pk, timezone.now())
    return made


def answer(made: BridgeRequest, **other: Any) -> BridgeRequest:
    """The row after an answer to it, or to something like it."""
    told = {"area_id": made.area_id, "transaction": made.transaction, "request": made.request, "error": ""} | other
    area_id = told.pop("area_id")
    requests.answer(area_id, Response(**{"data": {"to": "b"}} | told), timezone.now())
    made.refresh_from_db()
    return made


@pytest.mark.parametrize(
    "request_", ["backup", "converter/save", "extension/save", "device/remove/x", "", "../restart"]
)
def test_what_is_not_known_to_be_harmless_is_not_asked(area: Area, request_: str) -> None:
    with pytest.raises(requests.UnknownRequest):
        requests.ask(area, request_)
    assert not BridgeRequest.objects.exists()


@pytest.mark.parametrize("request_", sorted(requests.KNOWN))
def test_what_is_known_is_asked_with_a_transaction_of_its_own(area: Area, request_: str) -> None:
    first, second = (requests.ask(area, request_, {"id": "a", "transaction": "theirs"}) for _ in range(2))
    assert first.transaction != second.transaction
    _, topic, payload = requests.waiting()[0]
    assert topic == f"{area.base_topic}/bridge/request/{request_}"
    assert json.loads(payload) == {"id": "a", "transaction": first.transaction}


def test_a_request_is_noted_with_the_person(area: Area) -> None:
    chief = make.superuser()
    requests.ask(area, "permit_join", {"time": 60}, by=chief)
    entry = LogEntry.objects.get(content_type__model="area", changes__has_key="request")
    assert (entry.actor, entry.changes["request"]) == (chief, ["", "permit_join"])


def test_a_request_is_claimed_once_and_may_be_given_back(area: Area) -> None:
    made = requests.ask(area, RENAME)
    now = timezone.now()
    assert [requests.claim(made.pk, now), requests.claim(made.pk, now)] == [True, False]
    assert requests.waiting() == []
    requests.unclaim(made.pk)
    assert len(requests.waiting()) == 1


def test_the_answer_is_stored(area: Area) -> None:
    made = answer(sent(area))
    assert (made.status, made.response, made.error) == ("done", {"to": "b"}, "")


def test_a_refusal_is_stored_with_its_words(area: Area) -> None:
    made = answer(sent(area), error="friendly_name 'b' is already in use", data={})
    assert (made.status, made.error) == ("refused", "friendly_name 'b' is already in use")


@pytest.mark.parametrize("other", [{"transaction": "x"}, {"transaction": ""}, {"request": "device/remove"}])
def test_somebody_elses_answer_changes_nothing(area: Area, other: dict[str, str]) -> None:
    assert answer(sent(area), **other).status == "sent"


def test_another_areas_answer_changes_nothing(area: Area) -> None:
    assert answer(sent(area), area_id=make.area().pk).status == "sent"


def test_an_answer_to_what_was_not_sent_changes_nothing(area: Area) -> None:
    assert answer(requests.ask(area, RENAME)).status == "queued"


def test_the_first_answer_counts(area: Area) -> None:
    made = answer(sent(area))
    assert answer(made, error="late").status == "done"


def test_what_is_not_answered_in_time_is_closed_once_and_a_late_answer_changes_nothing(area: Area) -> None:
    made = sent(area, timeout_s=30)
    now = timezone.now()
    assert requests.close_overdue(now + timedelta(seconds=29)) == 0
    assert requests.close_overdue(now + timedelta(seconds=31)) == 1
    assert requests.close_overdue(now + timedelta(seconds=61)) == 0
    assert answer(made).status == "timed_out"
    assert made.response is None


def test_what_could_not_be_sent_in_time_is_never_sent(area: Area) -> None:
    made = requests.ask(area, RENAME, timeout_s=30)
    requests.close_overdue(timezone.now() + timedelta(seconds=31))
    assert requests.waiting() == []
    assert not requests.claim(made.pk, timezone.now())


def test_nobody_waits_longer_than_five_minutes(area: Area) -> None:
    assert requests.ask(area, RENAME, timeout_s=100_000).timeout_s == 300


def test_finished_requests_are_forgotten_after_a_while(area: Area) -> None:
    answer(sent(area))
    sent(area)
    assert requests.prune(timezone.now()) == 1
    assert BridgeRequest.objects.get().status == "sent"


# --- as it comes from the broker -------------------------------------------------------------------------------------


def test_an_answer_comes_in_through_the_ingest(area: Area) -> None:
    made = sent(area)
    told = {"data": {"from": "a", "to": "b"}, "status": "ok", "transaction": made.transaction}
    Ingest().process([message(f"{area.base_topic}/bridge/response/{RENAME}", told)])
    made.refresh_from_db()
    assert (made.status, made.response) == ("done", {"from": "a", "to": "b"})


def test_a_refusal_comes_in_through_the_ingest(area: Area) -> None:
    made = sent(area)
    told = {"data": {}, "status": "error", "error": "Device 'a' does not exist", "transaction": made.transaction}
    Ingest().process([message(f"{area.base_topic}/bridge/response/{RENAME}", told)])
    made.refresh_from_db()
    assert (made.status, made.error) == ("refused", "Device 'a' does not exist")


def test_an_answer_with_signs_that_no_table_takes_is_an_answer_all_the_same(area: Area) -> None:
    made = sent(area)
    told = {"data": {"from": "a\0"}, "status": "ok", "transaction": made.transaction}
    Ingest().process([message(f"{area.base_topic}/bridge/response/{RENAME}", told)])
    made.refresh_from_db()
    assert made.status == "done"


def test_what_a_restored_database_holds_as_asked_is_never_sent() -> None:
    requests.ask(make.area(), "permit_join", {"time": 60})
    assert requests.forget_open(timezone.now()) == 1
    assert requests.waiting() == []
