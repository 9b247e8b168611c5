"""Whatever stands in a page's address, its forms, cookies and headers: it is answered, and reading writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from hypothesis import given, note
from hypothesis import strategies as st

from bookings import links
from bookings.models import Stay
from meters.models import Meter
from tests import make
from tests.fuzz.mutation import HOSTILE
from tests.fuzz.test_api import written
from tests.properties import fewer

pytestmark = pytest.mark.django_db
TEXTS = [each for each in HOSTILE if isinstance(each, str) and len(each) < 2000]
TEXTS += ["1", "-1", "99999999999999999999", "2026-07-01", "2026-13-45", "0000-00-00", "9999-12-31", "20999-01", "1__x"]
ASKED = ["q", "p", "o", "e", "all", "from", "to", "before", "after", "day", "month", "what", "format", "size", "area"]
ASKED += ["meter", "asked", "span", "next", "id__in", "pk__exact", "per", "number", "outlet", "state", "language"]
ASKED += ["stay", "surname", "arrival", "_to_field", "_popup", "x__y__gte"]
HEADERS = ["accept", "accept-language", "cookie", "referer", "x-forwarded-for", "if-none-match", "if-modified-since"]
HEADERS += ["range", "user-agent", "content-type", "x-requested-with", "accept-encoding"]


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, prefix + str(each.pattern))
        else:
            yield prefix + str(each.pattern)


PAGES = sorted({route for route in routes(get_resolver().url_patterns) if not re.search(r"[\\^$(]|logout", route)})
OF_GUESTS = [route for route in PAGES if route.startswith(("/stay/", "/p/"))]


def address(route: str, chance: Random, keys: list[str]) -> str:
    """With what is there in the places of its parameters, or with anything."""

    def filled(match: re.Match[str]) -> str:
        value = chance.choice(keys) if chance.random() < 0.6 else chance.choice(TEXTS)
        if match[0].startswith("<int:") and not re.fullmatch("[0-9]+", value):
            value = chance.choice(["0", "9" * 12, "9" * 30])
        return quote(value.encode("utf-8", "surrogatepass"), safe="")

    return re.sub("<[^>]*>", filled, route)


def asked(answer: Any, chance: Random) -> str:
    """A query: of what the page's own links and fields ask, or of what any page does."""
    page = "" if answer.streaming else answer.content.decode("utf-8", "replace")
    linked = [name for query in re.findall(r'href="\?([^"#]*)', page) for name, _ in parse_qsl(query)]
    names = [*linked, *re.findall(r'name="([^"]+)"', page), *chance.choices(ASKED, k=5)]
    return urlencode([(chance.choice(names), chance.choice(TEXTS)) for _ in range(chance.randint(1, 3))])


def headers(chance: Random) -> dict[str, str]:
    """As a server hands them on: bytes as Latin-1, without what ends a line."""
    texts = [re.sub(r"[\0\r\n]", " ", text).encode("utf-8", "replace").decode("latin-1") for text in TEXTS]
    told = {chance.choice(HEADERS): chance.choice(texts) for _ in range(2)}
    return told if chance.random() < 0.3 else {}


def answers(ask: Callable[..., Any], *how: Any, **more: Any) -> Any:
    """What it wrote is taken back, and what the database refused stops no other."""
    begun = transaction.savepoint()
    answer = ask(*how, **more)
    assert answer.status_code < 500
    transaction.savepoint_rollback(begun)
    return answer


@pytest.fixture
def stay(settings: Any) -> Stay:
    """Of a party that is here, on a site with one of each thing."""
    for name in dir(settings):
        if name.startswith(("PORTAL_", "STRANGERS_")) and name.endswith(("_A_MINUTE", "_AN_HOUR")):
            setattr(settings, name, 10**9)  # a 429 would hide the rest
    meter, pitch = make.switchable("101,2", area=make.acting("North")), make.pitch("101")
    make.installed(meter, pitch)
    make.counted(meter, "10", timezone.now())
    make.reading(meter, timezone.now())
    stay = make.stay(pitch)
    make.guest(stay.booking)
    make.line(stay, meter, pitch=pitch)
    make.command(make.want(meter))
    return stay


@pytest.fixture
def keys(stay: Stay) -> list[str]:
    """What addresses may name."""
    meter = Meter.objects.get()
    return [*map(str, (meter.pk, stay.pitch_id, stay.pk, stay.booking_id)), meter.device.ieee_address, "north", "101"]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make.superuser())
    return client


@fewer(4)
@given(route=st.sampled_from(PAGES), chance=st.randoms(use_true_random=False))
def test_a_page_that_is_asked_whatever_answers_and_writes_nothing(
    client: Client, keys: list[str], route: str, chance: Random
) -> None:
    path = address(route, chance, keys)
    plain = answers(client.get, path)
    before = written()
    for _ in range(2):
        query, more = asked(plain, chance), headers(chance)
        note(f"{path}?{query} {more}")
        answers(client.get, f"{path}?{query}", headers=more)
    assert written() == before


@fewer(4)
@given(route=st.sampled_from(OF_GUESTS), chance=st.randoms(use_true_random=False))
def test_whatever_a_guest_sends_is_answered(stay: Stay, keys: list[str], route: str, chance: Random) -> None:
    guest = Client()
    if chance.random() < 0.9:
        guest.get(reverse("portal", args=[links.make(stay, None)]))
    path = address(route, chance, keys)
    plain = answers(guest.get, path)
    for _ in range(2):
        query, more = asked(plain, chance), headers(chance)
        note(f"{path}?{query} {more}")
        answers(guest.get, f"{path}?{query}", headers=more)
        form = {name: chance.choice([value, *keys, "on", "off"]) for name, value in parse_qsl(query)}
        note(repr(form))
        answers(guest.post, path, form, headers=more)
