"""Whether Sirvoy still calls: by what it did in the same hours of the last weeks."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import WebhookEvent, WebhookToken
from monitoring.checks import sirvoy

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)


def events(silent: timedelta, *weeks: int, origin: str = "webhook") -> None:
    """The last event so long ago, and so many in the same time of each of the weeks before, latest first."""
    last = NOW - silent
    times = [last, *(last - n * WEEK + (k + 1) * silent / (count + 1)
                     for n, count in enumerate(weeks, 1) for k in range(count))]  # fmt: skip
    for at in times:
        WebhookEvent.objects.create(received_at=at, body=b"", size=0, digest="", status="applied", origin=origin)


def told() -> list[str]:
    return [found.code for found in sirvoy.silence(NOW)]


def test_silence_in_hours_in_which_events_came_each_week_is_told_with_since_when() -> None:
    events(6 * HOUR, 8, 12, 9)
    (found,) = sirvoy.silence(NOW)
    assert (found.since, found.facts["hours"], found.facts["events"]) == (NOW - 6 * HOUR, 6, 8)
    WebhookEvent.objects.create(received_at=NOW, body=b"", size=0, digest="", status="applied")
    assert told() == []


@pytest.mark.parametrize("weeks", [(), (20, 20), (7, 30, 30), (30, 30, 7), (0, 0, 0)])
def test_in_winter_or_after_less_than_three_weeks_nothing_is_said(weeks: tuple[int, ...]) -> None:
    events(6 * HOUR, *weeks)
    assert told() == []


def test_a_long_silence_stays_told() -> None:
    events(timedelta(days=30), 0)
    last = NOW - timedelta(days=30)
    for week in (1, 2, 3):
        for hour in range(1, 10):
            at = last - week * WEEK + hour * HOUR
            WebhookEvent.objects.create(received_at=at, body=b"", size=0, digest="", status="applied")
    assert told() == ["webhook_silent"]


def test_what_staff_imported_is_no_call_of_sirvoys() -> None:
    events(6 * HOUR, 9, 9, 9)
    WebhookEvent.objects.create(
        received_at=NOW, body=b"", size=0, digest="", status="applied", origin=WebhookEvent.Origin.IMPORT
    )
    assert told() == ["webhook_silent"]


@pytest.mark.parametrize(
    ("looked", "event", "is_told"),
    [
        (8 * 24, None, True),
        (6 * 24, None, False),
        (8 * 24, 2, False),  # it calls: somebody is there
        (58 * 24, None, False),  # only when it was set up
        (None, None, False),
    ],
)
def test_an_address_that_sirvoy_looked_at_and_does_no_more(
    looked: int | None, event: int | None, is_told: bool
) -> None:
    token = WebhookToken.objects.create(name="Sirvoy", digest="x")
    ago = {"last_get_at": looked, "last_event_at": event}
    times = {name: hours and NOW - hours * HOUR for name, hours in ago.items()}
    WebhookToken.objects.update(created_at=NOW - timedelta(days=60), **times)
    found = [finding.key for finding in sirvoy.address_checks(NOW)]
    assert found == ([f"address_unchecked:{token.pk}"] if is_told else [])
    WebhookToken.objects.update(revoked_at=NOW)
    assert list(sirvoy.address_checks(NOW)) == []
