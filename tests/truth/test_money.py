"""kWh and amounts are told with how sure they are, and as of when."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core import mail as outbox
from django.core.cache import cache
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from bookings import accounts, exports, ledger, mail
from bookings.exports import Kind
from bookings.models import Booking, Mode, Stay, StayMeter
from bookings.portal import facts
from meters.models import Snapshot
from tests import make
from tests.bookings.guest import enter, page

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = date(2026, 7, 10)
MORNING = datetime(2026, 7, 10, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nobody_tried() -> None:
    cache.clear()


def staff() -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    return client


def read(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def counting(booking: Booking, number: str, kwh: str, told_at: datetime, since: datetime) -> Stay:
    """A party whose meter told its counter last at this moment."""
    stay, meter = make.stay(make.pitch(number), booking=booking), make.switchable(f"{number},1", relay=True)
    make.line(stay, meter, pitch=stay.pitch, since=since)
    make.counted(meter, kwh, told_at)
    return stay


def leaving(told_at: datetime, status: str = "in_house") -> Booking:
    booking = make.booking(arrival=DAY - timedelta(days=3), departure=DAY)
    stay = counting(booking, "101", "10", told_at, MORNING - 72 * HOUR)
    if status == "left":
        Stay.objects.filter(pk=stay.pk).update(status=status, ended_at=MORNING)
        line = stay.lines.get()
        line.period, line.ended_by = DateTimeTZRange(line.period.lower, MORNING), StayMeter.Reason.CHECK_OUT
        line.end = make.snapshot(line.meter, MORNING, "10")
        line.save()
    return booking


# --- a counter that was never heard ----------------------------------------------------------------------------------


def test_of_a_stay_that_ended_without_one_word_of_its_counter_no_0_is_told() -> None:
    since = timezone.now() - 3 * HOUR
    stay = make.stay(make.pitch("101"), began_at=since)
    make.guest(stay.booking, language="en")
    meter = make.meter("101,1", area=make.area())
    line = make.line(stay, meter, pitch=stay.pitch, since=since)
    Snapshot.objects.update(known_at=None, settled_at=None, quality=Snapshot.Quality.WAITING)
    ledger.end(stay, meter, timezone.now())
    line.refresh_from_db()
    (measured,) = ledger.measure([line])
    assert (measured.kwh, measured.as_of) == (0, since), "nothing is known beyond its beginning"
    assert not facts.gather(stay, timezone.now()).is_known
    assert "<strong>0" not in page(enter(stay))


def test_who_has_no_meter_is_not_said_to_have_used_0() -> None:
    stay = make.stay(make.pitch("101"))
    make.guest(stay.booking)
    client, url = staff(), reverse("reception_booking", args=[stay.booking.sirvoy_id])
    account = "<dt>Used</dt><dd>{} kWh</dd>"
    assert "<strong>–</strong> kWh" in read(client, url)
    assert account.format("–") in read(client, url)
    make.used(stay, "3")
    assert "<strong>3.00</strong> kWh" in read(client, url)
    assert account.format("3.00") in read(client, url)


def test_a_departure_without_a_meter_is_not_said_to_have_used_0() -> None:
    make.tariff()
    stay = make.stay(make.pitch("101"), booking=make.booking(departure=timezone.localdate()))
    make.guest(stay.booking)
    client = staff()
    assert '<span class="number">– kWh</span>' in read(client, reverse("reception"))
    assert '<td class="px-3 py-2 text-right">–</td>' in read(client, reverse("admin:bookings_charge_departures"))


# --- as of when ------------------------------------------------------------------------------------------------------


def test_an_amount_of_several_pitches_is_as_old_as_the_oldest_of_them() -> None:
    now = timezone.now()
    make.tariff()
    booking = make.booking()
    make.guest(booking, language="en")
    own = counting(booking, "101", "2", now, now - 24 * HOUR)
    counting(booking, "102", "3", now - 20 * HOUR, now - 24 * HOUR)
    told = facts.gather(own, now)
    assert (told.used.as_of, told.account.as_of) == (now, now - 20 * HOUR)
    text = " ".join(page(enter(own)).split())
    assert "For all 2 pitches of your booking together. · as of" in text


def test_reception_sees_as_of_when_the_kwh_of_a_departure_are_known() -> None:
    make.tariff()
    leaving(MORNING - 5 * HOUR)
    client = staff()
    assert "as of 07/10/2026 6 a.m." in read(client, reverse("admin:bookings_charge_departures") + f"?day={DAY}")
    booking = make.booking(departure=timezone.localdate())
    counting(booking, "103", "1", timezone.now() - 7 * HOUR, timezone.now() - 24 * HOUR)
    assert "as of" in read(client, reverse("reception"))


def test_a_mail_about_a_package_says_as_of_when_it_is_used_up() -> None:
    now = timezone.now()
    make.tariff(mode=Mode.PACKAGE, low_kwh=Decimal(5))
    item = {"description": "Elpakke", "quantity": "1", "price": None, "total": None, "kwh": "50"}
    booking = make.booking(items=[item])
    make.guest(booking, language="en")
    counting(booking, "101", "51", datetime(2026, 7, 9, 12, tzinfo=UTC), datetime(2026, 7, 8, 12, tzinfo=UTC))
    accounts.watch_packages(now)
    assert mail.tell_guests(now) == 1
    (sent,) = outbox.outbox
    assert "Used: 51.0 kWh, as of 07/09/2026 2 p.m." in sent.body
    assert "51.0 kWh, as of" in sent.alternatives[0].content


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "how_sure", "as_of", "unsure"),
    [("in_house", "still running", "2026-07-10 06:00", 1), ("left", "read", "2026-07-10 11:00", 0)],
)
def test_a_file_tells_how_sure_its_kwh_are_and_as_of_when(status: str, how_sure: str, as_of: str, unsure: int) -> None:
    make.tariff()
    leaving(MORNING - 5 * HOUR, status)
    with translation.override("en"):
        table = exports.table(Kind.DEPARTURES, DAY, DAY)
        sums = exports.table(Kind.DAYS, DAY, DAY)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["used kWh"], row["how sure"]) == (10, how_sure)
    assert row["as of"].strftime("%Y-%m-%d %H:%M") == as_of
    assert as_of in exports.as_csv(table).decode()
    assert exports.as_excel(table)
    assert dict(zip(sums.columns, sums.rows[0], strict=True))["bookings still running or partly estimated"] == unsure
