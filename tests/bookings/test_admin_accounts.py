"""Tariffs, packages, departures, files for the accounts and Sirvoy's file, in the admin."""

import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from bookings import accounts
from bookings.models import Booking, Charge, Mode, PackageNotice, PackagePattern, PackageSale, Stay, Tariff
from tests import make

pytestmark = pytest.mark.django_db
D = Decimal
DEPARTURES = reverse("admin:bookings_charge_departures")
EXPORT = reverse("admin:bookings_charge_export")
IMPORT = reverse("admin:bookings_booking_import")
TARIFF = {
    **{"name": "Summer", "mode": "metered", "kinds": ["touring", "cabin"], "valid_from": "2026-05-01"},
    **{"price": "4.50", "vat_percent": "25", "included_kwh_day": "0", "included_kwh_stay": "0"},
    **{"low_kwh": "5", "grace_h": "12"},
}


def person(group: str) -> Client:
    client, user = Client(headers={"accept-language": "en"}), make.staff(f"one of {group}")
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.fixture
def reception() -> Client:
    return person("reception")


@pytest.fixture
def manager() -> Client:
    return person("manager")


def leaving(number: str = "101", kwh: str = "10", **values) -> Booking:
    """Somebody who leaves today."""
    booking = make.booking(departure=timezone.localdate())
    make.guest(booking)
    make.used(make.stay(make.pitch(number), booking=booking, **values), kwh)
    return booking


def note(client: Client, booking: Booking, verb: str = "charge", **fields):
    """As the list's buttons do."""
    today = {"day": timezone.localdate().isoformat()}
    return client.post(reverse("reception_verb", args=[booking.pk, verb]), today | fields, follow=True)


# --- tariffs and packages' texts -------------------------------------------------------------------------------------


def test_a_manager_makes_a_tariff_for_several_kinds_of_pitches(manager):
    answer = manager.post(reverse("admin:bookings_tariff_add"), TARIFF)
    assert answer.status_code == 302
    assert Tariff.objects.get().kinds == ["touring", "cabin"]
    page = manager.get(reverse("admin:bookings_tariff_change", args=[Tariff.objects.get().pk])).content.decode()
    assert page.count("checked") >= 2
    assert "cabin" in manager.get(reverse("admin:bookings_tariff_changelist")).content.decode()


def test_a_new_price_is_the_old_tariff_with_another_day(manager):
    manager.post(reverse("admin:bookings_tariff_add"), TARIFF)
    changed = TARIFF | {"valid_from": "2026-07-01", "price": "4.75", "_saveasnew": "1"}
    manager.post(reverse("admin:bookings_tariff_change", args=[Tariff.objects.get().pk]), changed)
    assert list(Tariff.objects.order_by("valid_from").values_list("price", flat=True)) == [D("4.5"), D("4.75")]


@pytest.mark.parametrize("wrong", [{"kinds": []}, {"kinds": ["castle"]}, {"price": "-1"}, {"price": "x"}])
def test_a_tariff_that_makes_no_sense_is_refused(manager, wrong):
    manager.post(reverse("admin:bookings_tariff_add"), TARIFF | wrong)
    assert not Tariff.objects.exists()


def test_a_text_of_packages_shows_which_extras_it_recognises(manager):
    make.booking(items=[{"description": "Elpakke 50 kWh <b>"}, {"description": "Linned"}])
    manager.post(reverse("admin:bookings_packagepattern_add"), {"pattern": "elpakke # kwh*"})
    page = manager.get(reverse("admin:bookings_packagepattern_change", args=[PackagePattern.objects.get().pk]))
    html = page.content.decode()
    assert "Elpakke 50 kWh &lt;b&gt; → " in html
    assert "Linned" not in html


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pattern": "*"}, "fit every extra"),
        ({"pattern": "# af #"}, "Only one #"),
        ({"pattern": "Elpakke"}, "how many kWh"),
    ],
)
def test_a_text_that_cannot_work_says_why(manager, fields, reason):
    answer = manager.post(reverse("admin:bookings_packagepattern_add"), fields)
    assert reason in answer.content.decode()
    assert not PackagePattern.objects.exists()


def test_reception_reads_tariffs_and_changes_none(reception):
    made = make.tariff()
    assert reception.get(reverse("admin:bookings_tariff_changelist")).status_code == 200
    assert reception.post(reverse("admin:bookings_tariff_change", args=[made.pk]), TARIFF).status_code == 403
    assert reception.get(reverse("admin:bookings_tariff_add")).status_code == 403


# --- departures ------------------------------------------------------------------------------------------------------


def test_the_departures_list_tells_pitch_guest_kwh_and_amount(reception):
    make.tariff()
    leaving()
    html = reception.get(DEPARTURES).content.decode()
    for text in ("101", "Anna Müller", "10.0", "45.00", "still running", "to be charged"):
        assert text in html


def test_noting_a_charge_and_taking_it_back(reception):
    make.tariff()
    booking = leaving()
    answer = note(reception, booking, expected="45.00")
    assert answer.redirect_chain == [(f"{DEPARTURES}?day={timezone.localdate()}", 302)]
    assert "was charged" in answer.content.decode()
    assert Charge.objects.get().by.username == "one of reception"
    assert "Take back" in reception.get(DEPARTURES).content.decode()
    note(reception, booking, "take-back", sure="1")
    assert accounts.bill([booking.pk])[booking.pk].charged == 0


@pytest.mark.parametrize("said", [{}, {"expected": "much"}, {"expected": "sNaN"}])
def test_without_the_amount_that_was_seen_nothing_is_charged(reception, said):
    make.tariff()
    assert "expected: " in note(reception, leaving(), **said).content.decode()
    assert not Charge.objects.exists()


def test_an_amount_that_grew_meanwhile_is_not_noted(reception):
    make.tariff()
    booking = leaving()
    make.used(booking.stays.get(), "1")
    (refused,) = note(reception, booking, expected="45.00").context["messages"]
    assert "Meanwhile it is 49.50" in str(refused)
    assert not Charge.objects.exists()


def test_a_refusal_on_a_list_of_many_says_whose_it_is(reception):
    booking = leaving()
    (refused,) = note(reception, booking, expected="0").context["messages"]
    assert str(refused).startswith(f"{booking}: ")


def test_an_error_is_told_and_a_get_notes_nothing(reception):
    booking = leaving()
    assert "no tariff fits" in note(reception, booking, expected="0").content.decode()
    assert reception.get(reverse("reception_verb", args=[booking.pk, "charge"])).status_code == 405
    assert note(reception, Booking(pk=0)).status_code == 404


@pytest.mark.parametrize("day", ["", "x", "2026-02-30", "9999-01-01", "2026-07-01"])
def test_any_day_may_be_asked_for(reception, day):
    assert "Nobody leaves" in reception.get(DEPARTURES, {"day": day}).content.decode()


def test_the_list_takes_as_many_queries_for_many_as_for_one(reception):
    make.tariff()
    counts = []
    for number in range(4):
        leaving(f"{number}")
        with CaptureQueriesContext(connection) as queries:
            reception.get(DEPARTURES)
        counts.append(len(queries))
    assert counts[1] == counts[-1] <= 25


# --- files -----------------------------------------------------------------------------------------------------------


def exported(client: Client, **query):
    today = timezone.localdate().isoformat()
    return client.get(EXPORT, {"from": today, "to": today, "kind": "departures"} | query)


def test_files_for_the_accounts_come_as_csv_and_excel(reception):
    make.tariff()
    leaving()
    answer = exported(reception, format="csv")
    assert "attachment" in answer["Content-Disposition"]
    assert "45.00" in answer.content.decode("utf-8-sig")
    sheet = load_workbook(io.BytesIO(exported(reception, format="xlsx").content)).active
    assert [row[3] for row in sheet.values] == ["guest", "Anna Müller"]


@pytest.mark.parametrize("kind", ["days", "months", "charges"])
def test_sums_name_no_guest(reception, kind):
    make.tariff()
    accounts.charge(leaving(), make.staff("other"))
    content = exported(reception, kind=kind).content.decode("utf-8-sig")
    assert "45.00" in content
    assert "Anna" not in content


@pytest.mark.parametrize("query", [{"kind": "x"}, {"from": "x"}, {"from": "2020-01-01"}])
def test_a_file_that_cannot_be_made_says_why(reception, query):
    assert exported(reception, **query).status_code == 302


# --- read-only tables ------------------------------------------------------------------------------------------------


def test_what_was_sold_charged_and_told_is_seen_and_not_edited(manager):
    make.tariff(mode=Mode.PACKAGE)
    booking = leaving(status=Stay.Status.IN_HOUSE)
    accounts.sell(booking, D(5), D(25), make.staff())
    accounts.charge(booking, make.staff("other"))
    accounts.watch_packages(timezone.now())
    for model in (PackageSale, Charge, PackageNotice):
        name, row = model._meta.model_name, model.objects.first()
        assert str(booking) in manager.get(reverse(f"admin:bookings_{name}_changelist")).content.decode()
        page = reverse(f"admin:bookings_{name}_change", args=[row.pk])
        assert manager.get(page).status_code == 200
        assert manager.post(page, {}).status_code == 403
        assert manager.get(reverse(f"admin:bookings_{name}_add")).status_code == 403


def test_reception_notes_that_a_guest_was_told_and_sees_that_no_mail_is_sent(reception, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    make.tariff(mode=Mode.PACKAGE)
    leaving()
    accounts.watch_packages(timezone.now())
    page = reverse("admin:bookings_packagenotice_changelist")
    assert "No mail is sent" in reception.get(page).content.decode()
    reception.post(page, {"action": "note_told", "_selected_action": [PackageNotice.objects.get().pk]})
    assert PackageNotice.objects.get().how == PackageNotice.How.STAFF


# --- bookings --------------------------------------------------------------------------------------------------------


def test_bookings_are_found_by_number_name_and_pitch(reception):
    booking = leaving("F44")
    page = reverse("admin:bookings_booking_changelist")
    for words in (str(booking.sirvoy_id), "müller", "F44"):
        assert "Anna Müller" in reception.get(page, {"q": words}).content.decode()
    assert "Anna Müller" not in reception.get(page, {"q": "nobody"}).content.decode()
    assert reception.get(reverse("admin:bookings_booking_change", args=[booking.pk])).status_code == 200


def test_only_a_manager_forgets_a_guest_and_never_one_who_is_here(reception, manager):
    gone = leaving(status=Stay.Status.LEFT)
    Booking.objects.update(is_checked_out=True)
    here = leaving("102")
    form = {"action": "erase_guests", "_selected_action": [gone.pk, here.pk], "sure": "1"}
    page = reverse("admin:bookings_booking_changelist")
    reception.post(page, form)
    gone.guest.refresh_from_db()
    assert gone.guest.erased_at is None
    asked = manager.post(page, {key: value for key, value in form.items() if key != "sure"}).content.decode()
    assert "Forget 2 guests?" in asked
    gone.guest.refresh_from_db()
    assert gone.guest.erased_at is None
    html = manager.post(page, form, follow=True).content.decode()
    gone.guest.refresh_from_db()
    here.guest.refresh_from_db()
    assert (gone.guest.last_name, here.guest.last_name) == ("", "Müller")
    assert "still here" in html


# --- Sirvoy's file ---------------------------------------------------------------------------------------------------


def upload(client: Client, text: str, **fields):
    file = SimpleUploadedFile("export.csv", text.encode(), "text/csv")
    exported_at = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    return client.post(IMPORT, {"file": file, "exported_at": exported_at} | fields)


ARRIVAL, DEPARTURE = (date.today() + timedelta(days=days) for days in (9, 12))  # noqa: DTZ011  (any days to come)
FILE = f"Booking ID,Room No.,Check-in,Check-out,First Name\n47101,101,{ARRIVAL},{DEPARTURE},<b>Eva</b>\nx,101,,,\n"


def test_a_file_is_shown_first_and_then_brought_in(manager):
    answer = upload(manager, FILE)
    html = answer.content.decode()
    assert "&lt;b&gt;Eva&lt;/b&gt;" in html
    assert "Line 3" in html
    assert not Booking.objects.exists()
    done = manager.post(IMPORT, {"kept": answer.context["kept"]})
    assert "It was brought in" in done.content.decode()
    assert Booking.objects.get().guest.first_name == "<b>Eva</b>"
    assert upload(manager, FILE).context["kept"] == ""


def test_what_is_no_export_says_so(manager):
    assert "does not name these columns" in upload(manager, "a,b\n1,2").content.decode()
    assert "in the future" in upload(manager, FILE, exported_at="2099-01-01T10:00").content.decode()
    assert "larger than 1 MB" in upload(manager, "x" * 1_000_001).content.decode()
    assert "too long ago" in manager.post(IMPORT, {"kept": "made up"}).content.decode()


def test_only_a_manager_brings_in_files(reception):
    assert reception.get(IMPORT).status_code == 403
    assert upload(reception, FILE).status_code == 403
    assert "Bring in a file" not in reception.get(reverse("admin:bookings_booking_changelist")).content.decode()
