"""The audit log's pages: who did what to what, in words; found, taken along, and changed by nobody."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import accounts
from meters import commands, requests
from meters.admin import audit_log
from meters.models import Source
from monitoring.models import MaintenanceWindow
from tests import make

pytestmark = pytest.mark.django_db
LIST, EXPORT = reverse("admin:auditlog_logentry_changelist"), reverse("admin:auditlog_logentry_export")


@pytest.fixture
def auditor() -> Client:
    return make.client_of("auditor")


def listed(client: Client, **query: Any) -> list[tuple[str, str, str]]:
    """Who, about what, and what changed; the newest first."""
    model_admin = client.get(LIST, query).context["cl"].model_admin
    found = client.get(LIST, query).context["cl"].result_list
    return [(model_admin.who(each), plain(model_admin.row(each)), plain(model_admin.what(each))) for each in found]


def plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html)


def taken_along(client: Client, **query: Any) -> list[list[str]]:
    answer = client.get(EXPORT, query)
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))


def entry(row: Any, by: User | None = None, days_ago: int = 0, action: int = 1, **changes: Any) -> LogEntry:
    told = {name: ["A", value] for name, value in changes.items()}
    at = timezone.now() - timedelta(days=days_ago)
    return LogEntry.objects.log_create(row, action=action, changes=told, actor=by, timestamp=at)


# --- in words --------------------------------------------------------------------------------------------------------


def test_people_and_machines_and_guests_are_told_apart(auditor):
    meter = make.switchable("101,1")
    commands.want(meter, Source.STAFF, True, "asked", make.staff("Anna"))
    commands.want(meter, Source.POLICY, True, "booked", None, timezone.now() + timedelta(hours=1))
    commands.want(meter, Source.GUEST, True, "", None)
    assert [who for who, *_ in listed(auditor, q="101,1")][:3] == ["a guest", "the software", "Anna"]


def test_what_a_zigbee2mqtt_was_asked_is_told_without_braces(auditor):
    area = make.area("North")
    requests.ask(area, "device/rename", {"from": "0x01", "to": "101,2"}, make.staff("Bo"))
    assert listed(auditor)[0] == ("Bo", "area North", "request: rename a device · asked: from: 0x01, to: 101,2")


def test_a_group_given_and_a_new_password_are_told_and_no_password_is(auditor):
    chief, anna = Client(headers={"accept-language": "en"}), make.staff("Anna")
    chief.force_login(make.superuser())
    form = {"password1": "Teltpløk-2026", "password2": "Teltpløk-2026"}
    chief.post(reverse("admin:auth_user_password_change", args=[anna.pk]), form)
    anna.groups.add(Group.objects.get(name="technician"))
    (_, about, given), *before = listed(auditor)
    assert (about, given) == ("user Anna", "groups: +technician")
    assert {what for who, about, what in before if (who, about) == ("chief", "user Anna")} >= {"password: set anew"}
    assert not LogEntry.objects.filter(changes__icontains="pbkdf2").exists()


def test_money_is_told_with_the_booking_and_who_noted_it(auditor):
    make.tariff()
    booking = make.booking()
    make.used(make.stay(make.pitch(), booking=booking), "10")
    accounts.charge(booking, make.staff("Anna"))
    assert listed(auditor)[0] == ("Anna", f"booking {booking.sirvoy_id}", "charged in Sirvoy: 45.00")


def test_times_numbers_and_lists_are_told_as_here_and_not_as_they_are_stored(auditor):
    window = MaintenanceWindow.objects.create(
        from_at=datetime(2026, 7, 1, 10, tzinfo=UTC), to_at=datetime(2026, 7, 1, 12, tzinfo=UTC), why="cable"
    )
    tariff = make.tariff(kinds=["touring", "cabin"], price=Decimal("4.50"), valid_from=date(2026, 5, 1))
    auditor.defaults["HTTP_ACCEPT_LANGUAGE"] = "da"
    told = {about: what for _, about, what in listed(auditor)}
    assert "01.07.2026 12.00" in next(what for what in told.values() if window.why in what)
    of_tariff = next(what for about, what in told.items() if str(tariff) in about)
    assert "4,50" in of_tariff
    assert "01.05.2026" in of_tariff
    assert "Kind" not in of_tariff
    assert "'" not in of_tariff


# --- finding ---------------------------------------------------------------------------------------------------------


def test_it_is_found_by_person_kind_subject_days_and_words(auditor):
    north, pitch, anna = make.area("North"), make.pitch("7"), make.staff("Anna")
    entry(north, anna, 3, name="Nord")
    entry(pitch, None, 1, fuse_a="16")
    kind = LogEntry.objects.get_for_object(north).first().content_type_id
    yesterday = f"{timezone.localdate() - timedelta(days=1)}"

    def about(**query: Any) -> set[str]:
        return {row for _, row, what in listed(auditor, **query) if "A →" in what}

    assert about() == {"area North", "pitch 7"}
    assert about(who=anna.pk) == about(who="staff") == about(about=kind) == about(q="Nord") == {"area North"}
    assert about(who="others") == about(timestamp_from=yesterday) == {"pitch 7"}
    assert about(timestamp_from=yesterday, timestamp_to=yesterday) == {"pitch 7"}
    assert about(act=1) == {"area North", "pitch 7"}
    assert about(act=2) == set()


@pytest.mark.parametrize(
    "query", [{"who": "x"}, {"who": "9" * 30}, {"act": "9"}, {"about": "x"}, {"timestamp_to": "x"}]
)
def test_what_makes_no_sense_in_the_address_finds_as_if_it_were_not_there(auditor, query):
    entry(make.area("North"), name="Nord")
    assert listed(auditor, **query)


def test_each_sees_what_was_done_to_tables_that_he_may_see(auditor):
    entry(make.staff("Anna"), first_name="Anne")
    entry(make.tariff(), price="5.00")
    technician = make.client_of("technician")
    assert {about.split()[0] for _, about, _ in listed(auditor)} >= {"user", "tariff"}
    assert not {about.split()[0] for _, about, _ in listed(technician)} & {"user", "tariff"}


def test_the_list_costs_the_same_however_many_entries_there_are(auditor, django_assert_num_queries):
    def count() -> int:
        with CaptureQueriesContext(connection) as asked:
            auditor.get(LIST)
        return len(asked)

    entry(make.area(), make.staff("Anna"), name="B")
    auditor.get(LIST)
    few = count()
    for number in range(20):
        entry(make.meter(area=make.area()), make.staff(f"{number}"), note="x")
    assert count() == few == 8


# --- taken along -----------------------------------------------------------------------------------------------------


def test_what_is_listed_is_taken_along_in_words_and_that_is_noted(auditor):
    area = make.area("=1+1")
    entry(area, make.staff("Anna"), name="Nord")
    head, first, *_ = taken_along(auditor, q="Nord")
    assert head == ["when", "who", "kind of act", "table", "about", "what changed", "from the address"]
    assert first[1:] == ["Anna", "changed", "area", "'=1+1", "name: A → Nord", ""]
    noted = LogEntry.objects.order_by("-pk").first()
    assert (noted.action, str(noted.actor)) == (LogEntry.Action.ACCESS, "auditor")
    assert "taken along: q=Nord" in listed(auditor)[0][2]


def test_many_entries_are_taken_along_in_pieces_and_each_once(auditor, monkeypatch):
    monkeypatch.setattr(audit_log, "AT_ONCE", 3)
    area = make.area("North")
    for number in range(8):
        entry(area, name=f"N{number}")
    found = [row[5] for row in taken_along(auditor, q="A") if row[3] == "area" and "A →" in row[5]]
    assert found == [f"name: A → N{number}" for number in reversed(range(8))]


def test_a_file_holds_no_entries_that_its_reader_may_not_see():
    entry(make.staff("Anna"), first_name="Anne")
    assert not any("Anne" in cell for row in taken_along(make.client_of("technician")) for cell in row)


# --- changed by nobody -----------------------------------------------------------------------------------------------


def test_not_even_a_superuser_adds_changes_or_removes_an_entry():
    chief, made = Client(), entry(make.area(), name="B")
    chief.force_login(make.superuser())
    pages = {name: reverse(f"admin:auditlog_logentry_{name}", args=[made.pk]) for name in ("change", "delete")}
    assert chief.get(pages["change"]).status_code == 200
    for page in (*pages.values(), reverse("admin:auditlog_logentry_add")):
        assert chief.post(page, {"post": "yes", "object_repr": "x"}).status_code == 403
    assert not chief.get(LIST).context["action_form"]
    assert LogEntry.objects.get(pk=made.pk).object_repr == made.object_repr
