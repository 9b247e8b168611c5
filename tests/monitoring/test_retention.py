"""What is kept, for how long, and that the rest is forgotten: kind by kind, a few rows at a time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.conf import settings
from django.contrib.admin.models import CHANGE
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, Task

from bookings import inbox
from bookings.models import WebhookEvent
from meters import forgetting
from meters.models import AreaHealth, OnlineSpan, QuarantinedReading, RejectedMessage, Watch
from monitoring import tasks
from monitoring.checks import ourselves
from monitoring.models import Forgetting, Incident, Look
from monitoring.retention import nightly, table
from monitoring.retention.table import TABLE, Kept
from tests import make

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NOW = datetime(2026, 11, 29, 4, tzinfo=UTC)


def kept(slug: str) -> Kept:
    return next(each for each in TABLE if each.slug == slug)


def failed(days_ago: float) -> Task:
    at = NOW - days_ago * DAY
    return Task.objects.create(id=f"{days_ago:032}", name="n", func="f", started=at, stopped=at, success=False)


def entry(row: Any, days_ago: int) -> LogEntry:
    told = {"changes": {"a": ["1", "2"]}, "timestamp": NOW - days_ago * DAY}
    return LogEntry.objects.log_create(row, action=LogEntry.Action.UPDATE, **told)


# --- the verbs that were missing -------------------------------------------------------------------------------------


def test_the_audit_log_of_money_outlives_that_of_all_else() -> None:
    charged, hung = make.booking(), make.installed(make.meter(), make.pitch())
    left = {entry(charged, 2000).pk, entry(hung, 2000).pk, entry(make.area(), 700).pk}
    entry(make.area(), 800)
    entry(charged, 2500)
    nightly.run(NOW)
    assert set(LogEntry.objects.filter(timestamp__lt=NOW).values_list("pk", flat=True)) == left


def test_an_event_goes_only_once_nothing_is_left_of_what_it_said() -> None:
    old = NOW - 800 * DAY
    erased, unerased = inbox.store(None, b"{}", old), inbox.store(None, b"{}", old)
    WebhookEvent.objects.filter(pk=erased.pk).update(erased_at=old + DAY)
    young = inbox.store(None, b"{}", NOW)
    WebhookEvent.objects.filter(pk=young.pk).update(erased_at=NOW)
    nightly.run(NOW)
    assert set(WebhookEvent.objects.values_list("pk", flat=True)) == {unerased.pk, young.pk}


def test_log_ins_that_were_not_renewed_are_forgotten_and_others_stay_logged_in() -> None:
    age = timedelta(seconds=settings.SESSION_COOKIE_AGE)
    for key, expires in (("gone", NOW - DAY), ("there", NOW + age / 2)):
        Session.objects.create(session_key=key, session_data="", expire_date=expires)
    nightly.run(NOW)
    assert [each.session_key for each in Session.objects.all()] == ["there"]
    assert Forgetting.objects.get(slug="sessions").oldest_at == NOW - age / 2


def test_jobs_that_failed_long_ago_are_forgotten() -> None:
    failed(91)
    failed(89)
    chief = make.superuser()
    old = AdminEntry.objects.create(user=chief, object_repr="x", action_flag=CHANGE)
    AdminEntry.objects.filter(pk=old.pk).update(action_time=NOW - 800 * DAY)
    nightly.run(NOW)
    assert Failure.objects.count() == 1
    assert not AdminEntry.objects.exists()


def test_incidents_looks_and_health_go_by_their_settings(settings) -> None:
    settings.INCIDENTS_KEPT_DAYS, settings.HEALTH_KEPT_DAYS = 100, 10
    area = make.area()
    for ago in (9, 11, 99, 101):
        at = NOW - ago * DAY
        Incident.objects.create(key=str(ago), code="x", severity="notice", since=at, found_at=at, closed_at=at)
        Look.objects.create(area=None, since=at, until=at)
        AreaHealth.objects.create(area=area, generated_at=at, devices={})
    Incident.objects.create(key="open", code="x", severity="notice", since=NOW - 999 * DAY, found_at=NOW)
    nightly.run(NOW)
    assert set(Incident.objects.values_list("key", flat=True)) == {"9", "11", "99", "open"}
    assert (Look.objects.count(), AreaHealth.objects.count()) == (3, 1)


def test_what_meters_told_beside_readings_goes_by_its_date() -> None:
    meter, old = make.meter(), NOW - 800 * DAY
    OnlineSpan.objects.create(meter=meter, since=old, until=old + DAY)
    last = OnlineSpan.objects.create(meter=meter, since=old + 2 * DAY, until=old + 3 * DAY)
    Watch.objects.create(since=old, until=old + DAY)
    QuarantinedReading.objects.create(meter=meter, measured_at=old, counter_wh=1, reason="fall")
    QuarantinedReading.objects.update(created_at=old)
    RejectedMessage.objects.create(topic="t", code="c", count=1, first_at=old, last_at=old)
    nightly.run(NOW)
    assert list(OnlineSpan.objects.all()) == [last]
    assert not Watch.objects.exists()
    assert not QuarantinedReading.objects.exists()
    assert not RejectedMessage.objects.exists()


# --- a few rows at a time --------------------------------------------------------------------------------------------


def test_rows_go_a_few_at_a_time_each_time_in_a_transaction_of_its_own(monkeypatch) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    for days in range(5):
        failed(days + 100)
    failed(1)
    with CaptureQueriesContext(connection) as captured:
        assert forgetting.forget(Failure.objects.filter(stopped__lt=NOW - 90 * DAY)) == 5
    deletes = [query for query in captured if query["sql"].startswith("DELETE")]
    savepoints = [query for query in captured if query["sql"].startswith("SAVEPOINT")]
    assert (len(deletes), len(savepoints), Failure.objects.count()) == (3, 3, 1)


def test_a_night_that_had_too_much_to_do_leaves_the_rest_to_the_next(monkeypatch) -> None:
    monkeypatch.setattr(forgetting, "AT_ONCE", 2)
    monkeypatch.setattr(forgetting, "MOST", 2)
    for days in range(5):
        failed(days + 100)
    rows = Failure.objects.filter(stopped__lt=NOW)
    assert [forgetting.forget(rows), forgetting.forget(rows), forgetting.forget(rows)] == [4, 1, 0]


def test_kinds_that_waited_the_longest_come_first_and_the_others_when_there_is_time(monkeypatch) -> None:
    told: list[str] = []

    def one(slug: str) -> Kept:
        return Kept(slug, slug, slug, lambda: None, "AUDIT_KEPT_DAYS", lambda before: len(told.append(slug) or ""))

    Forgetting.objects.create(slug="a", at=NOW - DAY)
    Forgetting.objects.create(slug="b", at=NOW - 2 * DAY)
    nightly.run(NOW, [one("a"), one("b"), one("new")])
    assert told == ["new", "b", "a"]
    monkeypatch.setattr(nightly, "LONGEST_S", 0)
    nightly.run(NOW, [one("a")])
    assert told == ["new", "b", "a"]


# --- what is told of it ----------------------------------------------------------------------------------------------


def test_each_kind_tells_when_how_many_how_long_and_what_is_left() -> None:
    failed(200)
    failed(10)
    tasks.forget_what_is_old()
    told = {each.slug: each for each in Forgetting.objects.all()}
    assert set(told) == {each.slug for each in TABLE}
    row = told["failures"]
    assert (row.forgotten, row.oldest_at, row.error) == (1, NOW - 10 * DAY, "")
    assert row.took is not None
    assert timezone.now() - row.at < timedelta(minutes=1)
    assert (told["accounts"].forgotten, told["accounts"].oldest_at) == (None, None)


def broken(before: datetime) -> int:
    raise DatabaseError("no")


def test_one_kind_that_fails_stops_no_other_and_is_found(caplog) -> None:
    bad = Kept("bad", "bad", "because", lambda: None, "AUDIT_KEPT_DAYS", broken)
    good = kept("failures")
    failed(200)
    nightly.run(NOW, [bad, good])
    assert not Failure.objects.exists()
    assert Forgetting.objects.get(slug="bad").error == "DatabaseError"
    assert "bad could not be forgotten" in caplog.text
    (finding,) = ourselves.not_forgotten(NOW)
    assert (finding.code, finding.facts) == ("not_forgotten", {"kinds": 1})
    nightly.run(NOW, [Kept("bad", "bad", "because", lambda: None, "AUDIT_KEPT_DAYS", lambda before: 0), good])
    assert not list(ourselves.not_forgotten(NOW))


def test_a_failure_leaves_told_when_it_was_done_last() -> None:
    bad = Kept("bad", "bad", "because", lambda: None, "AUDIT_KEPT_DAYS", broken)
    Forgetting.objects.create(slug="bad", at=NOW - DAY, forgotten=3)
    nightly.run(NOW, [bad])
    row = Forgetting.objects.get()
    assert (row.at, row.forgotten, row.error) == (NOW - DAY, 3, "DatabaseError")


def test_what_was_not_done_for_three_nights_is_found_and_a_kind_that_is_no_more_is_not() -> None:
    Forgetting.objects.create(slug="failures", at=NOW - 2 * DAY)
    Forgetting.objects.create(slug="older", at=NOW - 4 * DAY)
    (finding,) = ourselves.not_forgotten(NOW)
    assert finding.since == NOW - 4 * DAY
    nightly.run(NOW, [kept("failures")])
    assert not list(ourselves.not_forgotten(NOW))


def test_a_new_site_has_nothing_to_forget() -> None:
    assert not list(ourselves.not_forgotten(NOW))


# --- the table -------------------------------------------------------------------------------------------------------


def test_each_setting_of_the_table_is_there_and_has_a_length() -> None:
    for each in TABLE:
        assert each.setting is None or each.lasts >= DAY / 24
        assert each.prune is None or each.setting
    assert len({each.slug for each in TABLE}) == len(TABLE)


def test_each_setting_that_says_how_long_stands_in_the_table_and_in_the_document() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "retention.md").read_text()
    named = {each.setting for each in TABLE if each.setting}
    assert {name for name in dir(settings) if name.endswith(("_KEPT_DAYS", "_KEPT_YEARS"))} <= named
    assert [name for name in named if f"`{name}`" not in text] == []
    assert table.DAY == DAY


# --- the page --------------------------------------------------------------------------------------------------------

PAGE = "admin:monitoring_forgetting_changelist"


def client(group: str) -> Client:
    user = make.staff(group)
    user.groups.add(Group.objects.get(name=group))
    made = Client(headers={"accept-language": "en"})
    made.force_login(user)
    return made


def test_staff_read_what_is_kept_how_long_why_and_when_the_rest_went() -> None:
    failed(200)
    nightly.run(NOW)
    Forgetting.objects.filter(slug="health").update(error="DatabaseError")
    page = client("technician").get(reverse(PAGE)).content.decode()
    for told in ("Background jobs that failed", "90 days", "6 years", "For ever", "FAILURES_KEPT_DAYS", "1 row, in"):
        assert told in page
    for told in ("five years after the financial year", "DatabaseError", "Forgotten by a job of its own"):
        assert told in page


def test_before_the_first_night_the_page_says_so() -> None:
    assert "has not looked yet" in client("technician").get(reverse(PAGE)).content.decode()


def test_reception_is_not_shown_it() -> None:
    assert client("reception").get(reverse(PAGE)).status_code == 403


def test_the_page_asks_one_query_for_all_kinds(django_assert_num_queries) -> None:
    nightly.run(NOW)
    reader = client("technician")
    reader.get(reverse(PAGE))
    with django_assert_num_queries(5):  # session, user, permissions of the user and of groups; all kinds
        reader.get(reverse(PAGE))
