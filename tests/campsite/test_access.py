"""Every address of the site, asked by those who may not. Whoever adds one that is open says so here."""

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests import make

pytestmark = pytest.mark.django_db


def routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, route)
        else:
            yield re.sub(r"<[^>]*>", "1", route)


DJANGOS_OWN = re.compile(r"/admin/\w+/\w+/1/((change|delete|history)/)?")
"""The pages of a row, which the admin guards by the same permissions as the list of all."""
ADDRESSES = sorted(
    route
    for route in set(routes(get_resolver().url_patterns))
    if not re.search(r"[\\^$(]", route) and not DJANGOS_OWN.fullmatch(route)
)
PUBLIC = {"/", "/admin/login/", "/admin/logout/", "/stay/find/", "/stay/app.webmanifest", "/stay/worker.js"}
PUBLIC |= {"/health/live", "/health/ready"}
"""Shown to whoever asks; the rest of a guest's pages lead strangers to the form."""
OF_ALL_STAFF = re.compile(
    r"/(board/(help/|state\.json)?|api/v1/((areas|pitches|meters|schema|docs)/)?"
    r"|health/(live|ready)|admin/((jsi18n|password_change|password_change/done|search|login|logout)/)?"
    r"|admin/(login/(password|code|telephone)|my-log-in(/(telephone|change|leave))?)/)?"
)
"""Shown to anybody who may log in here."""


def answers(client: Client, address: str) -> set[int | str]:
    """What it answers when it is read and written to: statuses, or where it leads. 405: it is not asked that way."""
    found = set()
    for ask in (client.get, client.post):
        answer = ask(address)
        found.add(answer.headers["Location"].partition("?")[0] if "Location" in answer.headers else answer.status_code)
    return found - {405}


def test_strangers_are_told_nothing_but_what_is_public(settings):
    settings.API_WRONG_TOKENS_A_MINUTE = settings.STRANGERS_A_MINUTE = 10_000
    for address in sorted(set(ADDRESSES) - PUBLIC):
        refused = {"/admin/login/", 401, 403}
        if address.startswith(("/p/", "/hooks/", "/metrics")):  # secret addresses; no token is set for the metrics
            refused = {404}
        elif address.startswith("/stay/"):
            refused = {"/stay/find/", "/stay/"}
        assert answers(Client(), address) <= refused, address


def test_staff_without_permissions_see_the_board_and_nothing_else():
    client = Client()
    client.force_login(make.staff(pk=2))  # everybody may change his own password: 1 is somebody else
    for address in ADDRESSES:
        if not address.startswith(("/p/", "/stay/", "/hooks/")) and not OF_ALL_STAFF.fullmatch(address):
            assert answers(client, address) <= {403, 404}, address


def test_no_form_is_taken_from_another_site():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.superuser())
    for address in ADDRESSES:
        if not address.startswith("/hooks/"):  # no browser calls it
            assert client.post(address).status_code in (403, 405), address
