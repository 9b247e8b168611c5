"""A guest's link: who gets in, when, and what the page says; the secret is kept by nobody."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings import links
from bookings.models import PortalLink, Stay
from campsite.redaction import redact
from tests import make
from tests.bookings.guest import enter, page, read

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
Status = Stay.Status


def expected(day: date = date(2026, 7, 10), **values) -> Stay:
    """From that day on for two days, not here yet."""
    booking = make.booking(arrival=day, departure=day + timedelta(days=2))
    make.guest(booking)
    return make.stay(make.pitch("101"), booking=booking, status=Status.EXPECTED, **values)


def opened(secret: str, now: datetime) -> Stay | None:
    link = links.check(secret, now)
    return link and link.stay


def test_a_secret_leads_to_its_stay_and_is_not_stored():
    stay = make.stay(make.pitch())
    secret = links.make(stay, make.staff())
    assert opened(secret, timezone.now()) == stay
    assert secret not in str(PortalLink.objects.values())
    for wrong in ("", secret[:-1], secret + "x", secret.swapcase(), "\ud800", "\x00", "x" * 10_000):
        assert links.check(wrong, timezone.now()) is None


def test_it_opens_some_hours_before_the_day_of_arrival_and_closes_after_the_departure():
    stay = expected()
    secret = links.make(stay, None)
    midnight = datetime(2026, 7, 9, 22, tzinfo=UTC)
    assert links.check(secret, midnight - 24 * HOUR - timedelta(seconds=1)) is None
    assert opened(secret, midnight - 24 * HOUR) == stay
    left = midnight + 10 * HOUR
    Stay.objects.update(status=Status.LEFT, ended_at=left)
    assert opened(secret, left + 24 * HOUR - timedelta(seconds=1)) == stay
    assert links.check(secret, left + 24 * HOUR) is None


@pytest.mark.parametrize(
    ("arrival", "opens"),
    [
        (date(2026, 3, 30), datetime(2026, 3, 28, 22, tzinfo=UTC)),  # the day before has 23 hours
        (date(2026, 10, 26), datetime(2026, 10, 24, 23, tzinfo=UTC)),  # 25 hours
    ],
)
def test_its_hours_before_arrival_are_hours_also_over_a_change_of_the_clock(arrival, opens):
    stay = expected(arrival)
    assert not links.is_open(stay, opens - timedelta(seconds=1))
    assert links.is_open(stay, opens)
    assert links.is_open(stay, opens.astimezone(timezone.get_default_timezone()))


@pytest.mark.parametrize(
    ("arrival", "closes"),
    [
        (date(2026, 3, 26), datetime(2026, 3, 29, 10, tzinfo=UTC)),
        (date(2026, 10, 22), datetime(2026, 10, 25, 9, tzinfo=UTC)),
    ],
)
def test_its_hours_after_departure_are_hours_also_over_a_change_of_the_clock(arrival, closes):
    stay = expected(arrival)
    assert links.is_open(stay, closes - timedelta(seconds=1))
    assert not links.is_open(stay, closes)


def test_who_never_came_or_was_cancelled_gets_in_no_more():
    secret = links.make(expected(), None)
    long_after = datetime(2026, 7, 13, 10, tzinfo=UTC)
    assert links.check(secret, long_after) is None
    Stay.objects.update(status=Status.IN_HOUSE)
    assert links.check(secret, long_after)  # who is still here, is
    Stay.objects.update(status=Status.CANCELLED)
    assert links.check(secret, datetime(2026, 7, 10, 10, tzinfo=UTC)) is None


def test_revoked_links_lead_nowhere():
    stay, now = make.stay(make.pitch()), timezone.now()
    first, second = links.make(stay, None), links.make(stay, None)
    assert links.revoke_all(stay, None, now) == 2
    assert links.check(first, now) is links.check(second, now) is None
    assert opened(links.make(stay, None), now) == stay


def test_the_printed_link_is_under_the_sites_own_name_where_that_is_set(settings):
    stay, client = make.stay(make.pitch()), Client()
    client.force_login(make.superuser())
    card = reverse("reception_card", args=[stay.pk])
    assert "http://testserver/p/" in client.post(card).content.decode()
    settings.SITE_URL = "https://power.example.com"
    assert "https://power.example.com/p/" in client.post(card).content.decode()


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_power_and_kwh_in_the_guests_language_and_is_kept_by_nobody():
    stay = make.stay(make.pitch("101"))
    make.guest(stay.booking, language="sv")
    meter = make.switchable("101,1", relay=True)
    make.line(stay, meter)
    make.used(stay, "12.5")
    answer = enter(stay, headers={"accept-language": "de"}).get("/stay/")
    shown = read(answer)
    assert 'lang="sv"' in shown
    assert 'data-relay="on"' in shown
    assert "12,5" in shown
    assert "101" in shown
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "sessionid" not in answer.cookies
    assert "Müller" not in shown


def test_a_guest_without_an_outlet_is_told_so():
    stay = make.stay(make.pitch("101"))
    make.guest(stay.booking, language="en")
    browser = enter(stay)
    assert "no outlet" in page(browser)
    assert 'name="outlet"' in page(browser)
    Stay.objects.update(status=Status.EXPECTED)
    assert "as soon as you have checked in" in page(browser)


def test_wrong_links_are_not_found_and_then_throttled_but_right_ones_never(settings):
    settings.PORTAL_WRONG_LINKS_A_MINUTE = 3
    secret = links.make(make.stay(make.pitch()), None)
    answers = [Client().get(reverse("portal", args=[f"wrong{number}"])).status_code for number in range(5)]
    assert answers == [404, 404, 404, 429, 429]
    assert Client().get(links.path(secret)).status_code == 303
    assert Client().put(links.path(secret)).status_code == 405


def test_the_secret_is_struck_out_of_whatever_is_logged():
    secret = links.make(make.stay(make.pitch()), None)
    assert secret not in redact(f"GET {links.path(secret)} 500")
    assert secret not in redact(f"http://x/p/{secret}")
