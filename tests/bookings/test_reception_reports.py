"""What guests reported, on reception's pages and in the admin: first of all, whole, and solved with one click."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import formats, timezone, translation

from bookings import reports
from bookings.models import ProblemReport, Stay
from bookings.reception import reports as shown_reports
from meters.models import Command, Source, Want
from tests import make
from tests.bookings.test_reception import HOME, may, of, reception, settled, sheet

pytestmark = pytest.mark.django_db
reception = reception  # a fixture
LIST = reverse("admin:bookings_problemreport_changelist")


def reported(number: str = "101", kind: str = "no_power", text: str = "", **values: Any) -> tuple[Stay, ProblemReport]:
    stay, meter = settled(number)
    return stay, reports.report(stay, kind, text, meter.pk, values.pop("now", timezone.now()), **values)


def solve(client: Client, report: ProblemReport, **typed: str) -> list[str]:
    answer = client.post(reverse("reception_solved", args=[report.pk]), typed, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def html(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_audit_log_tells_of_a_report_in_words(reception: Client) -> None:
    _stay, report = reported()
    solve(reception, report)
    told = html(of(make.superuser()), reverse("admin:auditlog_logentry_changelist")).replace("</span>", "")
    assert "reported by the guest: I have no power" in told
    assert "solved: I have no power" in told


# --- the first page --------------------------------------------------------------------------------------------------


def test_what_guests_report_stands_above_all_else_until_it_is_solved(reception: Client) -> None:
    _dark, meter = settled("102", relay=False)
    make.want(meter, True, Source.POLICY, ago_s=300, until=timezone.now() + timedelta(hours=1), hold="unasked_off")
    stay, report = reported(text="Seit zehn Uhr <b>dunkel</b>\nHilfe", language="de")
    shown = html(reception, HOME)
    assert "Nothing is to be solved" not in shown
    assert shown.index("Reported by guests") < shown.index("To be solved") < shown.index("Arrivals today")
    for words in ("I have no power", "Seit zehn Uhr &lt;b&gt;dunkel&lt;/b&gt;<br>Hilfe", 'lang="de"', "German", "Anna"):
        assert words in shown, words
    assert sheet(stay) in shown
    assert solve(reception, report, note="breaker put up", home="1") == [
        "It was noted as solved; the guest reads it on his page."
    ]
    report.refresh_from_db()
    assert (report.note, report.solved_by.username) == ("breaker put up", "reception")
    assert "Reported by guests" not in html(reception, HOME)


def test_the_meter_is_told_as_it_was_then(reception: Client) -> None:
    stay, meter = settled()
    now = timezone.now()
    day_before = now - timedelta(days=2)
    values = {"relay_at": day_before, "power_w": 1240, "power_at": now, "heard_at": now}
    type(meter.state).objects.update(relay=False, counter_kwh="12.34", counter_at=now, **values)
    want = make.want(meter, True, Source.STAFF, reason="tested", hold=Want.Hold.UNASKED_OFF)
    make.command(want, status=Command.Status.FAILED, failure=Command.Failure.NO_ANSWER, created_at=now)
    reports.report(stay, "no_power", "", None, now)
    type(meter.state).objects.update(relay=True, power_w=7)
    shown = html(reception, HOME)
    with translation.override("en"):
        clock = formats.time_format(timezone.localtime(now))
    for words in (
        "101,1",
        ">off<",
        f"1,240 W ({clock})",
        f"counter 12.3 kWh ({clock})",
        f"heard {clock}",
        "should be on: staff · tested",
        "it went off by itself",
        f"switched on {clock}: failed, the meter did not answer",
    ):
        assert words in shown, words
    assert f"as of {timezone.localtime(day_before):%m/%d/%Y} " in shown
    assert ">7 W" not in shown


def test_why_a_meter_was_not_heard_is_said(reception: Client) -> None:
    stay, meter = settled()
    type(meter.state).objects.update(heard_at=timezone.now() - timedelta(days=2))
    reports.report(stay, "no_power", "", None, timezone.now())
    assert "has not been heard" in html(reception, HOME)


def test_what_is_older_than_todays_words_is_told_as_it_was_kept(reception: Client) -> None:
    _stay, report = reported()
    report.state[0] |= {"online": "offline", "reason": "of_old", "hold": "of_old", "wanted": True, "source": "owner"}
    report.save()
    shown = html(reception, HOME)
    assert "should be on: owner · of_old" in shown
    assert ">of_old<" in shown


def test_a_guest_without_an_outlet_is_told_of(reception: Client) -> None:
    reports.report(make.stay(make.pitch("7")), "no_power", "", None, timezone.now())
    assert "had no outlet then" in html(reception, HOME)


def test_of_very_many_the_first_are_shown_and_the_others_counted(
    reception: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_reports, "MOST", 2)
    now = timezone.now()
    for number in ("1", "2", "3"):
        reported(number, text=f"the {number}. wish", now=now + timedelta(seconds=int(number)))
    shown = html(reception, HOME)
    assert "the 2. wish" in shown
    assert "the 3. wish" not in shown
    assert f"{LIST}?solved=open" in shown
    assert "1 more" in shown


def test_it_costs_as_many_queries_with_one_as_with_many(reception: Client) -> None:
    stay, _report = reported("1")
    counts = []
    for numbers in ((), ("2", "3", "4")):
        for number in numbers:
            reported(number)
            reports.report(stay, "other", f"Number {number}", None, timezone.now())
        for url in (HOME, sheet(stay)):
            with CaptureQueriesContext(connection) as asked:
                html(reception, url)
            counts.append(len([query for query in asked if "problemreport" in query["sql"]]))
    assert counts == [1, 1, 1, 1]


# --- who may ---------------------------------------------------------------------------------------------------------


def test_who_may_only_look_solves_nothing() -> None:
    _stay, report = reported()
    looker = may()
    address = reverse("reception_solved", args=[report.pk])
    assert address not in html(looker, HOME)
    assert looker.post(address).status_code == 403
    assert Client().post(address).headers["Location"].startswith("/admin/login/")
    assert may("change_problemreport").get(address).status_code == 405
    report.refresh_from_db()
    assert report.solved_at is None


def test_a_form_without_the_token_solves_nothing() -> None:
    _stay, report = reported()
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.superuser())
    assert client.post(reverse("reception_solved", args=[report.pk])).status_code == 403


def test_who_is_later_is_told_and_changes_nothing(reception: Client) -> None:
    _stay, report = reported()
    reports.solve(report, None, "first", timezone.now())
    assert solve(reception, report, note="second") == ["Somebody has noted this as solved already."]
    report.refresh_from_db()
    assert report.note == "first"


@pytest.mark.parametrize("note", ["x" * 251, "a\x00b"])
def test_a_note_that_cannot_be_kept_is_refused(reception: Client, note: str) -> None:
    _stay, report = reported()
    (told,) = solve(reception, report, note=note)
    assert told.startswith("Note: ")
    report.refresh_from_db()
    assert report.solved_at is None
    assert reception.post(reverse("reception_solved", args=[report.pk + 1])).status_code == 404


# --- a booking's page ------------------------------------------------------------------------------------------------


def test_a_bookings_page_has_its_own_reports_the_open_ones_first(reception: Client) -> None:
    stay, old = reported(text="the first")
    reported("102", text="of somebody else")
    reports.solve(old, make.staff("Birgit"), "<i>fuse</i>", timezone.now())
    assert 'class="urgent"' not in html(reception, sheet(stay))
    reports.report(stay, "kwh", "the second", None, timezone.now() - timedelta(hours=1))
    shown = html(reception, sheet(stay))
    assert shown.index("the second") < shown.index("the first")
    assert "by Birgit" in shown
    assert "&lt;i&gt;fuse&lt;/i&gt;" in shown
    assert "somebody else" not in shown
    assert 'class="urgent"' in shown


def test_solved_on_a_bookings_page_one_stays_there(reception: Client) -> None:
    stay, report = reported()
    answer = reception.post(reverse("reception_solved", args=[report.pk]))
    assert answer.headers["Location"] == sheet(stay)


# --- the admin's list ------------------------------------------------------------------------------------------------


def test_the_list_is_filtered_and_found_by_pitch(reception: Client) -> None:
    _stay, report = reported("101", text="the dark one")
    _stay, solved = reported("102", text="the solved one")
    reports.solve(solved, None, "", timezone.now())
    assert "the dark one" in html(reception, LIST)
    for query, number in (
        ("?solved=open", "101"),
        ("?solved=solved", "102"),
        ("?q=102", "102"),
        ("?solved=x&q=101", "101"),
    ):
        found = reception.get(LIST + query).context["cl"].queryset
        assert [each.stay.pitch.number for each in found] == [number], query
    assert reception.get(reverse("admin:bookings_problemreport_add")).status_code == 403
    assert reception.post(reverse("admin:bookings_problemreport_delete", args=[report.pk])).status_code == 403


def test_several_are_marked_as_solved_at_once(reception: Client) -> None:
    chosen = [reported(number)[1].pk for number in ("101", "102")]
    form = {"action": "mark_solved", "_selected_action": chosen}
    assert "2 reports were noted as solved." in reception.post(LIST, form, follow=True).content.decode()
    assert not reports.open_reports().exists()
    assert "All of these were solved already." in reception.post(LIST, form, follow=True).content.decode()


def test_its_page_tells_all_and_changes_nothing(reception: Client) -> None:
    _stay, report = reported(text="<script>alert(1)</script>")
    page = reverse("admin:bookings_problemreport_change", args=[report.pk])
    shown = html(reception, page)
    assert "101,1" in shown
    assert "&lt;script&gt;alert" in shown
    assert "<script>alert" not in shown
    assert reception.post(page, {"text": "x"}).status_code == 403


def test_who_may_see_no_guests_reads_neither_name_nor_words() -> None:
    _stay, report = reported(text="I am Anna")
    user = make.staff("bookkeeper")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_problemreport", "change_problemreport"]))
    bookkeeper = of(user)
    reports.solve(report, None, "Anna was told", timezone.now())
    for url in (LIST, f"{LIST}?q=M%C3%BCller", reverse("admin:bookings_problemreport_change", args=[report.pk])):
        assert "Anna" not in html(bookkeeper, url)
    assert bookkeeper.get(LIST, {"q": "Müller"}).context["cl"].result_count == 0


def test_a_meter_that_was_removed_since_leaves_what_was_known(reception: Client) -> None:
    stay, _report = reported()
    ProblemReport.objects.update(meter=None)
    assert "101,1" in html(reception, sheet(stay))
