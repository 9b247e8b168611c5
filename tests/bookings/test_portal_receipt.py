"""The receipt tells what the ledger and the bill say, to the digit, of one stay alone; on the page and as a PDF."""

import html
import re
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from pypdf import PdfReader

from bookings import accounts, ledger, links
from bookings.models import Correction, Guest, PackageSale, Stay, StayMeter
from bookings.portal import local
from bookings.portal.receipt import facts, pages
from meters.models import Meter, Pitch, Snapshot
from tests import make
from tests.bookings.guest import enter, post

pytestmark = pytest.mark.django_db
PAGE, FILE = reverse("portal-receipt"), reverse("portal-receipt-pdf")
HOUR = timedelta(hours=1)
LANGUAGES = ["da", "de", "nl", "en", "nb", "sv"]
Quality = Snapshot.Quality


def camper(number: str = "101", *, language: str = "en", **guest: Any) -> tuple[Stay, Meter]:
    """A guest who is here, with a meter that stood at 1234.5 kWh three hours ago and stands at 1241.75 now."""
    now = timezone.now()
    stay = make.stay(make.pitch(number), began_at=now - 3 * HOUR)
    make.guest(stay.booking, language=language, **guest)
    return stay, serve(stay, f"{number},1", "1234.5", "1241.75")


def serve(stay: Stay, name: str, start: str, told: str) -> Meter:
    now = timezone.now()
    meter = make.meter(name)
    make.snapshot(meter, now - 3 * HOUR, start)
    make.line(stay, meter, pitch=stay.pitch, since=now - 3 * HOUR)
    make.counted(meter, told, now)
    return meter


def leave(stay: Stay, kwh: str, quality: str = Quality.READ) -> None:
    """All lines end now, at this value."""
    now = timezone.now()
    for line in StayMeter.objects.filter(stay=stay, end=None):
        end = make.snapshot(line.meter, now, kwh)
        Snapshot.objects.filter(pk=end.pk).update(
            quality=quality, settled_at=None if quality == Quality.WAITING else now
        )
        StayMeter.objects.filter(pk=line.pk).update(
            end=end, period=DateTimeTZRange(line.period.lower, now), ended_by="check_out"
        )
    Stay.objects.filter(pk=stay.pk).update(status=Stay.Status.LEFT, ended_at=now)


def shown(stay: Stay) -> str:
    """The words of the page, with single spaces."""
    answer = enter(stay).get(PAGE)
    assert answer.status_code == 200
    return plain(html.unescape(re.sub("<[^>]+>", " ", answer.content.decode())))


def printed(stay: Stay) -> str:
    """The words of the PDF, with single spaces."""
    answer = enter(stay).get(FILE)
    assert answer.status_code == 200
    return read(answer.content)


def read(file: bytes) -> str:
    return plain(" ".join(page.extract_text() for page in PdfReader(BytesIO(file)).pages))


def plain(text: str) -> str:
    return " ".join(text.split())


# --- what it tells ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [shown, printed])
def test_a_stay_that_goes_on_says_so_and_tells_what_is_known(look):
    stay, meter = camper()
    make.tariff()
    told = look(stay)
    assert "Interim electricity statement" in told
    assert "This stay goes on: this is an interim statement, not the final one." in told
    assert meter.device.ieee_address in told
    assert "Outlet 101,1" in told
    assert "Pitch 101" in told
    assert "1,234.500 kWh read" in told
    assert "still running 1,241.750 kWh as of" in told
    assert "7.250" in told
    assert "by the kWh 7.250 DKK 4.50 25% DKK 32.63" in told
    assert "Total, VAT included DKK 32.63 of which VAT DKK 6.53" in told


@pytest.mark.parametrize("look", [shown, printed])
def test_who_has_left_gets_the_start_and_the_end_of_each_line(look):
    stay, _meter = camper()
    make.tariff()
    leave(stay, "1250.125")
    told = look(stay)
    assert "Electricity receipt" in told
    assert "interim" not in told
    assert "1,234.500 kWh read" in told
    assert "1,250.125 kWh read 15.625" in told
    assert "still running" not in told
    assert "DKK 70.31" in told


@pytest.mark.parametrize(
    ("quality", "how_sure", "words", "is_interim"),
    [
        (
            Quality.WAITING,
            "the meter is being asked",
            "A meter is still being asked for its value: the kWh may change.",
            True,
        ),
        (Quality.LAST_KNOWN, "last known", "A meter has not answered: what it told last counts until it does.", False),
        (Quality.ESTIMATED, "estimated", "Where a value was not read, it was estimated between two readings.", False),
    ],
)
def test_how_sure_a_value_is_stands_beside_it_and_above(quality, how_sure, words, is_interim):
    stay, _meter = camper()
    leave(stay, "1250", quality)
    told = shown(stay)
    assert words in told
    assert f"1,250.000 kWh {how_sure}" in told
    assert ("Interim" in told) == is_interim
    assert ("as of" in told) == (quality != Quality.ESTIMATED)


def test_a_meter_that_was_exchanged_is_two_lines_with_two_serials():
    stay, old = camper()
    leave(stay, "1240")
    new = serve(stay, "101,1 new", "3.5", "5")
    Stay.objects.update(status=Stay.Status.IN_HOUSE, ended_at=None)
    told = printed(stay)
    assert told.index(old.device.ieee_address) < told.index(new.device.ieee_address)
    assert "1,240.000 kWh read 5.500" in told
    assert "3.500 kWh read still running 5.000 kWh" in told
    assert "This stay 7.000" in told


@pytest.mark.parametrize("look", [shown, printed])
def test_a_correction_tells_its_reason_and_not_who_made_it(look):
    stay, _meter = camper()
    chief = make.staff("helle")
    ledger.correct(stay, Decimal("-2.25"), "The heater of the neighbour was plugged in", chief)
    ledger.correct(stay, Decimal("1"), "Lamp", chief)
    told = look(stay)
    assert "Correction by reception" in told
    assert "The heater of the neighbour was plugged in -2.250" in told
    assert "Lamp +1.000" in told
    assert "This stay 6.000" in told
    assert "helle" not in told


def test_of_the_bookings_other_pitches_only_their_sum_is_told():
    mine, _meter = camper("101")
    other = make.stay(make.pitch("K102"), booking=mine.booking)
    secret = serve(other, "K102,1", "7000", "7011.125")
    make.used(other, "2")
    stranger, _meter = camper("K103", last_name="Jensen")
    for told in (shown(mine), printed(mine)):
        assert "The other pitches of this booking 13.125" in told
        assert "Used by the whole booking 20.375" in told
        for theirs in (secret.device.ieee_address, "K102", "7,011", "made", "K103", "Jensen"):
            assert theirs not in told
    assert "other pitches" not in shown(stranger)


def test_that_other_pitches_go_on_or_are_estimated_is_said():
    mine, _meter = camper("101")
    leave(mine, "1240")
    other = make.stay(make.pitch("102"), booking=mine.booking)
    serve(other, "102,1", "0", "1")
    assert "Other pitches of this booking go on: its account is not final yet." in shown(mine)
    leave(other, "2", Quality.ESTIMATED)
    told = shown(mine)
    assert "Other pitches of this booking go on" not in told
    assert "What the other pitches used is partly estimated." in told


def test_it_is_the_ledgers_and_the_bills_to_the_digit():
    stay, _meter = camper()
    serve(stay, "101,2", "0.001", "12.348")
    make.tariff(price=Decimal("4.4321"), vat_percent=Decimal("12.5"), included_kwh_day=Decimal("0.5"))
    make.used(stay, "0.333")
    bill = accounts.bill([stay.booking_id])[stay.booking_id]
    (line,) = bill.lines
    used = ledger.used_kwh([stay]).kwh
    assert (used, bill.included_used_kwh, line.energy_kwh) == (Decimal("19.93"), Decimal(1), Decimal("18.93"))
    for told in (shown(stay), printed(stay)):
        assert f"This stay {used:.3f}" in told
        assert "of it included in the price (1.000 kWh) 1.000" in told
        assert f"by the kWh {line.energy_kwh:.3f} DKK 4.4321 12.5% DKK {line.amount}" in told
        assert f"Total, VAT included DKK {bill.amount} of which VAT DKK {bill.vat}" in told


def test_several_tariffs_are_lines_with_their_own_price_and_vat():
    stay, _meter = camper()
    cabin = make.pitch("C1", kind=Pitch.Kind.CABIN)
    make.tariff(kinds=[Pitch.Kind.TOURING], price=Decimal("4.5"))
    make.tariff(kinds=[Pitch.Kind.CABIN], price=Decimal("3.25"), vat_percent=Decimal(12))
    other = make.stay(cabin, booking=stay.booking)
    make.used(other, "10")
    told = printed(stay)
    assert "by the kWh 7.250 DKK 4.50 25% DKK 32.6" in told
    assert "by the kWh 10.000 DKK 3.25 12% DKK 32.50" in told
    bill = accounts.bill([stay.booking_id])[stay.booking_id]
    assert len(bill.lines) == 2
    assert f"DKK {bill.amount} of which VAT DKK {bill.vat}" in told


def test_packages_are_told_with_what_is_left_of_them():
    stay, _meter = camper()
    make.tariff(mode="package", included_kwh_stay=2)
    chief = make.staff("helle")
    PackageSale.objects.create(
        booking=stay.booking, energy_kwh=Decimal(20), price=Decimal(80), vat_percent=Decimal(25), by=chief
    )
    stay.booking.items = [{"description": "El", "quantity": 1, "price": "100", "total": "100", "kwh": "30"}]
    stay.booking.save()
    told = shown(stay)
    assert "Packages bought with the booking (DKK 100.00) are charged with it, not here." in told
    assert "of it included in the price (2.000 kWh) 2.000" in told
    assert "of it from packages (50.000 kWh bought) 5.250" in told
    assert "of it by the kWh 0.000" in told
    assert "Not used yet 44.750" in told
    assert "package bought ahead 20.000 DKK 4.00 25% DKK 80.00" in told
    assert "Total, VAT included DKK 80.00 of which VAT DKK 16.00" in told


@pytest.mark.parametrize("look", [shown, printed])
def test_included_in_the_price_is_said_in_words_and_costs_nothing(look):
    stay, _meter = camper()
    make.tariff(mode="included")
    told = look(stay)
    assert "Electricity is included in your price." in told
    assert "DKK" not in told


def test_without_a_tariff_no_price_is_claimed():
    stay, _meter = camper()
    told = shown(stay)
    assert "Some of the kWh have no price yet: no tariff fits. Ask at reception, please." in told
    assert "by the kWh 7.250 – – –" in told
    assert "DKK" not in told
    assert "Total" not in told


def test_where_only_some_has_a_price_the_rest_is_told_without_one():
    stay, _meter = camper()
    make.tariff(kinds=[Pitch.Kind.CABIN])
    make.used(make.stay(make.pitch("C1", kind=Pitch.Kind.CABIN), booking=stay.booking), "10")
    told = shown(stay)
    assert "by the kWh 10.000 DKK 4.50 25% DKK 45.00" in told
    assert "by the kWh 7.250 – – –" in told
    assert "Total, VAT included DKK 45.00" in told
    assert "no tariff fits" in told


def test_who_has_not_come_yet_has_a_receipt_of_nothing():
    stay = make.stay(make.pitch("101"), status=Stay.Status.EXPECTED)
    make.guest(stay.booking, language="en")
    for told in (shown(stay), printed(stay)):
        assert "This stay has not begun yet." in told
        assert "This stay 0.000" in told


def test_the_head_names_guest_booking_pitch_and_days(settings):
    settings.SITE_NAME, settings.SITE_PHONE, settings.SITE_EMAIL = "Skovlund", "+45 12 34 56 78", "hej@example.com"
    stay, _meter = camper(first_name="Åse", last_name="Müller")
    Stay.objects.update(arrival=date(2026, 7, 9), departure=date(2026, 7, 12))
    for told in (shown(stay), printed(stay)):
        assert f"Booking number {stay.booking.sirvoy_id} Guest Åse Müller Pitch 101" in told
        assert "Stay 9 Jul 2026 – 12 Jul 2026" in told
        assert "As it is known on" in told
        assert "Skovlund" in told
        assert "+45 12 34 56 78 · hej@example.com" in told


def test_the_business_is_named_with_address_and_number_where_these_are_set(settings):
    stay, _meter = camper()
    for told in (shown(stay), printed(stay)):
        assert "CVR" not in told
    settings.SITE_ADDRESS, settings.SITE_CVR = "Strandvejen 1, 8400 Ebeltoft", "12345678"
    for told in (shown(stay), printed(stay)):
        assert "Strandvejen 1, 8400 Ebeltoft · CVR 12345678" in told
    settings.SITE_ADDRESS = ""
    assert " CVR 12345678" in printed(stay)


# --- as a PDF --------------------------------------------------------------------------------------------------------

HOSTILE = [
    "😀👩‍👩‍👧 Zoë",
    "<script>alert(1)</script>",
    "{nb} %s %(x)s **bold** {{ x }}",
    "W" * 300,
    "محمد \u202eevil\u202c שלום",
    "Ðặng Ωμέγα Иванов Łukasz ŵ ﬁ",
    "a\x01b\u2028c\ud7a3 日本",
    "‑–—…«»’",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_prevents_a_pdf(name):
    stay, meter = camper()
    Guest.objects.filter(booking=stay.booking).update(first_name=name[:150], last_name=name[150:])
    make.tariff()
    ledger.correct(stay, Decimal(1), name[:250], make.staff())
    told = printed(stay)
    assert meter.device.ieee_address in told
    assert "DKK 37.13" in told
    assert "Page 1 of " in told
    assert "{nb}" in told or "{nb}" not in name


def test_letters_of_europe_are_printed_and_others_are_boxes():
    stay, _meter = camper(first_name="Łukasz Ðặng", last_name="Ωμέγα Иванов u\u0308 日😀")
    assert "Łukasz Ðặng Ωμέγα Иванов ü □□" in printed(stay)


def test_no_letter_of_a_name_is_logged(caplog):
    """The library that cuts the font to what is needed tells the names of its letters."""
    stay, _meter = camper(first_name="Ωμέγα")
    assert "Ωμέγα" in printed(stay)
    assert [line for line in caplog.records if line.name.startswith(("fontTools", "fpdf"))] == []


def test_markup_in_a_name_is_text_on_the_page():
    stay, _meter = camper(first_name="<script>alert(1)</script>")
    content = enter(stay).get(PAGE).content.decode()
    assert "&lt;script&gt;alert(1)" in content
    assert "<script>alert" not in content


def test_the_file_has_a_title_a_language_and_a_plain_name():
    stay, _meter = camper(language="de")
    answer = enter(stay).get(FILE)
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'inline; filename="receipt-{stay.booking.sirvoy_id}.pdf"'
    assert answer["Content-Language"] == "de"
    assert "no-store" in answer["Cache-Control"]
    assert "noindex" in answer["X-Robots-Tag"]
    file = PdfReader(BytesIO(answer.content))
    assert file.metadata is not None
    assert file.metadata.title == "Vorläufige Stromabrechnung · Strom"
    assert file.trailer["/Root"]["/Lang"] == "de"  # type: ignore[index]
    assert [round(float(side)) for side in file.pages[0].mediabox[2:]] == [595, 842]


def many(stay: Stay, count: int) -> None:
    """So many lines, one after the other."""
    now = timezone.now()
    for index in range(count):
        made = make.served(stay, stay.pitch, now - (count - index) * HOUR, now - (count - index - 1) * HOUR, "1.5")
        assert made.pk


def test_many_lines_go_on_over_pages_with_the_columns_named_on_each():
    stay, _meter = camper()
    StayMeter.objects.all().delete()
    many(stay, 60)
    file = PdfReader(BytesIO(enter(stay).get(FILE).content))
    told = [plain(page.extract_text()) for page in file.pages]
    assert len(told) >= 4
    serials = re.findall("0x[0-9a-f]{16}", " ".join(told))
    assert len(serials) == len(set(serials)) == 60
    for number, text in enumerate(told, 1):
        assert f"Page {number} of {len(told)}" in text
        assert "Meter From To kWh" in text or "0x" not in text
    assert "This stay 90.000" in " ".join(told)


def test_the_same_receipt_of_the_same_moment_is_the_same_file():
    stay, _meter = camper()
    now = timezone.now()
    assert pages.as_pdf(stay, now).content == pages.as_pdf(stay, now).content


# --- languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_pdf_are_whole_in_each_language(language):
    stay, meter = camper(language=language)
    make.tariff()
    ledger.correct(stay, Decimal(1), "Lampe", make.staff())
    with translation.override(language):
        amount = plain(local.amount(Decimal("37.13")))
        value = plain(local.number(Decimal("1241.75"), 3))
    for told in (shown(stay), printed(stay)):
        assert meter.device.ieee_address in told
        assert amount in told
        assert value in told
        for english in ("interim statement", "Used by the whole", "still running", "Total,", "goes on", "Correction"):
            assert (english in told) == (language == "en"), english


def test_who_chooses_a_language_on_the_receipt_comes_back_to_it():
    stay, _meter = camper()
    browser = enter(stay)
    assert post(browser, "portal-language", language="sv", next="portal-receipt")["Location"] == PAGE
    assert "Preliminär avräkning för el" in browser.get(PAGE).content.decode()


# --- who sees it -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [PAGE, FILE])
def test_without_a_cookie_the_form_is_shown(address):
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (303, "/stay/find/")


@pytest.mark.parametrize("address", [PAGE, FILE])
def test_it_is_closed_when_the_page_is(address):
    stay, _meter = camper()
    browser = enter(stay)
    Stay.objects.update(status=Stay.Status.LEFT, ended_at=timezone.now() - 23 * HOUR)
    assert browser.get(address).status_code == 200
    Stay.objects.update(ended_at=timezone.now() - 25 * HOUR)
    assert browser.get(address)["Location"] == "/stay/find/"
    Stay.objects.update(status=Stay.Status.IN_HOUSE, ended_at=None)
    links.revoke_all(stay, None, timezone.now())
    assert browser.get(address)["Location"] == "/stay/find/"


@pytest.mark.parametrize("address", [PAGE, FILE])
def test_it_is_only_read(address):
    stay, _meter = camper()
    browser = Client()
    browser.get(links.path(links.make(stay, None)))
    assert browser.head(address).status_code == 200
    assert browser.post(address).status_code == 405


def test_the_guests_page_leads_to_it():
    stay, _meter = camper()
    assert f'href="{PAGE}"' in enter(stay).get("/stay/").content.decode()
    content = enter(stay).get(PAGE).content.decode()
    assert f'href="{FILE}"' in content
    assert 'href="/stay/"' in content
    assert "style=" not in content
    assert "<script" not in content


def test_reception_gets_the_same_file_in_the_guests_language():
    stay, meter = camper(language="nl")
    user = make.staff()
    user.groups.add(Group.objects.get(name="reception"))
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(user)
    address = reverse("reception_receipt", args=[stay.pk])
    assert address in browser.get(reverse("reception_booking", args=[stay.booking.sirvoy_id])).content.decode()
    answer = browser.get(address)
    assert answer["Content-Type"] == "application/pdf"
    told = read(answer.content)
    assert "Voorlopige stroomafrekening" in told
    assert meter.device.ieee_address in told
    assert browser.post(address).status_code == 405
    browser.force_login(make.staff("cleaner"))
    assert browser.get(address).status_code == 403


def test_a_constant_number_of_queries_whatever_the_number_of_lines():
    stay, _meter = camper()
    make.tariff()
    browser = enter(stay)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert browser.get(PAGE).status_code == 200
        return len(captured)

    few = queries()
    many(stay, 40)
    for number in range(3):
        other = make.stay(make.pitch(), booking=stay.booking)
        serve(other, f"2{number}", "0", "1")
    for number in range(5):
        Correction.objects.create(stay=stay, energy_kwh=1, reason=str(number), by=make.staff(f"s{number}"))
    assert (few, queries()) == (15, 15)


def test_nothing_is_computed_that_the_ledger_computes():
    stay, _meter = camper()
    known = facts.gather(stay, timezone.now())
    assert known.used == ledger.used_kwh([stay])
    assert known.bill == accounts.bill([stay.booking_id])[stay.booking_id]
    assert [each.kwh for each in known.lines] == [Decimal("7.25")]
