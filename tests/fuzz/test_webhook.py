"""Whatever is sent to the webhook is answered as documented: with a right token it is kept as it came, else not."""

from __future__ import annotations

from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from hypothesis import given, note
from hypothesis import strategies as st

from bookings import inbox, sirvoy, tokens
from bookings.models import Booking, WebhookEvent
from tests import emptied, make
from tests.fuzz.targets import TARGETS
from tests.properties import fewer

pytestmark = pytest.mark.django_db
SEEDS = [path.read_bytes() for path in (*TARGETS["booking"].seeds(), *TARGETS["booking"].found())]
TYPES = ["application/json", "text/plain", "", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
TYPES += ["application/json; charset=no-such", "\x00", "a" * 5000]
REASONS = {value for name, value in vars(sirvoy.Unreadable).items() if name.isupper()} | {"", inbox.TRUNCATED}
"""Why an event may not become a booking. An exception would stand there by its kind and place."""


@pytest.fixture
def client(settings: Any) -> Client:
    settings.SIRVOY_WRONG_TOKENS_A_MINUTE = settings.STRANGERS_A_MINUTE = 10**9
    for number in ("101", "102", "103", "F1"):
        make.pitch(number)
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.fixture
def right() -> str:
    """The secret of a token that is valid."""
    return tokens.make("Sirvoy", None)[1]


def sent(client: Client, path: str, body: bytes, chance: Random) -> int:
    more = {"headers": {"accept": chance.choice(["*/*", "text/html", "\\", ""])}}
    return client.generic("POST", path, body, content_type=chance.choice(TYPES), **more).status_code


@fewer(5)
@given(chance=st.randoms(use_true_random=False))
def test_whatever_is_sent_with_a_right_token_is_kept_as_it_came_and_is_no_mistake_of_ours(
    client: Client, right: str, chance: Random
) -> None:
    path = tokens.path(right)
    bodies = [TARGETS["booking"].mutate(chance.choice(SEEDS), chance) for _ in range(3)]
    note(repr(bodies))
    last = WebhookEvent.objects.order_by("pk").values_list("pk", flat=True).last() or 0
    assert {sent(client, path, body, chance) for body in bodies} == {200}
    kept = WebhookEvent.objects.filter(pk__gt=last).order_by("pk")
    assert [bytes(event.body) for event in kept] == bodies
    assert set(kept.values_list("reason", flat=True)) <= REASONS
    assert not kept.filter(status=WebhookEvent.Status.RECEIVED).exists()
    numbers = set(kept.values_list("sirvoy_id", flat=True))
    assert Booking.objects.filter(event__in=kept).exclude(sirvoy_id__in=numbers - {None}).count() == 0


def rows() -> dict[str, int]:
    with connection.cursor() as cursor:
        counts = {}
        for table in emptied.tables():
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = cursor.fetchone()[0]
    return counts


@fewer(5)
@given(chance=st.randoms(use_true_random=False), secret=st.text(max_size=60))
def test_without_a_right_token_nothing_is_kept_whatever_is_sent(
    client: Client, right: str, chance: Random, secret: str
) -> None:
    wrong = chance.choice([secret, right[:-1], right + "0", right.upper(), f"{right}/x", right[::-1], f" {right}"])
    before = rows()
    body = TARGETS["booking"].mutate(chance.choice(SEEDS), chance)
    path = f"/hooks/sirvoy/{quote(wrong.encode('utf-8', 'surrogatepass'))}/"
    assert sent(client, path, body, chance) == 404
    assert client.get(path).status_code == 404
    assert rows() == before
