"""What is not this guest's, and what nobody told, is on none of his pages: who had the outlet before, who was between,
a counter that was never heard, a caller's own claims.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings import links
from bookings.models import PortalLink, Stay, StayMeter
from bookings.portal import facts, find, pulse, switching
from campsite.redaction import redact
from meters.models import Command, Meter, MeterState, Snapshot, Source
from tests import make
from tests.bookings.guest import enter, page, post

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def camper(hours: float = 3) -> tuple[Stay, Meter]:
    """A guest who has been here for so long."""
    since = timezone.now() - hours * HOUR
    stay = make.stay(make.pitch("101"), began_at=since)
    make.guest(stay.booking, language="en")
    meter = make.switchable("101,1", relay=True)
    make.line(stay, meter, pitch=stay.pitch, since=since)
    return stay, meter


# --- who had the outlet before ---------------------------------------------------------------------------------------


def test_a_former_guests_watts_are_not_told_neither_by_the_page_nor_by_its_socket() -> None:
    stay, _meter = camper(hours=3)
    MeterState.objects.update(power_w=1777, power_at=timezone.now() - 72 * HOUR)
    assert "1.78 kW" not in page(enter(stay))
    mark = links.mark(PortalLink.objects.get())
    told = pulse.of_marks([mark], timezone.now())[mark]
    assert told
    assert told["outlets"][0]["power_w"] is None


@pytest.mark.parametrize(
    ("status", "hours", "words"), [("confirmed", 120, "as the outlet itself confirmed"), ("failed", 0.5, "not succeed")]
)
def test_what_a_former_guest_switched_is_not_told(status: str, hours: float, words: str) -> None:
    stay, meter = camper(hours=0.2)
    at = timezone.now() - hours * HOUR
    want = make.want(meter, True, Source.GUEST, ended_at=at)
    Command.objects.all().delete()
    command = make.command(want, status=status, confirmed_at=at if status == "confirmed" else None)
    Command.objects.filter(pk=command.pk).update(created_at=at)
    assert words not in page(enter(stay))


def ended(line: StayMeter, at: Any) -> None:
    line.period, line.ended_by = DateTimeTZRange(line.period.lower, at), StayMeter.Reason.MOVE
    line.end = make.snapshot(line.meter, at)
    line.save()


def test_the_estimate_is_not_of_who_was_between() -> None:
    now = timezone.now()
    stay, meter = camper(hours=30)
    ended(StayMeter.objects.get(), now - 20 * HOUR)
    other = make.line(make.stay(make.pitch("102")), meter, since=now - 20 * HOUR)
    ended(other, now - timedelta(minutes=5))
    make.line(stay, meter, pitch=stay.pitch, since=now - timedelta(minutes=5))
    MeterState.objects.update(counter_at=now - 2 * HOUR, heard_at=now, power_w=2000, power_at=now)
    for minute in range(115, -1, -5):
        make.reading(meter, now - timedelta(minutes=minute), power_w=2000)
    assert facts.gather(stay, now).estimate_kwh < Decimal("0.3")


def test_until_the_counter_has_answered_at_check_in_nothing_is_counted() -> None:
    """What it tells meanwhile may be what the guest before used since it was last heard."""
    stay, meter = camper()
    Snapshot.objects.update(settled_at=None, quality=Snapshot.Quality.WAITING)
    make.counted(meter, "0.3", timezone.now())
    assert facts.gather(stay, timezone.now()).used.kwh == 0
    Snapshot.objects.update(settled_at=timezone.now(), quality=Snapshot.Quality.READ)
    assert facts.gather(stay, timezone.now()).used.kwh == Decimal("0.3")


# --- what nobody told ------------------------------------------------------------------------------------------------


def test_of_a_counter_that_was_never_heard_no_0_is_told() -> None:
    stay, _meter = camper()
    MeterState.objects.all().delete()
    shown = page(enter(stay))
    assert "<strong>0" not in shown
    assert "Nothing was used" not in shown
    assert shown.count("Not known yet") >= 3


def test_of_hours_in_which_a_meter_was_silent_no_0_is_told() -> None:
    now = timezone.now()
    stay, meter = camper(hours=96)
    make.counted(meter, "5", now - 60 * HOUR)
    MeterState.objects.update(heard_at=now - 60 * HOUR, counter_at=now - 60 * HOUR)
    known = facts.gather(stay, now)
    assert known.today_kwh is None
    assert known.hours
    assert {bar.kwh for bar in known.hours.bars} == {None}
    shown = page(enter(stay))
    assert "Nothing was used" not in shown
    assert "<strong>5.00</strong> kWh" in shown, "the stay's, as far as it is known"


# --- switching -------------------------------------------------------------------------------------------------------


def test_who_was_checked_out_while_he_pressed_switches_nothing() -> None:
    """His page was shown to somebody who was here; by the time his press is worked on he is not."""
    stay, meter = camper()
    Stay.objects.update(status=Stay.Status.LEFT)
    StayMeter.objects.all().delete()
    with pytest.raises(switching.Refused) as refused:
        switching.act(stay, meter, False, timezone.now())
    assert refused.value.why == switching.Refusal.NOT_HERE


def test_after_a_failed_switching_off_he_may_try_again() -> None:
    stay, meter = camper()
    want = make.want(meter, False, Source.GUEST)
    make.want(meter, True, Source.POLICY, until=timezone.now() + HOUR)
    Command.objects.all().delete()
    make.command(want, status="failed")
    shown = page(enter(stay))
    assert "Switching off did not succeed" in shown
    assert 'value="off"' in shown


# --- what a caller claims --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "unknown"},
        {"x-forwarded-for": "203.0.113.7"},
        {"x-forwarded-port": "-1"},
        {"x-forwarded-port": "99999999999"},
        {"x-correlation-id": "x" * 300},
    ],
)
def test_what_a_caller_says_of_himself_breaks_nothing_and_is_kept_nowhere(headers: dict[str, str]) -> None:
    stay, _meter = camper()
    browser = enter(stay, headers=headers)
    assert post(browser, "portal-report", kind="no_power", text="").status_code == 303
    entry = LogEntry.objects.get_for_object(stay).latest("pk")
    assert (entry.remote_addr, entry.remote_port, entry.cid) == (None, None, None)


@pytest.mark.parametrize("spelling", ["047101", "000000000047101", " 47101 "])
def test_a_booking_is_counted_however_its_number_is_written(settings: Any, spelling: str) -> None:
    settings.PORTAL_FINDS_OF_A_BOOKING_AN_HOUR = 1
    told = {"surname": "Nobody", "arrival": "2026-07-01"}
    assert post(Client(enforce_csrf_checks=True), "portal-find", number="47101", **told).status_code == 422
    assert post(Client(enforce_csrf_checks=True), "portal-find", number=spelling, **told).status_code == 429


def test_digits_of_other_scripts_are_no_number() -> None:
    told = {"surname": "Nobody", "arrival": "2026-07-01"}
    answer = post(Client(enforce_csrf_checks=True), "portal-find", number="4７101", **told)
    assert "only digits" in answer.content.decode()


def test_the_queries_of_the_form_do_not_tell_what_was_right() -> None:
    stay, _meter = camper()
    number, arrival = stay.booking.sirvoy_id, stay.booking.arrival
    counts = set()
    for asked in ((number + 1, "Müller", arrival), (number, "X", arrival), (number, "Müller", arrival + 24 * HOUR)):
        with CaptureQueriesContext(connection) as seen:
            assert not find.stays_of(*asked, timezone.now())
        counts.add(len(seen))
    assert len(counts) == 1


@pytest.mark.parametrize(
    "path",
    ["/p/ TOKEN/", "/p/<TOKEN>/", '/p/"TOKEN/', "/p/,TOKEN/", "/p/&TOKEN/", "/P/TOKEN/", "/p/./TOKEN/", "//p/TOKEN"],
)
def test_no_spelling_of_a_link_is_logged(path: str) -> None:
    assert "TOKEN" not in redact(f"Not Found: {path}")


def test_a_link_without_its_last_slash_is_not_said_once_more() -> None:
    stay, _meter = camper()
    secret = links.make(stay, None)
    answer = Client().get(f"/p/{secret}")
    assert secret not in answer["Location"]
    assert answer["Location"].startswith(reverse("portal-page"))
